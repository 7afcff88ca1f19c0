"""Testing half of an experiment: captions of the test split and every metric of them."""

from __future__ import annotations

from safetensors.torch import load_file

from gegcore import registry
from gegcore.experiment.train import new_captioner
from gegcore.experiment.validation import greedy_captions
from gegcore.materials import Materials
from gegcore.metrics.evaluate import evaluate_captions
from gegcore.metrics.inputs import MetricInputs, Pictures
from gegcore.metrics.java import java_problem
from gegcore.metrics.spice import spice_problem
from gegcore.provenance import code_digest, environment
from gegcore.runs import RunFolder
from gegcore.storage import atomic_write, digest, read_json, sha256_file, write_json


def evaluate(materials: Materials, run: RunFolder, model_name: str) -> RunFolder:
    """Caption the test split greedily and score the captions; nothing to do if current.

    Every metric is computed, under the judges and metrics of the profile too; without the programs
    of SPICE, all but SPICE. When they are there, the captions are scored again, not trained.

    Writes `captions.json` (COCO results format), `metrics.json`, `per_caption.parquet` and
    `provenance.json` into the run folder, `evaluation.json` last.
    """
    judges = materials.judges("test")
    more = materials.profile.metrics
    modules = filter(None, (registry.module(name, "metric") for name in more))
    key = digest(
        {
            "checkpoint": sha256_file(run.checkpoint),
            "materials": materials.digest(),
            "judges": {label: judge.digest for label, (judge, _) in judges.items()},
            "metrics": list(more),
            "java": java_problem() is None,
            "spice": spice_problem() is None,
            "resamples": materials.profile.resamples,
            "code": code_digest("gegcore.experiment.testing", *modules),
        }
    )
    if run.made_from("evaluation.json") == key:
        return run
    run.file("evaluation.json").unlink(missing_ok=True)
    model = new_captioner(materials, model_name, seed=0)
    model.load_state_dict(load_file(run.checkpoint))
    tokens = greedy_captions(materials, model, "test")
    references = {r.image_id: list(r.captions) for r in materials.data["test"].records}
    spoken = map(materials.vocabulary.decode, tokens.tolist())
    captions = dict(zip(references, spoken, strict=True))
    table = materials.tables["test"]
    given = MetricInputs(
        captions,
        references,
        Pictures(materials.clip, table, list(references), materials.groups["test"]),
        judges,
        materials.data["test"],
    )
    computed = [registry.find("metric", name) for name in more]
    result = evaluate_captions(given, computed, resamples=materials.profile.resamples)
    rows = [{"image_id": image, "caption": caption} for image, caption in captions.items()]
    write_json(run.file("captions.json"), rows)
    with atomic_write(run.file("per_caption.parquet"), "wb") as stream:
        result.per_caption.to_parquet(stream)
    scores = {"metrics": result.metrics, "missing": result.missing, "signature": result.signature}
    write_json(run.file("metrics.json"), scores)
    training = read_json(run.file("training.json"))
    write_json(
        run.file("provenance.json"),
        {
            "trained": training["environment"],
            "evaluated": environment(),
            "wall_seconds_training": training["seconds"],
            "digests": {"materials": materials.digest(), "training": training["key"]},
        },
    )
    write_json(run.file("evaluation.json"), {"key": key})
    return run

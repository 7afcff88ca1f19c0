"""Testing half of an experiment: captions of the test split and every metric of them."""

from __future__ import annotations

import sys

from safetensors.torch import load_file

from gegcore import registry
from gegcore.data.dataset import SPLITS
from gegcore.errors import some
from gegcore.experiment.keys import changes, evaluation_key
from gegcore.experiment.train import new_captioner
from gegcore.experiment.validation import greedy_captions
from gegcore.materials import Materials
from gegcore.metrics.evaluate import evaluate_captions
from gegcore.metrics.inputs import MetricInputs, Pictures
from gegcore.provenance import environment
from gegcore.runs import EVALUATED, TRAINED, RunFolder
from gegcore.storage import atomic_write, digest, write_json

_SCORES = ("captions.json", "metrics.json", "per_caption.parquet", "provenance.json")


def evaluate(materials: Materials, run: RunFolder, model_name: str) -> RunFolder:
    """Caption the test split greedily and score the captions; nothing to do if current and whole.

    Every metric is computed, under the judges and metrics of the profile too; without the programs
    of SPICE, all but SPICE. When they are there, the captions are scored again, not trained.

    Writes `captions.json` (COCO results format), `metrics.json`, `per_caption.parquet` and
    `provenance.json` into the run folder, `evaluation.json` last.
    """
    judges = materials.judges("test")
    key = evaluation_key(materials, run, model_name, judges)
    before = run.made_from(EVALUATED)
    if before == key and not run.damaged(EVALUATED):
        return run
    run.check(TRAINED)
    if before:
        other = some(changes(before, key) or run.damaged(EVALUATED))
        print(f"{run.name}: scored anew; not as before: {other}", file=sys.stderr)
    run.file(EVALUATED).unlink(missing_ok=True)
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
    computed = [registry.find("metric", name) for name in materials.profile.metrics]
    result = evaluate_captions(given, computed, resamples=materials.profile.resamples)
    rows = [{"image_id": image, "caption": caption} for image, caption in captions.items()]
    write_json(run.file("captions.json"), rows)
    with atomic_write(run.file("per_caption.parquet"), "wb") as stream:
        result.per_caption.to_parquet(stream)
    scores = {"metrics": result.metrics, "missing": result.missing, "signature": result.signature}
    write_json(run.file("metrics.json"), scores)
    training = run.training()
    write_json(
        run.file("provenance.json"),
        {
            "trained": training["environment"],
            "evaluated": environment(),
            "wall_seconds_training": training["seconds"],
            "digests": {
                "materials": digest(materials.digests(*SPLITS)),
                "training": digest(training["key"]),
            },
        },
    )
    run.write_record(EVALUATED, {"key": key}, (*_SCORES, TRAINED))
    return run

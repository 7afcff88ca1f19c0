"""Testing half of an experiment: captions of the test split and every metric of them."""

from __future__ import annotations

import sys

import torch
from safetensors.torch import load_file
from torch import Tensor

from gegcore import registry
from gegcore.data.dataset import SPLITS
from gegcore.decoding import beam_search
from gegcore.errors import some
from gegcore.experiment.keys import changes, evaluation_key
from gegcore.experiment.train import new_captioner
from gegcore.experiment.validation import greedy_captions
from gegcore.materials import Materials
from gegcore.metrics.evaluate import Evaluation, evaluate_captions
from gegcore.metrics.inputs import Judged, MetricInputs, Pictures
from gegcore.models.captioner import Captioner
from gegcore.provenance import environment
from gegcore.runs import EVALUATED, TRAINED, RunFolder
from gegcore.storage import atomic_write, digest, write_json

_SCORES = ("captions.json", "metrics.json", "per_caption.parquet", "provenance.json")
_IMAGES_PER_BATCH = 128


def evaluate(materials: Materials, run: RunFolder, model_name: str) -> RunFolder:
    """Caption the test split and score the captions; nothing to do if current and whole.

    Greedily, and by beam search of the profile's sizes. Every metric is computed, under the judges
    and metrics of the profile too; without the programs of SPICE, all but SPICE. When they are
    there, the captions are scored again, not trained.

    Writes `captions.json` (COCO results format), `metrics.json`, `per_caption.parquet` and
    `provenance.json` into the run folder, of a beam of 3 `beam3.captions.json` and
    `beam3.metrics.json`; `evaluation.json` last.
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
    result = _scored(materials, judges, run, greedy_captions(materials, model, "test"))
    with atomic_write(run.file("per_caption.parquet"), "wb") as stream:
        result.per_caption.to_parquet(stream)
    files = [*_SCORES, TRAINED]
    for size in materials.profile.beams:
        prefix = f"beam{size}."
        _scored(materials, judges, run, _beam_captions(materials, model, size), prefix)
        files += [f"{prefix}captions.json", f"{prefix}metrics.json"]
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
    run.write_record(EVALUATED, {"key": key}, files)
    return run


def _beam_captions(materials: Materials, model: Captioner, size: int) -> Tensor:
    """The best caption of each test image by beam search, `(N, T)`, as X-modaler tests."""
    store, profile = materials.features["test"], materials.profile
    tokens = torch.zeros(len(materials.data["test"].records), profile.max_len, dtype=torch.long)
    model.eval()
    with torch.no_grad():
        for rows in torch.arange(len(tokens)).split(_IMAGES_PER_BATCH):
            batch = store.batch(rows.tolist()).to(materials.device)
            unknown = materials.vocabulary.forbidden
            said = beam_search(model, batch, size, profile.max_len, unknown).tokens[:, 0].cpu()
            tokens[rows, : said.shape[1]] = said
    return tokens


def _scored(
    materials: Materials,
    judges: dict[str, Judged],
    run: RunFolder,
    tokens: Tensor,
    prefix: str = "",
) -> Evaluation:
    """Score captions of the test split, word ids `(N, T)`, and store both."""
    references = {r.image_id: list(r.captions) for r in materials.data["test"].records}
    spoken = map(materials.vocabulary.decode, tokens.tolist())
    captions = dict(zip(references, spoken, strict=True))
    result = score_captions(materials, judges, captions, references)
    rows = [{"image_id": image, "caption": caption} for image, caption in captions.items()]
    write_json(run.file(f"{prefix}captions.json"), rows)
    scores = {"metrics": result.metrics, "missing": result.missing, "signature": result.signature}
    if materials.calibration:
        scores["calibration"] = materials.calibration
    write_json(run.file(f"{prefix}metrics.json"), scores)
    return result


def score_captions(
    materials: Materials,
    judges: dict[str, Judged],
    captions: dict[int, str],
    references: dict[int, list[str]],
) -> Evaluation:
    """Every metric of a profile for captions of all test images, by image id."""
    table, groups = materials.tables["test"], materials.groups["test"]
    pictures = Pictures(materials.clip, table, list(references), groups)
    given = MetricInputs(captions, references, pictures, judges, materials.data["test"])
    computed = [registry.find("metric", name) for name in materials.profile.metrics]
    return evaluate_captions(given, computed, resamples=materials.profile.resamples)

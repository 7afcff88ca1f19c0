"""How X-modaler trains the seven captioners, as a table."""

from __future__ import annotations

from bookkit.report.page import Cell, Html, Row, table
from bookkit.report.paper import MODEL_NAMES
from gegcore.errors import DataError
from gegcore.training.config import ObjectiveConfig, objective_config
from gegcore.training.recipes import recipe

_COLUMNS = ("batch", "epochs", "rate", "Adam", "clip", "smoothing", "own words")
_IN_WORDS = ("rate", "own words")


def recipe_table(objective: str) -> Html:
    """Settings by model, a row each; see `gegcore.training.recipes` for their source.

    Raises:
        DataError: X-modaler has no such objective.
    """
    if objective not in ("mle", "scst"):
        raise DataError(f"there are no recipes for {objective!r}", "use mle or scst")
    rows = []
    for model, name in MODEL_NAMES.items():
        config = objective_config(objective, recipe(model, objective))
        cells = _mle(config) if objective == "mle" else _scst(config)
        kinds = ["geg-text" if column in _IN_WORDS else "" for column in _COLUMNS]
        filled = zip(cells, kinds, strict=False)
        rows.append(Row(name, [Cell(cell, kind=kind) for cell, kind in filled]))
    columns = _COLUMNS if objective == "mle" else _COLUMNS[:5]
    caption = (
        "X-modaler's published settings. Batch: images of a step, on all GPUs together, and "
        "captions of each, references or samples. Rate: Adam's learning rate and its schedule."
    )
    if objective == "mle":
        caption += (
            " Own words: how often scheduled sampling feeds the captioner its own word, at most."
        )
    return table(columns, rows, caption, corner="Model")


def _scst(config: ObjectiveConfig) -> list[str]:
    captions = config.samples if config.loss == "self_critical" else config.captions_per_image
    return [
        f"{config.images_per_step} \N{MULTIPLICATION SIGN} {captions}",
        str(config.epochs),
        _rate(config),
        ", ".join(f"{value:g}" for value in (*config.betas, config.eps)),
        f"value {config.clip_value:g}" if config.clip_value else f"norm {config.clip_norm:g}",
    ]


def _mle(config: ObjectiveConfig) -> list[str]:
    own = config.scheduled_sampling
    rises = f"{own.most:g}: +{own.increase:g} / {own.every} epochs from {own.start}" if own else ""
    return [*_scst(config), f"{config.label_smoothing:g}", rises or "none"]


def _rate(config: ObjectiveConfig) -> str:
    rate = f"{config.learning_rate:.3g}"
    if config.schedule == "noam":
        return f"{rate} after {config.warmup_steps:,} steps, then falls as 1 / \N{SQUARE ROOT}step"
    if config.schedule == "step":
        return f"{rate}, \N{MULTIPLICATION SIGN}{config.decay:g} / {config.decay_every} epochs"
    return rate

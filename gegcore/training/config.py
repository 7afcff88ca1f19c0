"""What can be set about training one objective; the defaults are the paper's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from gegcore.errors import ConfigError, nearest

NAME = r"[A-Za-z0-9_-]+"
"""What names of objectives and profiles are made of: they are parts of folders' names."""

_OWN = "loss_settings"
LOSSES = ("cross_entropy", "self_critical")
"""Those of gegcore: MLE, and SCST with any reward."""


class Section(BaseModel):
    """Settings, which cannot be changed; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_Beta = Annotated[float, Field(ge=0, lt=1)]
Metric = Literal["CIDEr-D", "R@1", "GEG-Avg"]  # of the validation split


class SelectionRule(Section):
    """The written rule by which the checkpoint of a run is chosen on the validation split."""

    metric: Metric = Field("CIDEr-D", description="to maximise")
    least_cider_share: float = Field(
        0.0, ge=0, description="epochs count that keep this share of the CIDEr-D before training"
    )


class StoppingRule(Section):
    """The written rule by which training has converged; which epoch is kept, `select` says."""

    metric: Metric = "CIDEr-D"
    gain: float = Field(0.01, ge=0, description="of an epoch that is not the last, relative")
    least: int = Field(4, ge=1, description="epochs before training may end")

    def converged(self, values: Sequence[float]) -> bool:
        """Whether the last of the values after epochs 0, 1, ... adds too little to the best."""
        if len(values) <= self.least:
            return False
        best = max(values[:-1])
        gain = values[-1] - best
        return gain <= 0 or gain < self.gain * abs(best)


class ScheduledSampling(Section):
    """Feed the model's own words with a probability that rises in steps (epochs count from 0)."""

    start: int = Field(0, ge=0, description="epoch from which the probability may rise")
    every: int = Field(5, ge=1, description="epochs between increases; the first after as many")
    increase: float = Field(0.05, gt=0, le=1)
    most: float = Field(0.25, gt=0, le=1)


class ObjectiveConfig(Section):
    """One objective: its loss, where it starts from, and its schedule."""

    loss: str = Field(
        description="cross_entropy, self_critical, or a loss of one's own: package.module:Class"
    )
    loss_settings: dict[str, Any] = Field({}, description="fields of the Config of one's own loss")
    start_from: str | None = Field(None, description="objective whose checkpoint it starts from")
    label: str = Field("", description="name in tables")

    epochs: int = Field(30, ge=1)
    images_per_step: int = Field(8, ge=1, description="X-modaler: 8 to 16 per GPU")
    captions_per_image: int = Field(5, ge=1, description="references used per image and epoch")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="X-modaler: 0.1 for Transformers")
    scheduled_sampling: ScheduledSampling | None = Field(
        None, description="X-modaler has it for recurrent models"
    )

    learning_rate: float = Field(5e-5, gt=0, description="GEG stage: Sec. 4.1")
    betas: tuple[_Beta, _Beta] = Field((0.9, 0.999), description="Adam; Sec. 4.1")
    eps: float = Field(1e-8, gt=0, description="Adam; Sec. 4.1")
    schedule: Literal["constant", "cosine", "step", "noam"] = Field(
        "constant", description="after the warm-up; see gegcore.training.schedule"
    )
    warmup_steps: int = Field(0, ge=0, description="linear warm-up from 0")
    decay: float = Field(0.8, gt=0, le=1, description="factor of schedule 'step' (X-modaler)")
    decay_every: int = Field(3, ge=1, description="epochs between the steps of schedule 'step'")
    clip_value: float | None = Field(
        0.1, gt=0, description="gradient clipping by value (X-modaler)"
    )
    clip_norm: float | None = Field(None, gt=0, description="gradient clipping by global norm")

    samples: int = Field(5, ge=1, description="sampled captions per image (X-modaler: 5)")
    sampling: Literal["multinomial", "beam"] = Field(
        "multinomial",
        description="independent draws (X-modaler), or a beam as large (Eq. 6; biased: the "
        "likeliest captions are no draws from the policy)",
    )
    temperature: float = Field(1.0, gt=0, description="of draws; they are scored at the same")
    baseline: Literal["greedy", "mean_of_others"] = Field(
        "greedy", description="self-critical baseline; the paper's is greedy (Eq. 5)"
    )
    rewards: dict[str, FiniteFloat] = Field(
        {"cider": 1.0},
        description="weight of each reward in Eq. 7 (GEG: cider 0.1, geg_avg 10, Sec. 4.1): names "
        "of gegcore.rewards.REWARDS, or package.module:object",
    )
    count_end: bool = Field(True, description="whether the end token counts in the CIDEr-D reward")

    select: SelectionRule = SelectionRule()
    until: StoppingRule | None = Field(None, description="when to end before `epochs` have passed")
    checkpoint_every: int = Field(100, ge=1, description="steps between resume points")
    guards: Literal["stop", "warn"] = Field(
        "stop", description="what a collapsed policy does to the run (NaN always stops it)"
    )
    accumulate: int = Field(
        1, ge=1, description="micro-batches that a step is computed in: the same step, less memory"
    )
    compile_decoder: bool = Field(
        False, description="sample with torch.compile: for a GPU; the first step takes longer"
    )

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is empty: keys of runs stay as they are where a loss has no settings."""
        return {name: value for name, value in write(self).items() if name != _OWN or value}

    @property
    def sees_pictures(self) -> bool:
        """Whether CLIP or the groups have a part in what is learnt or chosen."""
        metrics = {self.select.metric, self.until.metric if self.until else "CIDEr-D"}
        own = self.loss not in LOSSES  # it is given everything
        return own or metrics != {"CIDEr-D"} or bool(self.rewards.keys() - {"cider"})

    def decisive(self) -> dict[str, Any]:
        """The settings that decide what is learnt, as JSON: a run cannot go on with others."""
        others = {"label", "checkpoint_every", "guards", "accumulate", "compile_decoder"}
        return self.model_dump(mode="json", exclude=others)


NULLABLE = frozenset(
    name
    for name, field in ObjectiveConfig.model_fields.items()
    if type(None) in get_args(field.annotation)
)
"""Fields that may be None, which means without: no clipping, no earlier stage."""

_OF_RECALL = SelectionRule(metric="R@1")
_SELECTED = SelectionRule(metric="R@1", least_cider_share=0.9)
_GEG: dict[str, Any] = {"rewards": {"cider": 0.1, "geg_avg": 10.0}, "select": _SELECTED}


def _self_critical(label: str, start: str = "scst", **settings: Any) -> ObjectiveConfig:
    return ObjectiveConfig(
        loss="self_critical", start_from=start, label=label, **{"epochs": 10, **settings}
    )


OBJECTIVES: dict[str, ObjectiveConfig] = {
    "mle": ObjectiveConfig(
        loss="cross_entropy", label="MLE", label_smoothing=0.1, learning_rate=5e-4
    ),
    "scst": _self_critical("+SCST", "mle", learning_rate=1e-5, epochs=30),
    "scst_pp": _self_critical("+SCST++", learning_rate=1e-5),
    "scst_er": _self_critical(
        "+SCST+ER", rewards={"cider": 0.1, "similarity": 10.0}, select=_SELECTED
    ),
    "scst_geg": _self_critical("+SCST+GEG", **_GEG),
    # Not in the paper: what does +SCST before GEG cost?
    "mle_geg": _self_critical("+GEG", "mle", **_GEG),
    "scst_geg_min": _self_critical(
        "+SCST+GEG-Min", rewards={"cider": 0.1, "geg_min": 10.0}, select=_SELECTED
    ),
    # No epoch of it keeps its CIDEr (17.4 in Table 3), so R@1 alone selects. It collapses in the
    # paper too (Sec. 4.4), and that is what it is to show.
    "scst_geg_sole": _self_critical(
        "+SCST+GEG-sole", rewards={"geg_avg": 10.0}, select=_OF_RECALL, guards="warn"
    ),
}
"""The paper's settings (Sec. 4.1; X-modaler for what it leaves open; by model: `recipes.py`)."""


def wrong_field(
    error: ValidationError, where: str, fix: str, model: type[BaseModel] | None = None
) -> ConfigError:
    """The error that names the first field which pydantic refuses.

    Args:
        model: what was validated; of its fields the nearest to an unknown one is suggested.
    """
    first = error.errors()[0]
    *above, field = map(str, first["loc"] or [""])  # none: of all fields together
    if first["type"] == "extra_forbidden" and model is not None:
        fix = nearest(field, _fields(model, above)) + fix
    named = ".".join([*above, field])
    return ConfigError(f"{where}{named and f', field {named!r}'}: {first['msg']}", fix)


def _fields(model: type[BaseModel], above: Sequence[str]) -> list[str]:
    """Names of the fields of a section below others; none where it is no section."""
    for name in above:
        annotation = getattr(model.model_fields.get(name), "annotation", None)
        sections = [x for x in (annotation, *get_args(annotation)) if hasattr(x, "model_fields")]
        if not sections:
            return []
        model = sections[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def objective_config(
    name: str, overrides: dict[str, Any] | None = None, fix: str = "mend the profile"
) -> ObjectiveConfig:
    """The paper's settings of an objective with some fields overridden, or one of a new name.

    Args:
        fix: of a wrong field: where to mend it.

    Raises:
        ConfigError: unknown objective or field, a value out of range, `until` with a cosine, or
            the mean of the other samples where there is one sample.
    """
    overrides = overrides or {}
    if name not in OBJECTIVES and not (re.fullmatch(NAME, name) and "loss" in overrides):
        known = f"{nearest(name, OBJECTIVES)}use one of: {', '.join(OBJECTIVES)}"
        known += "; or say its `loss` in the profile's objectives"
        raise ConfigError(f"unknown objective '{name}'", known)
    of_paper = OBJECTIVES[name].model_dump() if name in OBJECTIVES else {"label": name}
    try:
        found = ObjectiveConfig.model_validate(of_paper | overrides)
    except ValidationError as error:
        raise wrong_field(error, f"objective '{name}'", fix, ObjectiveConfig) from error
    if found.until and found.schedule == "cosine":
        what = f"objective '{name}', field 'until': schedule 'cosine' is made for all its epochs"
        raise ConfigError(what, "choose schedule constant, step or noam, or leave until out")
    alone = found.samples == 1 and found.loss != "cross_entropy"
    if alone and found.baseline == "mean_of_others":
        what = f"objective '{name}', field 'baseline': mean_of_others of 1 sample, which has none"
        raise ConfigError(what, "set samples to 2 or more, or baseline to greedy")
    return found

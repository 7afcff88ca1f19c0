"""Profiles: the size of a reproduction, as data in config/*.yaml."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializeAsAny,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from gegcore import registry
from gegcore.data.dataset import DataSettings
from gegcore.errors import ConfigError, nearest
from gegcore.models.registry import architecture, canonical
from gegcore.profile_fields import (
    by_canonical_name,
    check_names,
    check_splits,
    check_starts,
    merged,
    read_fields,
)
from gegcore.runs import RunFolder
from gegcore.storage import digest
from gegcore.training.config import (
    NAME,
    NULLABLE,
    ObjectiveConfig,
    Section,
    objective_config,
    wrong_field,
)
from gegcore.training.own_loss import check_loss
from gegcore.training.recipes import recipe

_IN_WHEEL = Path(__file__).with_name("config")
CONFIG_FOLDER = _IN_WHEEL if _IN_WHEEL.is_dir() else Path(__file__).resolve().parents[1] / "config"
"""Of an installed package, or of a checkout."""


class Ablations(Section):
    """Further objectives of some captioners."""

    models: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()


class Experiments(Section):
    """The grid of runs that the book is made from."""

    models: tuple[str, ...] = ("transformer",)
    objectives: tuple[str, ...] = ("mle", "scst", "scst_geg")
    seeds: tuple[int, ...] = (1,)
    ablations: Ablations = Ablations()
    by_model: dict[str, tuple[str, ...]] = Field({}, description="captioner -> more objectives")

    def runs(self) -> list[tuple[str, str, int]]:
        """Captioner, objective and seed of every run, in the order of the tables."""
        grids: tuple[Experiments | Ablations, ...] = (self, self.ablations)
        named = [pair for grid in grids for pair in product(grid.models, grid.objectives)]
        named += [(model, name) for model, names in self.by_model.items() for name in names]
        return [(*pair, seed) for pair in dict.fromkeys(named) for seed in self.seeds]


class Profile(Section):
    """Everything that a reproduction of one size depends on, apart from the code."""

    name: str = Field(pattern=f"^{NAME}$", description="of its folders; default: the file's")
    variant: str = Field(
        "",
        pattern=f"^({NAME})?$",
        description="of what `changed` changed; part of run names",
    )
    data: SerializeAsAny[DataSettings]
    min_count: int = Field(5, ge=1, description="rarer words become UNK (X-modaler: > 3 or > 4)")
    vocabulary: Path | None = Field(
        None, description="X-modaler's vocabulary.txt; default: the words of the training captions"
    )
    max_len: int = Field(20, ge=2, description="decoding steps, end token included (X-modaler)")
    clip: str = Field("scenes-clip", description="name of the CLIP that rewards and evaluates")
    clip_pretrained: str | None = Field(None, description="open_clip tag or path of its weights")
    calibration: dict[Annotated[str, Field(pattern=r"^R@[1-9]\d*$")], float] = Field(
        {}, description="R@K that reference captions of the test split must have by this CLIP"
    )
    group_size: int = Field(5, ge=1, description="K, Sec. 4.1")
    judges: dict[str, str] = Field(
        {}, description="label in tables -> a CLIP or judge that is never rewarded, by name"
    )
    metrics: tuple[str, ...] = Field(
        (), description="beside `gegcore.metrics.evaluate.METRICS`: package.module:function"
    )
    beams: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (), description="sizes of beam search that test captions are found by, beside greedily"
    )
    recipes: Literal["xmodaler", "none"] = Field(
        "xmodaler",
        description="by-model settings that `objectives` overrides field by field: X-modaler's "
        "(gegcore.training.recipes), or one setting for all models",
    )
    models: dict[str, dict[str, Any]] = {}
    objectives: dict[str, dict[str, Any]] = {}
    objectives_by_model: dict[str, dict[str, dict[str, Any]]] = Field(
        {}, description="model -> objective -> fields; overrides `objectives`"
    )
    experiments: Experiments = Experiments()
    resamples: int = Field(2_000, ge=100, description="bootstrap resamples of a 95 % interval")

    @model_validator(mode="before")
    @classmethod
    def _one_name_each(cls, fields: Any) -> Any:
        return by_canonical_name(fields, "profile") if isinstance(fields, dict) else fields

    @field_validator("data", mode="before")
    @classmethod
    def _of_its_kind(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        kind = data.get("kind", "scenes")
        found = registry.find("dataset", kind)
        try:
            return found.model_validate({**data, "kind": kind})
        except ValidationError as error:
            raise wrong_field(error, f"data of kind '{kind}'", "mend `data`", found) from error

    @field_serializer("vocabulary", when_used="json")
    def _without_folder(self, path: Path | None) -> str | None:
        """Runs do not depend on where a file lies; what is in it is a part of their keys."""
        return None if path is None else path.name

    def sizes(self, model: str) -> dict[str, Any]:
        """Fields of a captioner's config; what is not among them is as published."""
        return self.models.get(canonical(model), {})

    def settings(self, model: str, objective: str) -> dict[str, Any]:
        """All settings that decide the weights of a run, those of the runs before it included."""
        self.stages(objective, model)  # else a circle of them would have no end
        config = self.objective(objective, model)
        fields = {"data", "max_len", "vocabulary" if self.vocabulary else "min_count"}
        if config.sees_pictures:
            fields |= {"clip", "clip_pretrained", "group_size"}
        return {
            **self.model_dump(mode="json", include=fields),
            "model": [canonical(model), self.sizes(model)],
            "objective": [objective, config.decisive()],
            "start": self.settings(model, config.start_from) if config.start_from else None,
        }

    def run(self, model: str, objective: str, seed: int) -> RunFolder:
        """The folder of a run. Where another run has its name, its settings are a part of it."""
        model, settings = canonical(model), digest(self.settings(model, objective))
        run = RunFolder.of(self.name, model, objective, seed, self.variant)
        if run.settings in (None, settings):
            return run
        variant = "-".join(filter(None, (self.variant, settings[:8])))
        return RunFolder.of(self.name, model, objective, seed, variant)

    def stages(self, objective: str, model: str | None = None) -> list[str]:
        """An objective and those before it, from the first: mle, scst, scst_geg.

        Raises:
            ConfigError: an objective starts from itself, through others perhaps.
        """
        found = [objective]
        while before := self.objective(found[0], model).start_from:
            if before in found:
                circle = " -> ".join([*found[found.index(before) :: -1], before])
                what = f"objectives start from each other in a circle: {circle}"
                raise ConfigError(what, "set start_from of one to an objective outside, or to null")
            found.insert(0, before)
        return found

    def changed(
        self, model: str, objective: str, group_size: int | None = None, **fields: Any
    ) -> Profile:
        """This profile with other settings of one run, which then gets a folder of its own.

        Args:
            group_size, fields: K, and fields of `ObjectiveConfig`, or `rewards.NAME` for the weight
                of one reward and `loss_settings.NAME` for a setting of a loss of one's own; None:
                as it is, but for the fields that may be None (`NULLABLE`).

        Raises:
            ConfigError: an unknown field, a value out of range, or rewards where there are none.
        """
        model, now = canonical(model), self.objective(objective, model)
        given: dict[str, Any] = {}
        for field, value in fields.items():
            name, _, part = field.partition(".")
            if part and name not in ("rewards", "loss_settings"):
                what = f"'{name}' has no field '{part}'"
                raise ConfigError(what, "only rewards.NAME and loss_settings.NAME have a dot")
            if part:
                given[name] = {**given.get(name, getattr(now, name)), part: value}
            elif value is not None or name in NULLABLE:
                given[name] = value
        found = objective_config(objective, now.model_dump() | given, "give another value")
        wanted, before = found.model_dump(mode="json"), now.model_dump(mode="json")
        new = {name: value for name, value in wanted.items() if value != before.get(name)}
        if "rewards" in new and now.loss == "cross_entropy":
            what = f"objective '{objective}' has no reward to change"
            raise ConfigError(what, "choose scst or scst_geg")
        k = self.group_size if group_size is None else group_size
        if not new and k == self.group_size:
            return self
        settings = self.model_dump() | {"group_size": k}
        settings["variant"] = digest([self.variant, k, model, objective, wanted])[:8]
        of_model = settings["objectives_by_model"].setdefault(model, {})
        of_model[objective] = {**of_model.get(objective, {}), **new}
        return _checked(settings, f"changed settings of {model} {objective}")

    def objective(self, name: str, model: str | None = None) -> ObjectiveConfig:
        """The paper's settings of an objective under the model's recipe and our own overrides."""
        model = canonical(model or "")
        published = recipe(model, name) if self.recipes == "xmodaler" else {}
        for_all = self.objectives.get(name, {})
        for_model = self.objectives_by_model.get(model, {}).get(name, {})
        return objective_config(name, {**published, **for_all, **for_model})


def profile_names() -> list[str]:
    """Names of the profiles that ship with the project."""
    return sorted(path.stem for path in CONFIG_FOLDER.glob("*.yaml"))


def load_profile(name: str, look_up: bool = True) -> Profile:
    """Read `config/<name>.yaml`, or exactly the YAML file of a path, and check every field.

    A file that says `extends: quick` holds only what differs from that profile of `config/`.
    Without `look_up` nobody asks whether the rewards, judges and so on that it names are there:
    for who only wants its settings, not to compute with it.

    Raises:
        ConfigError: no such profile, malformed YAML, an unknown name or field, a value out of
            range, or more group members than images in a split.
    """
    is_path = name.endswith((".yaml", ".yml"))
    path = Path(name).expanduser().absolute() if is_path else _shipped(name)
    if path is None or not path.is_file():
        known = profile_names()
        fix = f"{nearest(Path(name).stem, known)}profiles: {', '.join(known)}, or a .yaml path"
        raise ConfigError(f"there is no profile {str(path) if is_path else name!r}", fix)
    profile = _checked({"name": path.stem, **_fields(path)}, path.name, look_up)
    if look_up:
        check_names(profile, f"profile {profile.name!r} ({path.name})")
    return profile


def _shipped(name: Any) -> Path | None:
    """File of a name in `config/`; None of what is no name, such as a path without its ending."""
    return CONFIG_FOLDER / f"{name}.yaml" if re.fullmatch(NAME, str(name)) else None


def _checked(settings: dict[str, Any], where: str, look_up: bool = True) -> Profile:
    """A profile of these settings, or the error that names the wrong one."""
    try:
        profile = Profile.model_validate(settings)
    except ValidationError as error:
        name = error.errors()[0]["loc"] == ("name",)
        fix = f"mend {where}" + ("; without `name` it is that of the file" if name else "")
        what = f"profile {settings['name']!r} ({where})"
        raise wrong_field(error, what, fix, Profile) from error
    _check(profile, look_up)
    return profile


def _fields(path: Path, heirs: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Content of a profile's file, on top of that of the profile which it says it extends."""
    fields = read_fields(path)
    parent = fields.pop("extends", None)
    if parent is None:
        return fields
    base, heirs = _shipped(parent), (*heirs, path.resolve())
    if base is None or not base.is_file() or base.resolve() in heirs:
        why = "extends itself" if base and base.is_file() else "there is no such profile"
        what = f"{path.name}, field 'extends': {parent}: {why}"
        raise ConfigError(what, f"use one of: {', '.join(profile_names())}")
    return merged(_fields(base, heirs), fields)


def _check(profile: Profile, look_up: bool) -> None:
    """What no single field can know."""
    grid, by_model = profile.experiments, profile.objectives_by_model
    named = (*profile.models, *by_model, *grid.models, *grid.ablations.models, *grid.by_model)
    for name in named:
        architecture(name)
    more = (name for names in grid.by_model.values() for name in names)
    every = (*profile.objectives, *grid.objectives, *grid.ablations.objectives, *more)
    objectives = [profile.objective(name) for name in every]
    for model, own in by_model.items():
        objectives += [profile.objective(name, model) for name in own]
        for name in own:
            profile.stages(name, model)
    for objective in objectives if look_up else ():
        check_loss(objective)
    check_starts(profile)
    check_splits(profile)

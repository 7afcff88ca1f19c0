"""Which training runs the grid of a profile has."""

from __future__ import annotations

from typing import NamedTuple

from gegcore.profiles import Profile


class Experiment(NamedTuple):
    """One training run of a profile's grid; `start` is the run whose checkpoint it starts from."""

    name: str
    model: str
    objective: str
    seed: int
    start: str | None


def experiments(profile: Profile) -> dict[str, Experiment]:
    """Run name -> experiment, in the order of the tables."""
    found = {}
    for model, objective, seed in profile.experiments.runs():
        before = profile.objective(objective).start_from
        name = profile.run(model, objective, seed).name
        start = profile.run(model, before, seed).name if before else None
        found[name] = Experiment(name, model, objective, seed, start)
    return found

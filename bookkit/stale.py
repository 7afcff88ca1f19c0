"""Finished runs that a build must look at again: damaged ones, and on request those of older code.

Snakemake looks at time stamps and keys, not at what is in a run's files.
"""

from __future__ import annotations

import sys

from bookkit.experiments import experiments
from gegcore.profiles import Profile
from gegcore.progress import track
from gegcore.runs import EVALUATED, TRAINED

FINISHED = "finished.txt"


def reopen(profile: Profile, again: bool = False) -> list[str]:
    """Names of runs to go through: missing ones, and damaged ones, to repair them or say why not.

    Args:
        again: set runs aside that older code made or whose training is damaged, and what started
            from them: they are trained anew.
    """
    if again:  # Only then: all that trains takes as long to import as the rest of the plan.
        from gegcore.experiment.keys import code_changes
        from gegcore.experiment.train import set_aside
    found, aside = list[str](), set[str]()
    for experiment in track(experiments(profile).values(), "finished runs", delay=2):
        run = profile.run(experiment.model, experiment.objective, experiment.seed)
        if not run.file(FINISHED).is_file():
            found.append(run.name)  # also where pages that were made from it are there
        elif again and (
            experiment.start in aside
            or run.damaged(TRAINED)
            or code_changes(run, profile, experiment.model, experiment.objective)
        ):
            aside.add(run.name)
            found.append(run.name)
            print(f"{run.name}: kept in {set_aside(run)}, trained anew", file=sys.stderr)
        elif damaged := {*run.damaged(TRAINED), *run.damaged(EVALUATED)}:
            print(f"{run.name}: damaged: {', '.join(sorted(damaged))}", file=sys.stderr)
            found.append(run.name)
    return found

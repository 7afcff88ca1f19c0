"""One file and a profile that names it: a captioner of one's own is trained and evaluated.

`tests/small_captioners.py` takes it into the tests that every captioner must pass.
"""

from __future__ import annotations

from pathlib import Path

from gegcore.cli import main
from gegcore.profiles import load_profile
from gegcore.runs import RunFolder
from gegcore.storage import read_json

NAME = "captioner:MeanGru"
PROFILE = """
extends: smoke
models: {"captioner:MeanGru": {width: 48}}
experiments: {models: ["captioner:MeanGru"], objectives: [mle, scst]}
"""


def test_it_learns_from_people_and_then_from_its_samples(smoke_home: Path) -> None:
    path = smoke_home / "mine.yaml"
    path.write_text(PROFILE + "name: smoke\n")  # the materials are those of smoke
    profile = load_profile(str(path))
    assert profile.experiments.models == (NAME,)
    for objective in profile.experiments.objectives:
        arguments = ["--model", NAME, "--objective", objective, "--profile", str(path)]
        assert main(["run", *arguments]) == 0
        run = RunFolder.of(profile.name, NAME, objective, 1)
        training = read_json(run.file("training.json"))
        epochs = profile.objective(objective, NAME).epochs
        assert len(training["history"]) == epochs + 1
        assert run.log()["loss"].notna().all()
        assert len(run.captions()) == profile.data.test
        assert run.metrics()["CIDEr"]["n"] == profile.data.test
    mle = RunFolder.of(profile.name, NAME, "mle", 1)
    best = read_json(mle.file("training.json"))["best_epoch"]
    assert run.history().iloc[0]["CIDEr-D"] == mle.history().iloc[best]["CIDEr-D"]

"""A project folder with made-up runs of the smoke profile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from synthetic_runs import make_run, make_test_split

from emoji_scenes.dataset import ScenesDataset
from gegcore.groups import SimilarGroups
from gegcore.profiles import Profile, load_profile


@dataclass(frozen=True)
class Project:
    home: Path
    profile: Profile
    dataset: ScenesDataset
    groups: SimilarGroups

    def run(self, objective: str, seed: int = 1, shift: float = 0.0) -> None:
        make_run(self.profile, self.dataset, objective, seed, shift)

    def all_runs(self) -> None:
        for objective in self.profile.experiments.objectives:
            for seed in self.profile.experiments.seeds:
                self.run(objective, seed)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two seeds of three objectives are wanted; none has run."""
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    smoke = load_profile("smoke")
    grid = smoke.experiments.model_copy(update={"seeds": (1, 2)})
    profile = smoke.model_copy(update={"experiments": grid})
    return Project(tmp_path, profile, *make_test_split(tmp_path, profile))

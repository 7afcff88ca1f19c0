"""Profiles are checked before anything runs, and errors name the field and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from gegcore.errors import ConfigError
from gegcore.profiles import load_profile, profile_names


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_are_valid(name: str) -> None:
    profile = load_profile(name)
    for objective in profile.experiments.objectives:
        profile.objective(objective)


def test_paper_settings_are_the_defaults() -> None:
    profile = load_profile("smoke").model_copy(update={"objectives": {}})
    geg = profile.objective("scst_geg")
    assert (geg.alpha, geg.beta, geg.clip_term, geg.epochs) == (0.1, 10.0, "geg_avg", 10)
    assert (geg.learning_rate, geg.betas, geg.eps) == (5e-5, (0.9, 0.999), 1e-8)
    assert geg.baseline == "greedy"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("data: {train: 10, val: 10, test: 3}\ngroup_size: 5", "K = 5.*3 images of the test split"),
        ("data: {train: 10, val: 10, test: 10}\nmodels: {transfomer: {}}", "model 'transfomer'"),
        ("data: {train: 10, val: 10, test: 10}\nobjectives: {scts: {}}", "objective 'scts'"),
        ("data: {train: 10, val: 10, test: 10}\nobjectives: {mle: {epochs: 0}}", "field 'epochs'"),
        ("data: {train: 10, val: 10, test: 10}\ngroup_sizes: 5", "field 'group_sizes'"),
        ("data: {train: 10, val: 10}\nexperiments: {objectives: [scst]}\ngroup_size: 2", "'mle'"),
        ("data: [", "not valid YAML"),
    ],
)
def test_bad_profiles_are_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=named):
        load_profile(str(path))


def test_unknown_profile_suggests_a_known_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'smoke'"):
        load_profile("smokee")

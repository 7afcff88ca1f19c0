"""A reward in one file and one line of a profile; or handed over as a function."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gegcore import experiment
from gegcore.experiment import run_experiment, train
from gegcore.materials import Materials
from gegcore.profiles import Profile

LINE = 'objectives: {{scst: {{rewards: {{cider: 1, "examples.reward:{}": {}}}}}}}'


@pytest.mark.parametrize("name", ["distinct_words", "LengthPenalty"])
def test_a_profile_names_it(profile_of: Callable[[str], Profile], name: str) -> None:
    materials = Materials.of(profile_of(LINE.format(name, 0.5)))
    train(materials, "transformer", "mle", 1)
    log = train(materials, "transformer", "scst", 1).log()
    value = log[f"reward/examples.reward:{name}"]
    assert value.between(*((0, 1) if name == "distinct_words" else (-20, 0))).all()
    total = log["reward/cider"] + 0.5 * value
    assert log["reward"].tolist() == pytest.approx(total.tolist(), rel=1e-3)


def test_distinct_words_are_counted() -> None:
    from examples.reward import distinct_words

    tokens = torch.tensor([[[3, 4, 3, 0], [3, 4, 5, 0], [3, 3, 3, 3], [0, 0, 0, 0]]])
    (shares,) = distinct_words(tokens, torch.tensor([0])).tolist()
    assert shares == pytest.approx([2 / 3, 1, 1 / 4, 0])


def test_a_function_is_handed_over(
    profile_of: Callable[[str], Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    from examples.reward import distinct_words

    monkeypatch.setattr(experiment, "evaluate", lambda *_: None)
    profile = profile_of("")
    run_experiment(profile, "transformer", "mle", 1)
    run = run_experiment(profile, "transformer", "scst", 1, reward=distinct_words)
    assert [name for name in run.log() if name.startswith("reward/distinct_words")]
    assert run.name.startswith("transformer-scst-seed1-")

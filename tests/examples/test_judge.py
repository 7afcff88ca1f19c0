"""A judge in one file and one line of a profile: scores beside those of CLIP, under its label."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from gegcore.materials import Materials
from gegcore.metrics.judged import judge_scores
from gegcore.profiles import Profile


def test_a_profile_names_it(profile_of: Callable[[str], Profile]) -> None:
    materials = Materials.of(profile_of('judges: {colours: "examples.judge:ColourJudge"}'))
    judge, table = materials.judges("test")["colours"]
    said = [record.captions[0] for record in materials.data["test"].records]
    index, groups = torch.arange(len(said)), materials.groups["test"]
    scores = judge_scores("colours", judge, said, table.images, index, groups)
    assert {"R@1 colours", "GEG-Avg colours", "GEG-Min colours"} <= set(scores.statistics)
    again = materials.judges("test")["colours"]  # the stored table: same judge, same pictures
    assert torch.equal(again.table.images, table.images)


def test_it_sees_colours_and_nothing_else() -> None:
    from examples.judge import COLOURS, ColourJudge

    judge = ColourJudge()
    plain = np.stack([np.full((8, 8, 3), rgb, dtype=np.uint8) for rgb in COLOURS.values()])
    said = judge.encode_texts([f"a {name} thing" for name in COLOURS])
    likeness = judge.encode_images(plain) @ said.T
    assert likeness.argmax(1).tolist() == list(range(len(COLOURS)))
    nothing = judge.encode_images(plain) @ judge.encode_texts(["a dog"]).T
    assert nothing.squeeze().tolist() == pytest.approx([len(COLOURS) ** -0.5] * len(COLOURS))

"""What the benchmark of a step of the world says of two revisions."""

from __future__ import annotations

import pytest

from benchmarks.world_step import check, rows


def test_revisions_that_disagree_end_the_benchmark() -> None:
    check("m", 1e-5, 9e-4, 1.0)
    for differing in (
        (2e-5, 0.0, 1.0),
        (0.0, 2e-3, 1.0),
        (0.0, 0.0, 0.9),
        (float("nan"), 0.0, 1.0),
    ):
        with pytest.raises(SystemExit, match="m: rewards differ"):
            check("m", *differing)


def test_ratios_are_medians_over_turns() -> None:
    turns = {"old": [{"a": 1.0, "b": 1.0}, {"a": 3.0, "b": 1.0}, {"a": 1.0, "b": 1.0}]}
    turns["new"] = [{"a": 0.5, "b": 0.5}, {"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 0.5}]
    old, new = rows("m", {"taken": turns})
    assert (old["seconds"], old["ratio"]) == (2.0, 1.0)
    assert (new["seconds"], new["ratio"]) == (1.0, 0.5)
    assert new["parts"] == {"a": 1.0, "b": 0.5}

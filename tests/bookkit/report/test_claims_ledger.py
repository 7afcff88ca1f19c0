"""Verdicts follow from runs; a ledger with mistakes is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from synthetic_runs import Project

from bookkit.report.claims import Claim, ClaimTest, Judged, judge, load_ledger
from bookkit.report.results import Runs
from gegcore.errors import ConfigError, DataError
from gegcore.runs import RunFolder
from gegcore.training.config import OBJECTIVES


def claim(**test: object) -> Claim:
    return Claim(id="x", claim="X <b>", where="Table 2", test=ClaimTest.model_validate(test))


def judged(project: Project, **test: object) -> Judged:
    return judge(claim(**test), Runs.of(project.profile).scores)


def verdict(project: Project, **test: object) -> str:
    return judged(project, **test).verdict


def test_the_shipped_ledger_is_valid_and_fully_judged(project: Project) -> None:
    project.all_runs()
    scores = Runs.of(project.profile).scores
    found = {claim.id: judge(claim, scores) for claim in load_ledger().claims}
    assert len(found) == len(load_ledger().claims)
    assert found["scst-cider"].verdict == "holds"
    assert found["geg-avg"].verdict == "holds"
    assert found["geg-cider-falls"].verdict == "holds"
    for name in ("geg-judge-siglip", "geg-judge-vse", "geg-listener"):
        assert found[name].values is not None
    for name in ("geg-over-er-r1", "people"):
        assert found[name].verdict == "not decided"
        assert found[name].ours is None
        assert found[name].reason
    assert found["scst-cider"].printed == "CIDEr 116.6 \N{RIGHTWARDS ARROW} 130.0"
    measured = found["scst-cider"].measured
    assert measured.startswith("CIDEr ") and "+" in measured and "[" in measured
    assert "%" in found["geg-cider-moderate"].measured and found["people"].measured == ""


def test_stored_runs_decide_nothing(project: Project) -> None:
    found = [judge(claim, Runs.of("quick").scores) for claim in load_ledger().claims]
    assert {entry.verdict for entry in found} == {"not decided"}


def test_every_objective_of_the_paper_is_judged(project: Project) -> None:
    for objective in OBJECTIVES:
        project.run(objective)
    grid = project.profile.experiments.model_copy(update={"objectives": tuple(OBJECTIVES)})
    scores = Runs.of(project.profile.model_copy(update={"experiments": grid})).scores
    found = {claim.id: judge(claim, scores) for claim in load_ledger().claims if claim.test}
    assert all(entry.ours is not None for entry in found.values())
    assert found["sole-cider"].verdict == "holds"


def test_a_claim_that_points_the_wrong_way_does_not_hold(project: Project) -> None:
    project.all_runs()
    assert (
        verdict(project, metric="CIDEr", of="scst", over="mle", expect="lower") == "does not hold"
    )
    assert verdict(project, metric="CIDEr", of="scst", over="mle", expect="higher") == "holds"


def test_shares(project: Project) -> None:
    """The means are 104 and 110: 95 %."""
    project.all_runs()
    test = dict(metric="CIDEr", of="scst_geg", over="scst")
    assert verdict(project, **test, expect="at_least", share=0.9) == "holds"
    assert verdict(project, **test, expect="at_least", share=0.99) == "does not hold"
    assert verdict(project, **test, expect="at_most", share=0.99) == "holds"
    assert verdict(project, **test, expect="at_most", share=0.5) == "does not hold"


def test_numbers_are_the_means_over_common_seeds(project: Project) -> None:
    for seed in (1, 2):
        project.run("mle", seed)
    project.run("scst", 2, shift=3.0)
    found = judged(project, metric="CIDEr", of="scst", over="mle", expect="higher")
    runs = [RunFolder.of("smoke", "transformer", name, 2) for name in ("scst", "mle")]
    assert found.values == pytest.approx([run.metrics()["CIDEr"]["value"] for run in runs])
    assert found.values is not None and found.ours is not None
    assert found.ours.low < found.values[0] - found.values[1] < found.ours.high


def test_seeds_that_disagree_decide_nothing(project: Project) -> None:
    """Together clearly higher, but one seed alone is lower."""
    project.run("mle", 1)
    project.run("mle", 2)
    project.run("scst", 1, shift=40.0)
    project.run("scst", 2, shift=-15.0)
    found = judged(project, metric="CIDEr", of="scst", over="mle", expect="higher")
    assert found.ours is not None and found.ours.low > 0
    assert (found.verdict, found.reason) == ("not decided", "the seeds disagree")


def frame(**sides: list[list[float]]) -> pd.DataFrame:
    """Scores of made-up objectives: a list a seed, a number an image."""
    rows = [
        {"objective": name, "seed": seed, "image_id": image, "CIDEr": value}
        for name, seeds in sides.items()
        for seed, values in enumerate(seeds)
        for image, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def of_changes(*changes: float) -> pd.DataFrame:
    """Seed by seed, how far a is above b, which is 100 everywhere."""
    a = [[100.0 + change] * 8 for change in changes]
    return frame(a=a, b=[[100.0] * 8] * len(changes))


CLAIMED, OTHER = "the interval is on the claimed side", "the interval is on the other side"
DISAGREE, BOTH = "the seeds disagree", "the interval holds both possibilities"


@pytest.mark.parametrize(
    ("changes", "higher", "lower"),
    [
        ([5.0], ("holds", CLAIMED), ("does not hold", OTHER)),
        ([-5.0], ("does not hold", OTHER), ("holds", CLAIMED)),
        ([5.0, 1.0], ("holds", CLAIMED), ("does not hold", OTHER)),
        ([-1.0, -5.0], ("does not hold", OTHER), ("holds", CLAIMED)),
        # Clear together, and one seed says the contrary, or nothing.
        ([9.0, -1.0], ("not decided", DISAGREE), ("not decided", DISAGREE)),
        ([-1.0, 9.0], ("not decided", DISAGREE), ("not decided", DISAGREE)),
        ([-9.0, 1.0], ("not decided", DISAGREE), ("not decided", DISAGREE)),
        ([1.0, -9.0, -9.0], ("not decided", DISAGREE), ("not decided", DISAGREE)),
        ([9.0, 0.0], ("not decided", DISAGREE), ("not decided", DISAGREE)),
        ([-9.0, 0.0], ("not decided", DISAGREE), ("not decided", DISAGREE)),
        ([0.0, 0.0], ("not decided", BOTH), ("not decided", BOTH)),
        ([3.0, -3.0], ("not decided", BOTH), ("not decided", BOTH)),
    ],
)
def test_a_verdict_needs_every_seed(
    changes: list[float], higher: tuple[str, str], lower: tuple[str, str]
) -> None:
    seeds = f", and so says each of {len(changes)} seeds"
    for expect, (verdict, reason) in (("higher", higher), ("lower", lower)):
        test = dict(metric="CIDEr", of="a", over="b", expect=expect)
        found = judge(claim(**test), of_changes(*changes), resamples=50)
        clear = len(changes) > 1 and verdict != "not decided"
        assert (found.verdict, found.reason) == (verdict, reason + seeds * clear)


@pytest.mark.parametrize(
    ("changes", "share", "at_least"),
    [
        ([-4.0, -2.0], 0.9, "holds"),
        ([-20.0, -30.0], 0.9, "does not hold"),
        ([0.0, -14.0], 0.9, "not decided"),  # 93 % together, one seed 86 %
        ([-6.0, -30.0], 0.9, "not decided"),  # 82 % together, one seed 94 %
        ([-10.0, -10.0], 0.9, "not decided"),  # the share itself
        ([5.0, 30.0], 1.1, "not decided"),
        ([15.0, 30.0], 1.1, "holds"),
    ],
)
def test_a_share_needs_every_seed(changes: list[float], share: float, at_least: str) -> None:
    opposite = {"holds": "does not hold", "does not hold": "holds"}
    test = dict(metric="CIDEr", of="a", over="b", share=share)
    for expect, verdict in (
        ("at_least", at_least),
        ("at_most", opposite.get(at_least, at_least)),
    ):
        found = judge(claim(**test, expect=expect), of_changes(*changes), resamples=50)
        assert found.verdict == verdict


def test_the_interval_decides_not_the_mean() -> None:
    """Higher on average, and lower on as many images."""
    mixed = frame(a=[[100.0 + change for change in (40, -20, 30, -25)]], b=[[100.0] * 4])
    found = judge(claim(metric="CIDEr", of="a", over="b", expect="higher"), mixed)
    assert found.ours is not None and found.ours.low < 0 < found.ours.value < found.ours.high
    assert (found.verdict, found.reason) == ("not decided", BOTH)
    above, below = found.values or (0.0, 0.0)
    assert (above, below, found.ours.value) == (106.25, 100.0, 6.25)


def test_numbers_of_a_claim_by_hand() -> None:
    """Both means, their difference or ratio, and of how many images; as many resamples as asked."""
    scores = frame(a=[[30.0, 50.0], [40.0, 80.0]], b=[[20.0, 20.0], [30.0, 30.0]])
    for expect, share, value in (("higher", None, 25.0), ("at_least", 1.5, 2.0)):
        test = dict(metric="CIDEr", of="a", over="b", expect=expect, share=share)
        found = judge(claim(**test), scores, resamples=50)
        assert found.values == (50.0, 25.0) and found.ours is not None
        assert (found.ours.value, found.ours.n) == (value, 2)
        with pytest.raises(ConfigError, match="resamples 0 is not positive"):
            judge(claim(**test), scores, resamples=0)


def test_there_is_no_ratio_to_nothing() -> None:
    test = dict(metric="CIDEr", of="a", over="b", expect="at_least", share=0.5)
    found = judge(claim(**test), frame(a=[[3.0, 4.0]], b=[[0.0, 0.0]]), resamples=50)
    assert found.ours is not None and math.isnan(found.ours.value)
    assert found.verdict == "not decided" and found.measured.endswith(", no ratio to 0")
    found = judge(claim(**test), frame(a=[[1.0, 2.0]], b=[[1.0, 1.0]]), resamples=50)
    assert found.measured.startswith("CIDEr 1.0 \N{RIGHTWARDS ARROW} 1.5, 150 % [1")


def test_both_sides_must_have_captioned_every_image() -> None:
    whole, other = [[1.0, 2.0, 3.0]], [[2.0, 3.0, 4.0]]
    test = dict(metric="CIDEr", of="a", over="b", expect="higher")
    for a, b in ((whole, [[1.0, 2.0]]), ([[1.0, 2.0]], whole)):
        with pytest.raises(DataError, match="a and b captioned different test images"):
            judge(claim(**test), frame(a=a, b=b), resamples=50)
    for side in ("a", "b"):
        scores = frame(a=whole, b=other)
        scores.loc[scores.index[scores["objective"] == side][1], "CIDEr"] = math.nan
        with pytest.raises(DataError, match="different test images"):
            judge(claim(**test), scores, resamples=50)


def test_what_cannot_be_judged_says_why() -> None:
    scores = frame(a=[[1.0, 2.0]], b=[[1.0, 1.0]])
    test = dict(metric="CIDEr", of="a", over="b", expect="higher")
    for changed, reason in (
        ({"of": "c"}, "no values per caption of a run of 'c'"),
        ({"over": "d"}, "no values per caption of a run of 'd'"),
        ({"metric": "R@1"}, "the runs have no R@1"),
    ):
        found = judge(claim(**test | changed), scores)
        assert found == Judged(claim(**test | changed), None, None, "not decided", reason)
        assert found.measured == found.printed == ""
    found = judge(claim(**test), scores.assign(CIDEr=math.nan))
    assert found == Judged(claim(**test), None, None, "not decided", "the runs have no CIDEr")
    scores.loc[scores["objective"] == "b", "seed"] = 7
    found = judge(claim(**test), scores)
    assert found == Judged(claim(**test), None, None, "not decided", "no seed in common")


def test_no_difference_is_not_decided(project: Project) -> None:
    project.all_runs()
    test = dict(metric="R@1", of="scst", over="mle", expect="higher")
    assert verdict(project, **test) == "not decided"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claims: [", "not valid YAML"),
        ("claims: [{id: a, claim: c, where: w}]", "needs either 'test' or 'untested'"),
        (
            "claims: [{id: a, claim: c, where: w, untested: u, colour: red}]",
            r"claims\.yml, claims\.0\.colour: ",
        ),
        (
            "claims: [{id: a, claim: c, where: w, "
            "test: {metric: SPICE, of: scst, over: mle, expect: higher}}]",
            "metric 'SPICE' is no mean over images",
        ),
        (
            "claims: [{id: a, claim: c, where: w, "
            "test: {metric: CIDEr, of: scst, over: mle, expect: at_least}}]",
            "'share' belongs to",
        ),
        (
            "claims: [{id: a, claim: c, where: w, untested: u}, "
            "{id: a, claim: c, where: w, untested: u}]",
            "two claims 'a'",
        ),
        (
            "claims: [{id: a, claim: c, where: w, untested: u, "
            "paper: {table: 2, metric: CIDEr, of: BLIP, over: X-LAN}}]",
            "no row 'BLIP'",
        ),
        (
            "claims: [{id: a, claim: c, where: w, untested: u, "
            "paper: {table: 3, metric: METEOR, of: X-LAN+SCST, over: X-LAN+SCST++}}]",
            "no metric 'METEOR'",
        ),
    ],
)
def test_mistakes_in_the_ledger_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "claims.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_ledger(path)


def test_a_missing_ledger_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_ledger(tmp_path / "none.yml")

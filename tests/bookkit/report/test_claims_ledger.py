"""Verdicts follow from runs; a ledger with mistakes is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Project

from bookkit.report.claims import Claim, ClaimTest, Judged, judge, load_ledger
from bookkit.report.results import Runs
from gegcore.errors import ConfigError
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
    for name in ("geg-judge-clip", "geg-judge-vse", "geg-listener"):
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


def test_no_difference_is_not_decided(project: Project) -> None:
    project.all_runs()
    test = dict(metric="R@1", of="scst", over="mle", expect="higher")
    assert verdict(project, **test) == "not decided"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claims: [", "not valid YAML"),
        ("claims: [{id: a, claim: c, where: w}]", "needs either 'test' or 'untested'"),
        ("claims: [{id: a, claim: c, where: w, untested: u, colour: red}]", "colour"),
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

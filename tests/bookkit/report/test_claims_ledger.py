"""Verdicts follow from runs; a ledger with mistakes is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Project

from bookkit.report.claims import (
    Claim,
    ClaimTest,
    claims_page,
    findings_page,
    judge,
    judge_all,
    load_ledger,
)
from bookkit.report.results import Results
from gegcore.errors import ConfigError


def claim(**test: object) -> Claim:
    return Claim(id="x", claim="X <b>", where="Table 2", test=ClaimTest.model_validate(test))


def verdict(project: Project, **test: object) -> str:
    return judge(claim(**test), Results.of(project.profile), "transformer").verdict


def test_the_shipped_ledger_is_valid_and_fully_judged(project: Project) -> None:
    project.all_runs()
    ledger = load_ledger()
    judged = {e.claim.id: e for e in judge_all(Results.of(project.profile), "transformer", ledger)}
    assert len(judged) == len(ledger.claims)
    assert judged["scst-cider"].verdict == "holds"
    assert judged["geg-avg"].verdict == "holds"
    assert judged["geg-cider-falls"].verdict == "holds"
    for name in ("geg-judge-clip", "geg-judge-vse", "geg-listener"):
        assert judged[name].values is not None
    for name in ("geg-over-er-r1", "people"):
        assert judged[name].verdict == "not decided"
        assert judged[name].ours is None
        assert judged[name].reason
    page = claims_page(list(judged.values())).body
    assert page.count('class="geg-claim"') == len(ledger.claims)
    assert "paper: CIDEr 116.6" in page


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
    judged = judge(
        claim(metric="CIDEr", of="scst", over="mle", expect="higher"),
        Results.of(project.profile),
        "transformer",
    )
    results = Results.of(project.profile)
    mle, scst = results.find("transformer", "mle"), results.find("transformer", "scst")
    assert mle is not None and scst is not None
    assert judged.values == pytest.approx(
        (scst.seed_values("CIDEr")[0], mle.seed_values("CIDEr")[1])
    )
    assert judged.ours is not None
    assert judged.ours.low < judged.values[0] - judged.values[1] < judged.ours.high


def test_seeds_that_disagree_decide_nothing(project: Project) -> None:
    """Together clearly higher, but one seed alone is lower."""
    project.run("mle", 1)
    project.run("mle", 2)
    project.run("scst", 1, shift=40.0)
    project.run("scst", 2, shift=-15.0)
    judged = judge(
        claim(metric="CIDEr", of="scst", over="mle", expect="higher"),
        Results.of(project.profile),
        "transformer",
    )
    assert judged.ours is not None and judged.ours.low > 0
    assert (judged.verdict, judged.reason) == ("not decided", "the seeds disagree")


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
            "metric 'SPICE' is not one of",
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
            "no METEOR",
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


def test_text_is_escaped(project: Project) -> None:
    project.all_runs()
    entry = judge(
        claim(metric="R@1", of="scst", over="mle", expect="higher"),
        Results.of(project.profile),
        "transformer",
    )
    assert "X &lt;b&gt;" in claims_page([entry]).body
    assert "<li>" in findings_page(load_ledger()).body

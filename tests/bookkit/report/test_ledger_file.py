"""`book/claims.yml` as it is written: mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookkit.report.ledger import load_ledger
from gegcore.errors import ConfigError


def test_what_longer_training_explains_is_tested_against_it() -> None:
    """GEG against +SCST alone stands only where the claim is about where it starts."""
    for claim in load_ledger().claims:
        for test in claim.tests:
            if test.of == "scst_geg" and test.over == "scst":
                assert claim.id == "geg-cider-start"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claims: [", "not valid YAML"),
        ("claims: [{id: a, claim: c, where: w}]", "needs one of 'test'"),
        (
            "claims: [{id: a, claim: c, where: w, "
            "test: {metric: CIDEr, of: scst_gge, over: mle, expect: higher}}]",
            "no objective 'scst_gge'",
        ),
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

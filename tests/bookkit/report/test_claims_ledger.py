"""Verdicts follow from runs by the written rule; every one of them can come out."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic_runs import Project, make_run

from bookkit.report import across, annotators, claims
from bookkit.report.archive import SCORES, archive, small
from bookkit.report.claims import guarantee, judge
from bookkit.report.evidence import Judged, counted, details, told
from bookkit.report.ledger import Claim, load_ledger
from bookkit.report.results import Runs
from emoji_scenes.dataset import ScenesDataset
from gegcore.errors import ChecksumError, DataError
from gegcore.profiles import Profile, load_profile
from gegcore.runs import RunFolder
from gegcore.storage import write_json
from gegcore.training.config import OBJECTIVES

SEVEN = tuple("abcdefg")
IMAGES = 60
NOTEBOOKS = Path(__file__).resolve().parents[3] / "notebooks"
Make = Callable[..., Runs]


def claim(*tests: dict[str, Any], **about: Any) -> Claim:
    found = tests[0] if len(tests) == 1 else list(tests)
    about = about or {"test": found}
    return Claim.model_validate({"id": "x", "claim": "X <b>", "where": "Table 2", **about})


def r1(**changed: Any) -> dict[str, Any]:
    test = {"metric": "R@1", "of": "scst_geg", "over": "scst_pp", "expect": "higher"}
    return test | changed


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes runs out of numbers: captioner -> by how much R@1 of GEG is above 20, seed by seed."""
    free = {"start_from": "mle", "select": {"metric": "CIDEr-D", "least_cider_share": 0.0}}
    monkeypatch.setattr(claims, "_settings", lambda test, runs: [free, free])

    def make(
        gains: dict[str, list[float]], cider: float = 95.0, judge: float = 1.0, name: str = "quick"
    ) -> Runs:
        noise = np.random.default_rng(0).normal(size=IMAGES)
        rows, folders = [], {}
        for model, changes in gains.items():
            for seed, change in enumerate(changes):
                for objective, recall in (("scst_geg", 20 + change), ("scst_pp", 20.0)):
                    above = objective == "scst_geg"
                    folders[model, objective, seed] = RunFolder(Path("nowhere"))
                    values = {"R@1": recall + noise, "CIDEr": (cider if above else 100) + noise}
                    values |= {"R@1 ear": 9 + judge * (recall - 20) + noise}
                    about = {"model": model, "objective": objective, "seed": seed}
                    images = np.arange(IMAGES)
                    rows.append(
                        pd.DataFrame({**about, **values, "image_id": images, "family": images // 5})
                    )
        runs = Runs(load_profile(name), folders, True, ())
        runs.__dict__.update(scores=pd.concat(rows), kept_start={("a", "scst_geg", 1)})
        return runs

    return make


def seven(*gains: float, spread: float = 0.2, seeds: int = 3) -> dict[str, list[float]]:
    steps = np.linspace(-spread, spread, seeds) if seeds > 1 else [0.0]
    return {name: [g + s for s in steps] for name, g in zip(SEVEN, gains, strict=False)}


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        (seven(*[5.0] * 7), "holds"),
        (seven(*[5.0] * 6, -1.0), "holds"),  # one may differ
        (seven(*[5.0] * 5, -1.0, -1.0), "fails"),  # two that surely differ may not
        (seven(*[5.0] * 5, -0.1, -0.1, spread=0.5), "undecided"),  # two that may
        (seven(*[-5.0] * 7), "fails"),
        (seven(*[1.0] * 7, spread=9.0), "undecided"),  # the seeds differ by more
        (seven(*[5.0] * 7, seeds=1), "undecided"),  # one seed decides nothing
        (seven(5.0, 5.0, 5.0), "holds"),
        (seven(5.0, 5.0, -3.0), "fails"),  # of fewer than seven all
        (seven(*[0.0] * 7, spread=0.0), "undecided"),
    ],
)
def test_the_rule(made: Make, gains: dict[str, list[float]], verdict: str) -> None:
    found = judge(claim(r1()), [made(gains)], 500)
    assert found.verdict == verdict, found.reason
    opposite = {"holds": "fails", "fails": "fails", "undecided": "undecided"}
    if len(set(map(np.sign, np.ravel(list(gains.values()))))) == 1 and verdict != "undecided":
        other = judge(claim(r1(expect="lower")), [made(gains)], 500).verdict
        assert other == ("holds" if verdict == "fails" else opposite[verdict])


def test_a_claim_about_any_captioner_asks_each_ones_interval(made: Make) -> None:
    test = r1(captioners="each", least=6)
    sure, unsure = seven(*[5.0] * 7), seven(*[5.0] * 7)
    unsure["a"] = unsure["b"] = [0.0, 5.0, 10.0]
    assert judge(claim(test), [made(sure)], 500).verdict == "holds"
    assert judge(claim(test), [made(unsure)], 500).verdict == "undecided"
    assert judge(claim(r1()), [made(unsure)], 500).verdict == "holds"
    fewer = judge(claim(test), [made(seven(*[5.0] * 5))], 500)
    assert fewer.verdict == "undecided" and "6 must be" in fewer.reason


@pytest.mark.parametrize(
    ("share", "expect", "verdict"),
    [
        (1.2, "at_least", "holds"),
        (1.3, "at_least", "fails"),
        (1.25, "at_least", "undecided"),
        (1.3, "at_most", "holds"),
        (1.2, "at_most", "fails"),
    ],
)
def test_shares(made: Make, share: float, expect: str, verdict: str) -> None:
    """25 against 20 is 125 %."""
    test = r1(share=share, expect=expect)
    found = judge(claim(test), [made(seven(*[5.0] * 7))], 500)
    assert found.verdict == verdict and "R@1: +SCST++ 20." in found.measured
    assert "125." in found.measured or "124." in found.measured


def test_all_tests_of_a_claim_must_hold_and_enough_captioners_pass_all(made: Make) -> None:
    aim = claim(
        r1(share=1.2, expect="at_least", least=6),
        r1(metric="CIDEr", share=0.9, expect="at_least"),
        r1(metric="R@1 judges"),
    )
    gains = seven(*[5.0] * 7)
    assert judge(aim, [made(gains)], 500).verdict == "holds"
    for spoilt in ({"cider": 85.0}, {"judge": -1.0}):
        assert judge(aim, [made(gains, **spoilt)], 500).verdict == "fails"
    found = judge(aim, [made(gains)], 500)
    assert [one.test.metric for one in found.found] == ["R@1", "CIDEr", "R@1 ear"]
    # Each test alone may miss one captioner; together they miss two.
    gains["a"] = [3.0, 3.1, 3.2]
    runs = made(gains)
    low = (runs.scores["model"] == "b") & (runs.scores["objective"] == "scst_geg")
    runs.scores.loc[low, "CIDEr"] = 80.0
    found = judge(aim, [runs], 500)
    assert found.verdict == "fails" and "5 of 7 captioners pass every test" in found.reason


def test_at_equal_cider(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of captioners that have four weights with every seed; the others do not make these fewer."""
    test, gains = r1(at_cider=0.95), seven(*[6.0] * 7)
    lacking = set[tuple[str, str]]()

    def frontier(runs: Runs, objective: str) -> tuple[pd.DataFrame, list[str]]:
        found, names = [runs.scores], [objective]
        for n in (2, 3, 4):  # further along the line from +SCST++ to +SCST+GEG
            rows = runs.scores[runs.scores["objective"] == objective]
            moved = {m: rows[m] + (n - 1) * s for m, s in {"CIDEr": runs.step, "R@1": 6.0}.items()}
            rows = rows.assign(objective=f"weight {n}", **moved)
            gone = [(m, f"weight {n}") in lacking for m in rows["model"]]
            found.append(rows[~np.array(gone)])
            names.append(f"weight {n}")
        return pd.concat(found), names

    monkeypatch.setattr(Runs, "frontier", frontier)

    def judged(cider: float) -> Judged:
        runs = made(gains, cider=cider)
        runs.__dict__["step"] = cider - 100
        return judge(claim(test), [runs], 500)

    found = judged(97.5)
    assert found.verdict == "holds" and "+12.0 [" in found.measured
    assert "at 95 % of CIDEr; 7 captioners, 3 seeds each" in found.measured
    missed = judged(99.5)
    assert missed.verdict == "undecided" and "not reached" in missed.measured
    lacking |= {(name, "weight 3") for name in "cdefg"}
    assert "+12.0 [" in judged(97.5).measured and "2 captioners, 3 seeds" in judged(97.5).measured
    lacking |= {(name, "weight 4") for name in "ab"}
    few = judged(97.5)
    assert few.verdict == "undecided" and few.reason.startswith("no captioner has 4 weights")


def test_the_profile_with_most_runs_decides_and_others_stand_beside(made: Make) -> None:
    few = made(seven(-5.0, seeds=2), name="quick")
    most = made(seven(*[5.0] * 7), name="standard")
    for every in ([few, most], [most, few]):
        found = judge(claim(r1()), every, 500)
        assert found.verdict == "holds" and found.beside == "profile quick: fails"
        assert "7 captioners, 3 seeds each, 12 families; profile standard" in found.measured


@pytest.mark.parametrize(
    ("test", "of", "why"),
    [
        (r1(over="scst"), {}, "highest validation R@1"),
        (r1(over="scst", metric="CIDEr", expect="at_least", share=0.9), {}, "keep 90 %"),
        (r1(over="scst", metric="CIDEr", expect="at_least", share=0.95), {}, ""),
        (r1(metric="GEG-Avg"), {}, "alone is rewarded"),
        (r1(metric="GEG-Min"), {}, ""),
        (r1(metric="GEG-Avg", over="scst_geg_sole"), {}, ""),
        (r1(), {}, ""),  # against +SCST++ nothing is guaranteed
        (r1(metric="CIDEr", expect="at_least", share=0.9), {}, "learning rate were chosen"),
        (r1(metric="CIDEr", expect="at_least", share=0.95), {}, ""),
        (r1(of="scst_geg_sole", metric="CIDEr", expect="at_least", share=0.9), {}, ""),
        (r1(of="scst", over="mle", metric="CIDEr"), {}, "highest validation CIDEr"),
        (r1(over="scst", metric="R@1 VSE++"), {}, ""),
    ],
)
def test_what_selection_or_reward_guarantees(test: dict, of: dict, why: str) -> None:
    (one,) = claim(test).tests
    sides = [OBJECTIVES[name].model_dump(mode="json") for name in (one.of, one.over)]
    found = guarantee(one, *sides)
    assert why in found and bool(why) == bool(found)


def stored_grid(profile: Profile, dataset: ScenesDataset, seeds: tuple[int, ...]) -> None:
    for model in profile.experiments.models:
        for objective in OBJECTIVES:
            for seed in seeds:
                best = 0 if (objective, seed) == ("scst_pp", 2) else 2
                make_run(profile, dataset, objective, seed, model=model, best_epoch=best)


@pytest.fixture
def stored(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Runs]:
    """Every objective of one captioner of `quick`, three seeds: archived, the runs gone."""
    profile = load_profile("quick")
    grid = profile.experiments.model_copy(
        update={"objectives": tuple(OBJECTIVES), "seeds": (1, 2, 3)}
    )
    profile = profile.model_copy(update={"experiments": grid})
    stored_grid(profile, project.dataset, grid.seeds)
    archive(profile, tmp_path / "kept")
    (tmp_path / "runs").rename(tmp_path / "gone")
    monkeypatch.setattr("bookkit.report.stored.STORED", tmp_path / "kept")
    return Runs.every("quick")


def test_the_shipped_ledger_is_judged_from_what_is_stored(stored: list[Runs]) -> None:
    assert [(runs.own, runs.profile.name) for runs in stored] == [(False, "quick")]
    judged = {entry.id: judge(entry, stored, 500) for entry in load_ledger().claims}
    found = {name: entry.verdict for name, entry in judged.items()}
    assert found["scst-cider"] == found["geg-avg"] == "guaranteed"
    assert found["geg-cider-start"] == found["geg-cider-moderate"] == "guaranteed"
    assert found["geg-cider-falls"] == found["sole-cider"] == "holds"
    assert found["direct-cider"] == "holds" and found["people"] == "undecided"
    assert found["seven-models"] == found["aim"] == "undecided"  # one captioner only
    assert found["language-and-distinctiveness"] == "undecided"
    assert judged["scst-cider"].claim.printed == "CIDEr 116.6 \N{RIGHTWARDS ARROW} 130.0"
    every = list(judged.values())
    table = details(every)
    assert set(table["captioner"]) >= {"Transformer", "Transformer \N{DEGREE SIGN}1"}
    notebooks = {path.stem for path in NOTEBOOKS.glob("*.ipynb")}
    for entry in every:
        said = told(entry)
        assert (
            html.escape(entry.claim.claim.strip(), quote=False) in said
            and f"**{entry.verdict}**" in said
        )
        assert entry.claim.page in notebooks and f"({entry.claim.page}.html)" in said
    said = counted(every)
    for verdict, word in (("holds", "hold"), ("undecided", "are undecided")):
        assert f"{list(found.values()).count(verdict)} {word}" in said
    judges = judged["geg-judges"].found
    assert {one.test.metric for one in judges} == {"R@1 judge SigLIP", "R@1 VSE++"}


def test_stored_scores_are_those_of_the_runs(stored: list[Runs], tmp_path: Path) -> None:
    runs = stored[0]
    of_run = runs.metrics.query("objective == 'scst_geg' and seed == 3").set_index("metric")
    one = runs.scores.query("objective == 'scst_geg' and seed == 3")
    for name in ("CIDEr", "R@1", "R@1 VSE++", "GEG-Min", "listener R@1"):
        assert one[name].mean() == pytest.approx(of_run["value"][name], rel=1e-5)
    assert (one["family"] == one["image_id"] // 5).all()
    whole = pd.read_parquet(next((tmp_path / "gone").rglob("per_caption.parquet")))
    assert "METEOR" in whole and "METEOR" not in small(whole)
    path = runs.folders["transformer", "scst", 1].file(SCORES)
    pd.read_parquet(path).assign(CIDEr=1.0).to_parquet(path)
    with pytest.raises(ChecksumError, match="another CIDEr"):
        _ = Runs.of("quick").scores


def test_a_frontier_is_made_of_runs_that_differ_in_weights_alone(project: Project) -> None:
    own = project.profile.objective("scst_geg")
    more = {name: weight * (1 if name == "cider" else 3) for name, weight in own.rewards.items()}
    for name, changed in (
        ("", {}),
        ("-more", {"rewards": more}),
        ("-longer", {"rewards": {**more, "geg_avg": 0.5}, "epochs": own.epochs + 1}),
    ):
        objectives = dict(project.profile.objectives)
        objectives["scst_geg"] = {**objectives.get("scst_geg", {}), **changed}
        profile = project.profile.model_copy(update={"objectives": objectives})
        made = make_run(profile, project.dataset, "scst_geg", 1)
        made.path.rename(made.path.with_name(f"kept{name}"))
    for path in made.path.parent.glob("kept*"):
        path.rename(made.path.with_name(path.name.replace("kept", made.path.name)))
    scores, names = Runs.of(project.profile).frontier("scst_geg")
    first, second = names
    weights = [
        sum(w for n, w in r.items() if n != "cider") / r["cider"] for r in (own.rewards, more)
    ]
    assert (first, second) == ("scst_geg", f"scst_geg, weight {weights[1]:g}")
    assert weights[1] == pytest.approx(3 * weights[0])
    assert set(scores["objective"]) == set(names)


def test_what_cannot_be_judged_says_why(made: Make) -> None:
    runs = made(seven(1.0, 1.0))
    found = judge(claim(r1(of="scst_er")), [runs])
    assert found == Judged(
        found.claim, "undecided", "no runs of +SCST+ER and +SCST++ with values of single captions"
    )
    assert judge(claim(r1(metric="GEG-Min")), [runs]).verdict == "undecided"
    assert judge(claim(untested="nobody asked"), [runs]).reason == "nobody asked"
    runs.scores.loc[runs.scores.index[0], "R@1"] = math.nan
    with pytest.raises(DataError, match="different test images"):
        judge(claim(r1()), [runs])


@pytest.mark.parametrize(
    ("order", "seeds", "verdict"),
    [
        ([1, 2, 3, 4, 5, 6, 7], 2, "holds"),
        ([7, 6, 5, 4, 3, 2, 1], 2, "fails"),
        ([4, 1, 7, 2, 6, 3, 5], 2, "undecided"),
        ([1, 2, 3, 4, 5, 6, 7], 1, "undecided"),
        ([1, 2, 3, 4], 2, "undecided"),
    ],
)
def test_rank_correlation_over_captioners(
    made: Make, order: list[int], seeds: int, verdict: str
) -> None:
    runs = made({"a": [1.0]})
    runs.__dict__["metrics"] = pd.DataFrame(
        {"model": f"m{i}", "objective": "scst", "seed": seed, "metric": metric, "value": value}
        for i, rank in enumerate(order)
        for seed in range(seeds)
        for metric, value in (("CIDEr", 100.0 + i), ("R@1", float(rank) + seed / 9))
    )
    asked = claim(correlation={"objective": "scst", "metrics": ["CIDEr", "R@1"]})
    assert judge(asked, [runs]).verdict == verdict


@pytest.mark.parametrize(
    ("ends", "seeds", "verdict"),
    [
        ({"a": 20.0, "b": 49.9}, 2, "holds"),
        ({"a": 20.0, "b": 49.9}, 1, "undecided"),
        ({"a": 20.0, "b": 50.1}, 2, "fails"),
        ({name: 20.0 + 40.0 * (name == "a") for name in SEVEN}, 2, "holds"),
        ({name: 20.0 + 40.0 * (name in "ab") for name in SEVEN}, 2, "fails"),
    ],
)
def test_the_last_epoch_of_every_seed(
    made: Make, monkeypatch: pytest.MonkeyPatch, ends: dict[str, float], seeds: int, verdict: str
) -> None:
    runs = made({name: [0.0] * seeds for name in ends})
    for (model, objective, _), run in [*runs.of_objective("scst_geg").items()]:
        runs.folders[model, objective, _] = RunFolder(run.path / f"{model}-{ends[model]}")

    def history(run: RunFolder) -> pd.DataFrame:
        end = float(run.name.partition("-")[2] or 100)
        return pd.DataFrame({"epoch": [0, 1], "CIDEr-D": [1.0, end]})

    monkeypatch.setattr(RunFolder, "history", history)
    asked = claim(last_epoch={"of": "scst_geg", "over": "scst_pp", "share": 0.5})
    found = judge(asked, [runs])
    assert found.verdict == verdict
    mean = 100 * np.mean(list(ends.values())) / 100
    assert f"{mean:.0f} %, runs {min(ends.values()):.0f} to" in found.measured


def test_exact_p_of_a_correlation_by_hand() -> None:
    assert across.spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx((1.0, 2 / 24))
    assert across.spearman([1, 2, 3], [5, 9, 7])[0] == pytest.approx(0.5)
    for bad in ([1.0], [1.0, 1.0], list(range(10))):
        with pytest.raises(DataError, match="no exact correlation"):
            across.spearman(bad, bad)


@pytest.mark.parametrize(
    ("of", "over", "verdict"), [(30, 20, "holds"), (20, 30, "fails"), (25, 26, "undecided")]
)
def test_retrievers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: float, over: float, verdict: str
) -> None:
    monkeypatch.setattr(annotators, "STORED", tmp_path)
    asked, every = claim(retrievers={"judge": "VSE++"}), Runs.every("quick")
    name = every[-1].profile.name
    assert judge(asked, every).verdict == "undecided"  # nothing is stored
    sides = {"R@1": (of, 2.0), "R@1 VSE++": (over, 1.5), "R@1 other": (99, 1.0)}
    scores = {
        metric: {"value": value, "ci95": [value - half, value + half], "n": 1000}
        for metric, (value, half) in sides.items()
    }
    write_json(tmp_path / name / "annotators.json", {"metrics": scores})
    found = judge(asked, every)
    assert found.verdict == verdict
    ends = f"[{of - over - 2.5:.1f}, {of - over + 2.5:.1f}]".replace("-", "\N{MINUS SIGN}")
    assert ends in found.measured and "1,000 images" in found.measured

"""The computed parts of the book's front page: the method with one picture, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from bookkit.report.badge import runs_badge
from bookkit.report.claims import ONE_SEED, REWARDED, judge
from bookkit.report.evidence import Found, Judged, counted, plural
from bookkit.report.example import example
from bookkit.report.intervals import Effect
from bookkit.report.ledger import ARROW, load_ledger
from bookkit.report.page import badge, number, signed
from bookkit.report.paper import MODEL_NAMES
from bookkit.report.results import ENOUGH, Runs, control, short
from gegcore.profiles import Profile
from gegcore.storage import write_text
from gegcore.training.config import OBJECTIVES

__all__ = ["badge_html", "front_parts", "short", "write_front_parts"]

NOT_ASKED = "Not asked in the paper"
"""So begins where a claim is from that is not the paper's."""

COLUMNS = ["CIDEr", "R@1", "R@5", "R@10", "GEG-Avg", "GEG-Min"]


def front_parts(profile: Profile) -> dict[str, str]:
    """Name -> HTML of the parts that the front page includes.

    badge, example (the method with one picture), finding, glance, verdicts.

    Raises:
        DataError: the profile has no finished run.
    """
    runs, every = Runs.of(profile), Runs.every(profile)
    judged = {claim.id: judge(claim, every) for claim in load_ledger().claims}
    return {
        "badge": runs_badge(runs).body,
        "example": pipeline(runs),
        "finding": finding(judged["geg-r1"], judged["geg-cider-falls"]),
        "glance": glance(runs),
        "verdicts": said_of_claims(list(judged.values()), every),
    }


def pipeline(runs: Runs) -> str:
    """The method with one picture; nothing with photographs, which are not published."""
    if runs.profile.data.kind != "scenes":
        return ""
    reward = reward_of(runs.profile, runs.models[0])
    return _filled("example", **example(runs), number=number, reward=reward)


def reward_of(profile: Profile, model: str) -> str:
    """The reward of +SCST+GEG in words, whatever its terms are: 0.1 · CIDEr + 1 · GEG-Avg."""
    terms = profile.objective("scst_geg", model).rewards.items()
    return " + ".join(
        f"{weight:g} \N{MIDDLE DOT} {REWARDED.get(name, name)}" for name, weight in terms
    )


def finding(recall: Judged, cider: Judged) -> str:
    """R@1 and CIDEr of +SCST+GEG and its control, in the paper and here, and the verdict on R@1.

    Here: of the captioner that the paper's row has, and the mean of all.
    """
    both = {"R@1": recall, "CIDEr": cider}
    printed = {name: judged.claim.printed.partition(" ")[2] for name, judged in both.items()}
    paper = recall.claim.paper
    model = paper.of.split("+")[0] if paper else ""
    rows = [{"name": "Paper", **printed, "captioners": f"{model}, from +SCST"}]
    if recall.found and cider.found:
        founds = {name: judged.found[0] for name, judged in both.items()}
        start = f", from {OBJECTIVES[recall.found[0].test.over].label}"
        if (key := {shown: key for key, shown in MODEL_NAMES.items()}.get(model)) in (
            recall.found[0].effects.keys() & cider.found[0].effects.keys()
        ):
            here = {n: _sides(f, f.values[key], f.effects[key]) for n, f in founds.items()}
            rows.append({"name": "Here", **here, "captioners": f"{model}{start}"})
        here = {n: _sides(f, _mean(f), f.mean) for n, f in founds.items()}
        count = plural(len(recall.found[0].effects), "captioner")
        rows.append({"name": "Here", **here, "captioners": f"mean of {count}{start}"})
    said = {"verdict": recall.verdict, "reason": recall.reason}
    return _filled("finding", rows=rows, claim=recall.claim.claim.strip(), **said)


def _mean(found: Found) -> tuple[float, float]:
    """Over captioners, of both sides."""
    of, over = (sum(pair[i] for pair in found.values.values()) / len(found.values) for i in (0, 1))
    return of, over


def _sides(found: Found, values: tuple[float, float], effect: Effect) -> str:
    """The control and +SCST+GEG, and the difference with its interval."""
    (of, over), name = values, found.test.metric
    change = (
        f"{signed(name, effect.value)} [{signed(name, effect.low)}, {signed(name, effect.high)}]"
    )
    return f"{number(name, over)} {ARROW} {number(name, of)}\n{change}"


def said_of_claims(judged: list[Judged], every: list[Runs]) -> str:
    """How the claims of the ledger came out, and its first, the aim of this book."""
    first, *rest = judged
    added = [entry for entry in rest if entry.claim.where.startswith(NOT_ASKED)]
    theirs = [entry for entry in rest if entry not in added]
    waiting = sum(ONE_SEED in entry.reason for entry in judged)
    read = ", ".join(runs.profile.name for runs in every)
    said = f"The paper: {counted(theirs)} Questions that this book adds: {counted(added)} "
    if waiting:
        said += f"{waiting} verdicts wait for a second seed of some captioner. "
    return (
        f"{said}*{first.claim.claim.strip()}*: **{first.verdict}** ({first.reason}). "
        f"Read from the stored runs of: {read}. "
        "[Every claim](generated/15_findings.ipynb), with its numbers."
    )


def _filled(macro: str, **values: object) -> str:
    # autoescape: labels and captions are text; pictures come as Markup.
    parts = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    return str(getattr(parts.get_template("front.jinja").module, macro)(**values))


def glance(runs: Runs) -> str:
    """The main numbers of the first model, a row an objective, and what GEG did in a sentence."""
    model = runs.profile.experiments.models[0]
    found = runs.metrics[runs.metrics["model"] == model]
    images = int(found["n"].max())
    means = found.pivot_table("value", "label", "metric", sort=False)[COLUMNS]
    return _filled(
        "glance",
        means=means,
        against=control(means.index),
        number=number,
        model=MODEL_NAMES.get(model, model),
        images=images,
        seeds=found["seed"].nunique(),
        few=images < ENOUGH,
    )


def badge_html(facts: Mapping[str, str]) -> str:
    """Facts as a row of small labels."""
    return badge(facts).body


def write_front_parts(profile: Profile, folder: Path) -> None:
    """Write each part as `front-<name>.md`, to be included by `book/intro.md`."""
    for name, text in front_parts(profile).items():
        write_text(folder / f"front-{name}.md", f"{text}\n")

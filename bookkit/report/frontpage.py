"""The computed parts of the book's front page: the method with one picture, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from bookkit.report.badge import runs_badge
from bookkit.report.claims import REWARDED, judge
from bookkit.report.evidence import Found, Judged, counted, plural
from bookkit.report.example import example
from bookkit.report.ledger import ARROW, load_ledger
from bookkit.report.page import badge, number, signed
from bookkit.report.paper import MODEL_NAMES
from bookkit.report.results import ENOUGH, Runs, short
from gegcore.profiles import Profile
from gegcore.storage import write_text

__all__ = ["badge_html", "front_parts", "short", "write_front_parts"]

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
    """R@1 and CIDEr of +SCST+GEG and its control, in the paper and here, and the verdict on R@1."""
    both = {"R@1": recall, "CIDEr": cider}
    printed = {name: judged.claim.printed.partition(" ")[2] for name, judged in both.items()}
    paper = recall.claim.paper
    rows = [{"name": "Paper", **printed, "captioners": paper.of.split("+")[0] if paper else ""}]
    if recall.found and cider.found:
        here = {name: _sides(judged.found[0]) for name, judged in both.items()}
        count = plural(len(recall.found[0].effects), "captioner")
        rows.append({"name": "Here", **here, "captioners": count})
    said = {"verdict": recall.verdict, "reason": recall.reason}
    return _filled("finding", rows=rows, claim=recall.claim.claim.strip(), **said)


def _sides(found: Found) -> str:
    """Means over captioners: of the control, of +SCST+GEG, and the difference with its interval."""
    of, over = (sum(pair[i] for pair in found.values.values()) / len(found.values) for i in (0, 1))
    name, mean = found.test.metric, found.mean
    change = f"{signed(name, mean.value)} [{signed(name, mean.low)}, {signed(name, mean.high)}]"
    return f"{number(name, over)} {ARROW} {number(name, of)}\n{change}"


def said_of_claims(judged: list[Judged], every: list[Runs]) -> str:
    """How the claims of the ledger came out, and its first, the aim of this book."""
    first = judged[0]
    read = ", ".join(runs.profile.name for runs in every)
    return (
        f"{counted(judged)} The aim, *{first.claim.claim.strip()}*: **{first.verdict}**. "
        f"{first.reason}. Read from the stored runs of: {read}. "
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
    return _filled(
        "glance",
        means=found.pivot_table("value", "label", "metric", sort=False)[COLUMNS],
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

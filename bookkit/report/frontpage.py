"""The computed parts of the book's front page: one group of images, the numbers at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from bookkit.report.badge import runs_badge
from bookkit.report.claims import judge
from bookkit.report.evidence import counted
from bookkit.report.ledger import load_ledger
from bookkit.report.page import badge, number, picture
from bookkit.report.paper import MODEL_NAMES
from bookkit.report.results import ENOUGH, Runs, short
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.painter import paint
from gegcore.groups import SimilarGroups
from gegcore.profiles import Profile
from gegcore.runs import project_root
from gegcore.storage import write_text

__all__ = ["badge_html", "front_parts", "short", "write_front_parts"]

COLUMNS = ["CIDEr", "R@1", "R@5", "R@10", "GEG-Avg", "GEG-Min"]


def front_parts(profile: Profile) -> dict[str, str]:
    """Name -> HTML of the parts that the front page includes: badge, example, glance, verdicts.

    Raises:
        DataError: the profile has no finished run.
    """
    runs = Runs.of(profile)
    parts = {"badge": runs_badge(runs).body, "example": example(runs), "glance": glance(runs)}
    return {**parts, "verdicts": said_of_claims(Runs.every(profile))}


def said_of_claims(every: list[Runs]) -> str:
    """How the claims of the ledger came out, and its first, the aim of this book."""
    judged = [judge(claim, every) for claim in load_ledger().claims]
    first = judged[0]
    read = ", ".join(runs.profile.name for runs in every)
    return (
        f"{counted(judged)} The aim, *{first.claim.claim}*: **{first.verdict}**. {first.reason}. "
        f"Read from the stored runs of: {read}. [Every claim](generated/15_findings.ipynb), with "
        "its numbers."
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


def example(runs: Runs) -> str:
    """One test image, its similar-image group, and what each objective's first seed says of it.

    The image is picked by rule, not by hand: of those that the last objective's caption retrieves
    first, the one whose rank improved most over the objective before (no typical one).
    """
    profile, scores = runs.profile, runs.scores
    folder = project_root() / "artifacts" / profile.name
    dataset = ScenesDataset.load(folder / "data" / "test.json")
    groups = SimilarGroups.load(folder / "groups" / f"test-k{profile.group_size}")
    first = scores[(scores["model"] == scores["model"][0]) & (scores["seed"] == scores["seed"][0])]
    ranks = first.pivot_table("rank", "image_id", "label", sort=False).sort_index()
    before, after = ranks.iloc[:, -2 if ranks.shape[1] > 1 else 0], ranks.iloc[:, -1]
    order = pd.DataFrame({"after": after, "gain": after - before}).sort_values(
        ["after", "gain"], kind="stable"
    )
    image = order.index[0]
    target = next(i for i, record in enumerate(dataset.records) if record.image_id == image)
    said, known = [], set[str]()
    for line in first[first["image_id"] == image].itertuples():
        words = str(line.caption).split()
        shown = [{"text": word, "new": bool(known) and word not in known} for word in words]
        said.append({"label": line.label, "words": shown, "rank": int(str(line.rank))})
        known |= set(words)
    return _filled(
        "example",
        target=_painted(dataset, target, "Target", 256),
        similar=[_painted(dataset, i, "Similar", 128) for i in groups.index[target].tolist()],
        said=said,
    )


def _painted(dataset: ScenesDataset, position: int, what: str, size: int) -> Markup:
    alt = f"{what} image: {dataset.records[position].captions[0]}"
    return Markup(picture(paint(dataset.scene(position), size), alt, 128))


def badge_html(facts: Mapping[str, str]) -> str:
    """Facts as a row of small labels."""
    return badge(facts).body


def write_front_parts(profile: Profile, folder: Path) -> None:
    """Write each part as `front-<name>.md`, to be included by `book/intro.md`."""
    for name, text in front_parts(profile).items():
        write_text(folder / f"front-{name}.md", f"{text}\n")

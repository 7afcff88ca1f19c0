"""The computed parts of the book's front page: one group of images, the numbers at a glance."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bookkit.report.page import picture
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.painter import paint
from gegcore.groups import SimilarGroups
from gegcore.profiles import Profile
from gegcore.runs import RunFolder, project_root
from gegcore.storage import read_json, write_text

# Below this, the interval of R@1 is wider than any effect in the paper.
_ENOUGH_IMAGES = 200
COLUMNS = ("CIDEr", "R@1", "R@5", "R@10", "GEG-Avg", "GEG-Min")


@dataclass(frozen=True)
class Method:
    """All seeds of one objective."""

    objective: str
    label: str
    runs: tuple[RunFolder, ...]

    def mean(self, metric: str) -> float:
        """Mean over seeds of a metric."""
        return float(np.mean([run.metrics()[metric]["value"] for run in self.runs]))


def methods(profile: Profile) -> list[Method]:
    """Objectives of the profile's first model, in the order of the tables."""
    grid = profile.experiments
    return [
        Method(
            objective,
            profile.objective(objective).label or objective,
            tuple(
                RunFolder.of(profile.name, grid.models[0], objective, seed) for seed in grid.seeds
            ),
        )
        for objective in grid.objectives
    ]


def front_parts(profile: Profile) -> dict[str, str]:
    """Name -> HTML of the parts that the front page includes: badge, example, glance.

    Raises:
        DataError: a run of the profile is not finished.
    """
    table = methods(profile)
    return {
        "badge": badge(profile, table),
        "example": example(profile, table),
        "glance": glance(profile, table),
    }


def badge(profile: Profile, table: Sequence[Method]) -> str:
    """When, where and from which commit the runs behind the book were executed."""
    runs = [run for method in table for run in method.runs]
    records = [read_json(run.file("provenance.json")) for run in runs]
    trained = [record["trained"] for record in records]
    days = sorted({str(record["created"])[:10] for record in trained})
    commits = sorted({short(record.get("git_revision", "")) for record in trained} - {""})
    minutes = sum(record["wall_seconds_training"] for record in records) / 60
    facts = {
        "profile": profile.name,
        "runs": f"{len(runs)} ({len(profile.experiments.seeds)} seeds)",
        "executed": " to ".join(dict.fromkeys((days[0], days[-1]))),
        "commit": ", ".join(commits) or "not in git",
        "device": ", ".join(sorted({str(record["device"]) for record in trained})),
        "training": f"{minutes:.0f} min" if minutes >= 1 else f"{60 * minutes:.0f} s",
    }
    return badge_html(facts)


def badge_html(facts: dict[str, str]) -> str:
    """Facts as a row of small labels."""
    items = "".join(
        f"<span><b>{html.escape(name)}</b> {html.escape(value)}</span>"
        for name, value in facts.items()
        if value
    )
    return f'<div class="geg-badge" role="note" aria-label="provenance">{items}</div>'


def short(revision: str) -> str:
    """First eight hex digits of a commit, `+` kept: there were uncommitted changes."""
    return revision[:8] + ("+" if revision.endswith("+") else "")


def glance(profile: Profile, table: Sequence[Method]) -> str:
    """The main numbers, a row an objective, means over seeds, and what GEG did in one sentence."""
    head = "".join(f"<th scope='col'>{name}</th>" for name in COLUMNS)
    rows = ""
    for method in table:
        cells = "".join(f"<td>{_number(name, method.mean(name))}</td>" for name in COLUMNS)
        rows += f"<tr><th scope='row'>{html.escape(method.label)}</th>{cells}</tr>"
    seeds = len(profile.experiments.seeds)
    images = table[0].runs[0].metrics()["R@1"]["n"]
    caption = (
        f"{profile.experiments.models[0].capitalize()} on {images:,} test images; "
        + (f"means over {seeds} seeds" if seeds > 1 else "one seed")
        + ". Intervals are on the results page."
    )
    if images < _ENOUGH_IMAGES:
        caption += " Too few images to mean anything: this size only shows that everything runs."
    return (
        f'<div class="geg-glance"><table>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        + _sentence(table)
        + f'<p class="geg-note">{caption}</p>'
    )


def _sentence(table: Sequence[Method]) -> str:
    by_name = {method.objective: method for method in table}
    if not {"scst", "scst_geg"} <= by_name.keys():
        return ""
    before, after = by_name["scst"], by_name["scst_geg"]
    changes = {name: (before.mean(name), after.mean(name)) for name in ("R@1", "CIDEr")}
    said = [
        f"{name} from {_number(name, old)} to {_number(name, new)}"
        + (f" ({_signed((new - old) / abs(old))})" if old else "")
        for name, (old, new) in changes.items()
    ]
    return f'<p class="geg-said">GEG takes {said[0]} and {said[1]}.</p>'


def _number(metric: str, value: float) -> str:
    text = f"{value:.4f}" if metric.startswith("GEG") else f"{value:.1f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _signed(share: float) -> str:
    return f"{share:+.0%}".replace("-", "\N{MINUS SIGN}")


def example(profile: Profile, table: Sequence[Method]) -> str:
    """One test image, its similar-image group, and what each objective's first seed says of it.

    The image is picked by rule, not by hand: of those that +SCST+GEG's caption retrieves first, the
    one whose rank improved most over +SCST (the largest improvement is no typical one).
    """
    folder = project_root() / "artifacts" / profile.name
    dataset = ScenesDataset.load(folder / "data" / "test.json")
    groups = SimilarGroups.load(folder / "groups" / f"test-k{profile.group_size}")
    row_of = {record.image_id: row for row, record in enumerate(dataset.records)}
    scored = {method.objective: method.runs[0].per_caption() for method in table}
    first, last = scored[table[-2 if len(table) > 1 else 0].objective], scored[table[-1].objective]
    merged = first[["image_id", "rank"]].merge(last[["image_id", "rank"]], on="image_id")
    merged["gain"] = merged["rank_x"] - merged["rank_y"]
    picked = merged.sort_values(["rank_y", "gain", "image_id"], ascending=[True, False, True])
    target = row_of[int(picked["image_id"].iloc[0])]
    records = dataset.records
    similar = groups.index[target].tolist()
    said = ""
    known: set[str] = set()
    for method in table:
        scores = scored[method.objective]
        own = scores["image_id"] == records[target].image_id
        entry = scores[own].to_dict("records")[0]
        said += _said(method.label, str(entry["caption"]), int(entry["rank"]), known)
        known |= set(str(entry["caption"]).split())
    strip = "".join(
        picture(paint(dataset.scene(row), 128), "Similar image: " + records[row].captions[0], 128)
        for row in similar
    )
    first_picture = picture(
        paint(dataset.scene(target), 256), "Target image: " + records[target].captions[0], 128
    )
    return (
        f'<figure class="geg-example"><div class="geg-target">{first_picture}</div>'
        f'<dl class="geg-captions">{said}</dl>'
        f'<div class="geg-similar"><p>Most easily confused with it</p>'
        f'<div class="geg-strip">{strip}</div></div></figure>'
    )


def _said(label: str, caption: str, rank: int, known: set[str]) -> str:
    """A caption with the words in bold that no objective before it used."""
    words = [
        f"<b>{html.escape(word)}</b>" if known and word not in known else html.escape(word)
        for word in caption.split()
    ]
    place = "finds its image" if rank == 0 else f"its image comes {_ordinal(rank + 1)}"
    kind = "geg-found" if rank == 0 else "geg-lost"
    said = f"{' '.join(words)} <span class='{kind}'>{place}</span>"
    return f"<dt>{html.escape(label)}</dt><dd>{said}</dd>"


def _ordinal(number: int) -> str:
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def write_front_parts(profile: Profile, folder: Path) -> None:
    """Write each part as `front-<name>.md`, to be included by `book/intro.md`."""
    for name, text in front_parts(profile).items():
        write_text(folder / f"front-{name}.md", f"{text}\n")

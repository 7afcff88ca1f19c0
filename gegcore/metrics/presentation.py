"""How metrics are shown: in families, with so many decimals, and which are better low."""

from __future__ import annotations

from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"
LOWER = "\N{DOWNWARDS ARROW}"
"""After the name of a metric of which lower is better."""

LOWER_IS_BETTER = ("CIDErBtw", "CHAIR-s", "CHAIR-i", "repetition", "bad endings")

_JUDGES = "Judges that were never rewarded"
_OF_JUDGES = ("R@1 ", "R@5 ", "R@10 ", "GEG-Avg ", "GEG-Min ")  # "R@1 VSE++"

FAMILIES: dict[str, tuple[str, ...]] = {
    "Words, against the references": (
        *("CIDEr", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "SPICE"),
    ),
    "The CLIP of the reward": (
        *("R@1", "R@5", "R@10", "bag R@1", "GEG-Avg", "GEG-Min", "CLIPScore", "RefCLIPScore"),
    ),
    _JUDGES: (),
    "Against references of similar images": ("CIDErBtw", "DisWordRate"),
    "Hallucination, by COCO's objects": ("CHAIR-s", "CHAIR-i"),
    "Truth, by the scene graphs": ("fact precision", "detail recall", "facts", "listener R@1"),
    "The words themselves": (
        *("vocabulary", "distinct-1", "distinct-2", "length", "repetition", "bad endings"),
    ),
}
"""Heading -> metrics below it, in the order of the table; those of judges have a label behind."""


def families_of(names: Sequence[str]) -> dict[str, list[str]]:
    """The metrics that there are, in their families; unknown ones come last, as "Others"."""
    found = {
        heading: [name for name in members if name in names]
        for heading, members in FAMILIES.items()
    }
    rest = [name for name in names if not any(name in members for members in FAMILIES.values())]
    found[_JUDGES] = [name for name in rest if name.startswith(_OF_JUDGES)]
    found["Others"] = [name for name in rest if not name.startswith(_OF_JUDGES)]
    return {heading: members for heading, members in found.items() if members}


def label(metric: str) -> str:
    """Its name, with an arrow if lower is better."""
    return f"{metric} {LOWER}" if metric in LOWER_IS_BETTER else metric


def number(metric: str, value: float | None) -> str:
    """As the paper prints it: GEG with four decimals, vocabulary none, others one; a true minus."""
    if value is None:
        return "\N{EN DASH}"
    decimals = 4 if metric.startswith("GEG") else 0 if metric == "vocabulary" else 1
    return f"{value:.{decimals}f}".replace("-", MINUS)


def interval(metric: str, low: float, high: float) -> str:
    """A 95 % interval in brackets."""
    return f"[{number(metric, low)}, {number(metric, high)}]"


def signed(metric: str, value: float) -> str:
    """A difference, with its sign."""
    return ("+" if value > 0 else "") + number(metric, value)

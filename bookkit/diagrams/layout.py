"""The drawing of the packages, and of the layers inside `gegcore`."""

from __future__ import annotations

from itertools import accumulate, pairwise

from bookkit.diagrams.svg import WIDTH, Arrow, Box, Diagram, Panel

PACKAGES = (
    "bookkit\nmakes the book",
    "rivals\ndistinctive captioners of other papers, one file each",
    "emoji_scenes\nthe embedded world",
    "photographs\ntheir reader, features, retrieval models",
    "caption_evaluation\nanybody's captions, from files to a report",
)
LAYERS = (
    ("commands",),
    ("interop",),
    ("experiment",),
    ("materials",),
    ("profiles",),
    ("training", "metrics"),
    ("decoding", "rewards"),
    ("models", "clip", "groups", "gap"),
    ("data",),
    ("registry", "storage", "progress"),
    ("errors",),
)
"""Modules of gegcore, top to bottom: each imports from layers below its own, never from above."""

_EQUATIONS = {
    "clip": "Eq. 1",
    "groups": "Eq. 2",
    "gap": "Eq. 3, 4",
    "training": "Eq. 5, 6",
    "rewards": "Eq. 7",
}
_STEP = 64
_TOP, _GAP, _SPACE = 32 + _STEP * len(PACKAGES), 10, 8

_ROWS = [
    [f"{name}\n{_EQUATIONS[name]}" if name in _EQUATIONS else name for name in names]
    for names in LAYERS
]
_HEIGHTS = [28 + 15 * any("\n" in text for text in texts) + _GAP for texts in _ROWS]
_TOPS = list(accumulate(_HEIGHTS, initial=_TOP))


def _row(texts: list[str], y: float) -> list[Box]:
    share = (WIDTH - 32) / len(texts)
    return [
        Box(
            text.split("\n")[0],
            16 + share * (number + 0.5),
            y,
            text,
            "attention" if "\n" in text else "layer",
            share - _SPACE,
        )
        for number, text in enumerate(texts)
    ]


LAYOUT = Diagram(
    "Six packages, one above the other; each may import those below it. "
    + "; ".join(text.replace("\n", ", ") for text in PACKAGES)
    + "; gegcore, the method. Inside gegcore, top to bottom: "
    + "; ".join(", ".join(names) for names in LAYERS)
    + ". Each layer imports from those below it.",
    height=_TOPS[-1] + 6,
    panels=(Panel(_TOP - 28, _TOPS[-1] - _TOP + 30, "gegcore: the method", name="gegcore"),),
    boxes=(
        *(
            Box(text.split("\n")[0], WIDTH / 2, 4 + _STEP * number, text, "data", WIDTH - 8)
            for number, text in enumerate(PACKAGES)
        ),
        *(box for texts, y in zip(_ROWS, _TOPS, strict=False) for box in _row(texts, y)),
    ),
    arrows=tuple(
        Arrow(f"{above}.bottom:0.5", f"{below}.top:0.5")
        for above, below in pairwise([*(text.split("\n")[0] for text in PACKAGES), "gegcore"])
    ),
    legend=False,
)

"""The drawing of the three packages, and of the layers inside `gegcore`."""

from __future__ import annotations

from itertools import accumulate

from bookkit.diagrams.svg import WIDTH, Arrow, Box, Diagram, Panel

LAYERS = (
    ("commands",),
    ("interop", "evaluation"),
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
_TOP, _GAP, _SPACE = 168, 10, 8

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
    "Three packages, one above the other. bookkit, which makes the book, imports emoji_scenes and "
    "gegcore; emoji_scenes, the embedded world, imports gegcore; gegcore, the method, imports "
    "neither. Inside gegcore, top to bottom: "
    + "; ".join(", ".join(names) for names in LAYERS)
    + ". Each layer imports from those below it.",
    height=_TOPS[-1] + 6,
    panels=(Panel(_TOP - 28, _TOPS[-1] - _TOP + 30, "gegcore: the method", name="gegcore"),),
    boxes=(
        Box("bookkit", WIDTH / 2, 4, "bookkit\nmakes the book", "data", WIDTH - 8),
        Box("emoji_scenes", 136, 72, "emoji_scenes\nthe embedded world", "data", 264),
        *(box for texts, y in zip(_ROWS, _TOPS, strict=False) for box in _row(texts, y)),
    ),
    arrows=(
        Arrow("bookkit.bottom:0.375", "emoji_scenes.top:0.5"),
        Arrow("bookkit.bottom:0.88", "gegcore.top:0.88"),
        Arrow("emoji_scenes.bottom:0.5", "gegcore.top:0.375"),
    ),
    legend=False,
)

"""`python -m bookkit.diagrams`: draw all of them into `book/_static/`."""

from __future__ import annotations

from pathlib import Path

from bookkit.diagrams import recurrent, transformers
from bookkit.diagrams.card import card
from bookkit.diagrams.layout import LAYOUT
from bookkit.diagrams.svg import Diagram
from gegcore.storage import atomic_write

STATIC = Path(__file__).resolve().parents[2] / "book" / "_static"

DIAGRAMS: dict[str, Diagram] = {
    "models/lstm_a3": recurrent.LSTM_A3,
    "models/attention": recurrent.ATTENTION,
    "models/updown": recurrent.UP_DOWN,
    "models/gcn_lstm": recurrent.GCN_LSTM,
    "models/transformer": transformers.TRANSFORMER,
    "models/meshed_memory": transformers.MESHED_MEMORY,
    "models/xlan": transformers.XLAN,
    "models/x_linear": transformers.X_LINEAR,
    "layout": LAYOUT,
}
"""File below `book/_static/`, without its suffix -> drawing."""


def main() -> None:
    for name, diagram in DIAGRAMS.items():
        path = STATIC / f"{name}.svg"
        path.parent.mkdir(exist_ok=True)
        path.write_text(diagram.svg(), encoding="utf-8")
    with atomic_write(STATIC / "card.png", "wb") as stream:
        stream.write(card())


if __name__ == "__main__":
    main()

"""Drawings of the recurrent captioners: LSTM-A3, Attention, Up-Down, GCN-LSTM."""

from __future__ import annotations

from bookkit.diagrams.svg import Arrow, Box, Diagram, Panel, chain

ONCE, EACH = "once for each picture", "for each word"

LSTM_A3 = Diagram(
    "LSTM-A3. Once for each picture: attributes pass a linear layer into an LSTM, then the "
    "picture's feature does. For each word: the embedded previous word enters the same LSTM, whose "
    "state predicts the next word. The picture is not seen again.",
    height=408,
    panels=(Panel(4, 168, ONCE), Panel(184, 220, EACH)),
    boxes=(
        Box("attributes", 92, 36, "attributes $a$", "data", 124, new=True),
        Box("picture", 262, 36, "picture $g$", "data", 124),
        Box("project_a", 92, 80, "linear", width=90, new=True),
        Box("project_g", 262, 80, "linear", width=90),
        Box("first", 92, 130, "LSTM", "state", 90, new=True),
        Box("second", 262, 130, "LSTM", "state", 90),
        Box("word", 92, 210, "word $w_{t-1}$", "data"),
        Box("embedding", 92, 260, "embedding, ReLU"),
        Box("lstm", 262, 260, "the same LSTM", "state", 112),
        Box("output", 262, 310, "linear, softmax"),
        Box("next", 262, 360, "next word $w_t$", "data"),
    ),
    arrows=(
        *chain("attributes", "project_a", "first"),
        *chain("picture", "project_g", "second"),
        Arrow("first.right", "second.left", "$h, c$"),
        Arrow("second.bottom", "lstm.top", "$h_0, c_0$", shift=(0, 6)),
        Arrow("word.bottom", "embedding.top"),
        Arrow("embedding.right", "lstm.left", "$e_t$"),
        Arrow("lstm.right:0.75", "lstm.right:0.25", back=True, via=((334, 281), (334, 267))),
        Arrow("lstm.bottom", "output.top", "$h_t$"),
        Arrow("output.bottom", "next.top"),
    ),
)

ATTENTION = Diagram(
    "Attention. Once for each picture: regions pass a linear layer. For each word: additive "
    "attention with the previous LSTM state weighs the regions; the LSTM reads the embedded "
    "previous word and the attended region, and its state predicts the next word.",
    height=400,
    panels=(Panel(4, 116, ONCE), Panel(132, 264, EACH)),
    boxes=(
        Box("regions", 232, 24, "regions of the picture", "data", 160, new=True),
        Box("project", 232, 74, "linear, ReLU", width=110, new=True),
        Box("word", 82, 158, "word $w_{t-1}$", "data"),
        Box("embedding", 82, 208, "embedding, ReLU"),
        Box(
            "attend", 232, 190, "additive attention\nwhich region now?", "attention", 132, new=True
        ),
        Box("lstm", 157, 264, "LSTM", "state", 220),
        Box("output", 157, 312, "linear, softmax"),
        Box("next", 157, 360, "next word $w_t$", "data"),
    ),
    arrows=(
        Arrow("regions.bottom", "project.top"),
        Arrow("project.bottom", "attend.top", "$v_1 \u2026 v_N$"),
        Arrow("word.bottom", "embedding.top"),
        Arrow("embedding.bottom", "lstm.top:0.159", "$e_t$"),
        Arrow("attend.bottom", "lstm.top:0.841", "$z_t$"),
        Arrow("lstm.right", "attend.right", "$h_{t-1}$", ((318, 278), (318, 211.5)), back=True),
        Arrow("lstm.bottom", "output.top", "$h_t$"),
        Arrow("output.bottom", "next.top"),
    ),
)


def _two_lstms(y: float, new: bool) -> tuple[tuple[Box, ...], tuple[Arrow, ...]]:
    """The decoder of Up-Down from y on; regions come from a box "regions", g from "mean"."""
    boxes = (
        Box("word", 76, y, "word $w_{t-1}$", "data"),
        Box("embedding", 76, y + 48, "embedding, ReLU"),
        Box("lstm1", 121, y + 98, "LSTM 1", "state", 186, new=new),
        Box("attend", 266, y + 146, "additive attention", "attention", 132),
        Box("lstm2", 171, y + 198, "LSTM 2", "state", 286, new=new),
        Box("output", 171, y + 246, "linear, softmax"),
        Box("next", 171, y + 294, "next word $w_t$", "data"),
    )
    back = ((14, y + 212), (14, y + 112))
    arrows = (
        Arrow("word.bottom", "embedding.top"),
        Arrow("embedding.bottom", "lstm1.top:0.258", "$e_t$"),
        Arrow("mean.bottom", "lstm1.top:0.79", "$g$", shift=(0, 12)),
        Arrow("lstm1.right", "attend.top:0.2"),
        Arrow("lstm1.bottom", "lstm2.top:0.325", "$h^1_t$"),
        Arrow("attend.bottom", "lstm2.top:0.832", "$z_t$"),
        Arrow("lstm2.left", "lstm1.left", "$h^2_{t-1}$", back, back=True),
        Arrow("lstm2.bottom", "output.top", "$h^2_t$"),
        Arrow("output.bottom", "next.top"),
    )
    return boxes, arrows


_BOXES, _ARROWS = _two_lstms(190, new=True)
UP_DOWN = Diagram(
    "Up-Down. Once for each picture: regions pass a linear layer; their mean is the picture as a "
    "whole. For each word: LSTM 1 reads the embedded previous word, the mean and the previous "
    "state of LSTM 2; with its new state additive attention weighs the regions; LSTM 2 reads the "
    "attended region and LSTM 1's state, and its state predicts the next word.",
    height=520,
    panels=(Panel(4, 150, ONCE), Panel(166, 350, EACH)),
    boxes=(
        Box("input", 300, 24, "regions", "data", 90),
        Box("regions", 300, 72, "linear, ReLU", width=90),
        Box("mean", 175, 112, "mean", "operation", 70, new=True),
        *_BOXES,
    ),
    arrows=(
        Arrow("input.bottom", "regions.top"),
        Arrow("regions.left", "mean.top"),
        Arrow("regions.bottom", "attend.top:0.758", "$v_1 \u2026 v_N$", shift=(0, -40)),
        *_ARROWS,
    ),
)

_BOXES, _ARROWS = _two_lstms(320, new=False)
GCN_LSTM = Diagram(
    "GCN-LSTM. Once for each picture: every region adds up a gated map of itself, gated messages "
    "along the relations in which it is the subject, and gated messages along those in which it is "
    "the object; after a ReLU these are the regions, and their mean the picture. For each word: "
    "the two LSTMs of Up-Down.",
    height=650,
    panels=(
        Panel(4, 280, ONCE),
        Panel(76, 152, "", group=True, left=12, right=348, name="graph"),
        Panel(296, 350, EACH),
    ),
    boxes=(
        Box("input", 110, 28, "regions $x_1 \u2026 x_N$", "data", 132),
        Box("relations", 270, 28, "relations", "data", 100, new=True),
        Box("own", 70, 98, "itself\ngate \u00d7 linear", width=100, new=True),
        Box("subject", 180, 98, "as subject\ngate \u00d7 messages", width=104, new=True),
        Box("object", 290, 98, "as object\ngate \u00d7 messages", width=104, new=True),
        Box("regions", 266, 180, "$x_i$ + sum of all, ReLU", "operation", 150, new=True),
        Box("mean", 175, 240, "mean", "operation", 70),
        *_BOXES,
    ),
    arrows=(
        Arrow("input.bottom", "graph.top:0.292"),
        Arrow("relations.bottom", "graph.top:0.768"),
        Arrow("own.bottom", "regions.left:0.72", via=((70, 200.2),)),
        Arrow("subject.bottom", "regions.left:0.28", via=((180, 187.8),)),
        Arrow("object.bottom", "regions.top:0.66"),
        Arrow("regions.bottom:0.15", "mean.top"),
        Arrow("regions.bottom:0.727", "attend.top:0.758", "$v_1 \u2026 v_N$", shift=(0, -60)),
        *_ARROWS,
    ),
)

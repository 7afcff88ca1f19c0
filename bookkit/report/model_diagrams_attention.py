"""Drawings of the captioners built on attention: Transformer, Meshed-Memory, X-LAN."""

from __future__ import annotations

from bookkit.report.diagram import Arrow, Box, Diagram, Panel
from bookkit.report.model_diagrams_lstm import EACH, ONCE

TRANSFORMER = Diagram(
    "Transformer. Once for each picture: regions pass a linear layer, then six layers of "
    "self-attention among regions and a feed-forward network. For each word: the words so far, "
    "with their positions, pass six layers of self-attention among words, attention to the "
    "regions, and a feed-forward network; the last position predicts the next word.",
    height=676,
    panels=(
        Panel(4, 262, ONCE),
        Panel(124, 132, "\u00d7 6", group=True, left=112, right=348, name="encoder", new=True),
        Panel(278, 394, EACH),
        Panel(394, 180, "\u00d7 6", group=True, left=14, right=284, name="decoder", new=True),
    ),
    boxes=(
        Box("input", 206, 28, "regions", "data", 90),
        Box("embedding", 206, 76, "linear, ReLU, norm", width=138),
        Box("self", 206, 136, "self-attention\nadd, norm", "attention", 150),
        Box("ffn", 206, 200, "feed-forward\nadd, norm", width=150),
        Box("words", 120, 302, "words so far", "data", 110, new=True),
        Box("position", 120, 348, "embedding + position, norm", width=196, new=True),
        Box("recall", 120, 406, "self-attention to the past\nadd, norm", "attention", 184),
        Box("look", 120, 464, "attention to the regions\nadd, norm", "attention", 184),
        Box("think", 120, 522, "feed-forward\nadd, norm", width=184),
        Box("output", 120, 586, "linear, softmax"),
        Box("next", 120, 632, "next word $w_t$", "data"),
    ),
    arrows=(
        Arrow("input.bottom", "embedding.top"),
        Arrow("embedding.bottom", "self.top"),
        Arrow("self.bottom", "ffn.top"),
        Arrow("encoder.bottom:0.86", "look.right", "$v_1 \u2026 v_N$", shift=(-52, -40)),
        Arrow("words.bottom", "position.top"),
        Arrow("position.bottom", "recall.top"),
        Arrow("recall.bottom", "look.top"),
        Arrow("look.bottom", "think.top"),
        Arrow("think.bottom", "output.top"),
        Arrow("output.bottom", "next.top"),
    ),
)

MESHED_MEMORY = Diagram(
    "Meshed-Memory Transformer. Once for each picture: three layers of self-attention over regions "
    "and learned memory slots, each followed by a feed-forward network; the outputs of all three "
    "go to the decoder. For each word: three layers of self-attention among the words so far, "
    "attention to each of the three encoder levels, a gate for each level, the gated sum, and a "
    "feed-forward network; the last position predicts the next word.",
    height=844,
    panels=(
        Panel(4, 310, ONCE),
        Panel(326, 514, EACH),
        Panel(442, 294, "\u00d7 3", group=True, left=14, right=300, name="decoder"),
    ),
    boxes=(
        Box("input", 206, 28, "regions", "data", 90),
        Box("embedding", 206, 76, "linear, ReLU, norm", width=138),
        *(
            Box(
                f"layer{j}",
                206,
                66 + 64 * j,
                f"encoder layer {j}\nself-attention, feed-forward",
                "attention",
                158,
            )
            for j in (1, 2, 3)
        ),
        *(
            Box(f"memory{j}", 62, 73.5 + 64 * j, "memory slots", "layer", 98, new=True)
            for j in (1, 2, 3)
        ),
        Box("words", 130, 350, "words so far", "data", 110),
        Box("position", 130, 396, "embedding + position, norm", width=196),
        Box("recall", 130, 454, "self-attention to the past\nadd, norm", "attention", 184),
        Box("look", 130, 524, "attention to level $j$\nadd, norm", "attention", 172, copies=3),
        Box("gate", 130, 592, "gate of level $j$", width=150, new=True, copies=3),
        Box("mix", 130, 640, "sum of levels / \u221a3", "operation", 150, new=True),
        Box("think", 130, 684, "feed-forward\nadd, norm", width=184),
        Box("output", 130, 752, "linear, softmax"),
        Box("next", 130, 800, "next word $w_t$", "data"),
    ),
    arrows=(
        Arrow("input.bottom", "embedding.top"),
        Arrow("embedding.bottom", "layer1.top"),
        Arrow("layer1.bottom", "layer2.top"),
        Arrow("layer2.bottom", "layer3.top"),
        *(Arrow(f"memory{j}.right", f"layer{j}.left") for j in (1, 2, 3)),
        *(
            Arrow(f"layer{j}.right", "look.right:0.4", via=((326, 87.5 + 64 * j), (326, 541.2)))
            for j in (1, 2, 3)
        ),
        Arrow("words.bottom", "position.top"),
        Arrow("position.bottom", "recall.top"),
        Arrow("recall.bottom", "look.top"),
        Arrow("look.bottom", "gate.top"),
        Arrow("gate.bottom", "mix.top"),
        Arrow("mix.bottom", "think.top"),
        Arrow("think.bottom", "output.top"),
        Arrow("output.bottom", "next.top"),
    ),
)


XLAN = Diagram(
    "X-LAN. Once for each picture: four layers in which a global feature attends to the regions by "
    "X-linear attention, and what it found updates every region; the global features of all layers "
    "become one. For each word: an LSTM reads the embedded previous word and the sum of the global "
    "feature and the previous context; X-linear attention with its state looks at the regions; the "
    "result and the state, through a gated linear unit, are the new context, which predicts the "
    "next word.",
    height=774,
    panels=(
        Panel(4, 304, ONCE),
        Panel(116, 136, "\u00d7 4", group=True, left=14, right=344, name="encoder"),
        Panel(320, 450, EACH),
    ),
    boxes=(
        Box("input", 252, 24, "regions", "data", 90),
        Box("regions", 252, 72, "linear, ReLU", width=100),
        Box("mean", 100, 72, "mean", "operation", 70),
        Box(
            "attend", 100, 132, "X-linear attention\nof $g$ to regions", "attention", 146, new=True
        ),
        Box("update", 252, 196, "update regions\nlinear, ReLU, add, norm", width=152, new=True),
        Box("all", 100, 266, "linear of all $g$, norm", width=146, new=True),
        Box("word", 246, 352, "word $w_{t-1}$", "data", 104),
        Box("embedding", 246, 400, "embedding, ReLU", width=116),
        Box("add", 100, 400, "+", "operation", 34),
        Box("lstm", 180, 450, "LSTM", "state", 230),
        Box("look", 222, 508, "X-linear attention\nof $h$ to regions", "attention", 146, new=True),
        Box("merge", 206, 584, "linear, norm", width=178, new=True),
        Box("context", 160, 636, "linear, gated linear unit", width=200, new=True),
        Box("output", 160, 684, "linear, softmax"),
        Box("next", 160, 732, "next word $w_t$", "data"),
    ),
    arrows=(
        Arrow("input.bottom", "regions.top"),
        Arrow("regions.left", "mean.right"),
        Arrow("mean.bottom", "attend.top", "$g_0$", shift=(0, -7)),
        Arrow("regions.bottom", "update.top", "$v$", shift=(0, -28)),
        Arrow("regions.bottom", "attend.right"),
        Arrow("attend.bottom", "update.left"),
        Arrow("attend.bottom", "all.top", "$g_l$", shift=(0, 26)),
        Arrow("all.bottom", "add.top", "$g$", shift=(0, 26)),
        Arrow("word.bottom", "embedding.top"),
        Arrow("add.bottom", "lstm.top:0.152"),
        Arrow("embedding.bottom", "lstm.top:0.787", "$e_t$"),
        Arrow("lstm.bottom:0.683", "look.top"),
        Arrow("update.bottom:0.92", "look.right", "$v$", shift=(0, -116)),
        Arrow("look.bottom", "merge.top:0.59"),
        Arrow("lstm.bottom:0.117", "merge.left"),
        Arrow("lstm.bottom:0.117", "context.top:0.16", "$h_t$"),
        Arrow("merge.bottom", "context.top:0.73"),
        Arrow("context.left", "add.left", "$k_{t-1}$", ((26, 650), (26, 414)), back=True),
        Arrow("context.bottom", "output.top", "$k_t$"),
        Arrow("output.bottom", "next.top"),
    ),
)

X_LINEAR = Diagram(
    "X-linear attention. Query and regions are projected and multiplied element by element; a "
    "small layer of the products gives two weights: a softmax over regions, and a sigmoid of the "
    "mean over channels. Their product with the weighted regions and a second map of the query is "
    "the result.",
    height=420,
    panels=(Panel(4, 412, "one head of X-linear attention"),),
    boxes=(
        Box("query", 84, 30, "query $q$", "data", 90),
        Box("regions", 270, 30, "regions $v_i$", "data", 100),
        Box("q", 132, 84, "$P_q$", width=56),
        Box("v1", 52, 84, "$P_1$", width=56),
        Box("k", 228, 84, "$P_k$", width=56),
        Box("v2", 308, 84, "$P_2$", width=56),
        Box("product", 180, 144, "\u00d7", "operation", 34, new=True),
        Box("bilinear", 180, 192, "linear, ReLU: $B_i$", width=130, new=True),
        Box("channel", 116, 250, "channel weights\nmean, linear, sigmoid", width=122, new=True),
        Box("spatial", 242, 250, "region weights\nlinear, softmax", "attention", 104),
        Box("sum", 284, 318, "weighted sum", "operation", 112),
        Box("all", 160, 370, "\u00d7", "operation", 34),
    ),
    arrows=(
        Arrow("query.bottom", "q.top"),
        Arrow("query.bottom", "v1.top"),
        Arrow("regions.bottom", "k.top"),
        Arrow("regions.bottom", "v2.top"),
        Arrow("q.bottom", "product.left"),
        Arrow("k.bottom", "product.right"),
        Arrow("product.bottom", "bilinear.top"),
        Arrow("bilinear.bottom:0.3", "channel.top"),
        Arrow("bilinear.bottom:0.7", "spatial.top"),
        Arrow("spatial.bottom", "sum.top:0.125", "$\u03b1_i$"),
        Arrow("v2.bottom", "sum.top:0.714"),
        Arrow("channel.bottom", "all.top", "$\u03b2$"),
        Arrow("sum.bottom", "all.right"),
        Arrow("v1.bottom", "all.left"),
    ),
)

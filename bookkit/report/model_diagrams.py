"""The drawings of the seven captioners, by name."""

from __future__ import annotations

from bookkit.report.diagram import Diagram
from bookkit.report.model_diagrams_attention import MESHED_MEMORY, TRANSFORMER, X_LINEAR, XLAN
from bookkit.report.model_diagrams_lstm import ATTENTION, GCN_LSTM, LSTM_A3, UP_DOWN

DIAGRAMS: dict[str, Diagram] = {
    "lstm_a3": LSTM_A3,
    "attention": ATTENTION,
    "updown": UP_DOWN,
    "gcn_lstm": GCN_LSTM,
    "transformer": TRANSFORMER,
    "meshed_memory": MESHED_MEMORY,
    "xlan": XLAN,
    "x_linear": X_LINEAR,
}
"""Name of a model, or of a part of one that has a drawing of its own -> drawing."""

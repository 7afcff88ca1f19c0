"""The GCN-LSTM captioner: Up-Down over regions that first hear from their relations.

With ``on[i, j] = 1`` where regions i and j are related, sigma the logistic function:
``s_i = sigma(u_l . x_i + d_l) (W_l x_i + b_l)``,
``q_i = sum_j on[i, j] sigma(u_s . x_j + c_rel[i, j]) (W_s x_j + b_rel[i, j])``,
``o_j = sum_i on[i, j] sigma(u_o . x_i + c_rel[i, j]) (W_o x_i + b_rel[i, j])``,
``v_i = relu(x_i + s_i + q_i + o_i)``. Source: Yao et al. 2018 (Exploring Visual Relationship for
Image Captioning), as X-modaler builds it in ``gcn.yaml``: one graph, label biases shared by both
directions, sums not divided by the number of relations.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.linear import Linear
from gegcore.models.config import Dropout
from gegcore.models.inputs import require_sizes, required
from gegcore.models.up_down import UpDownDecoder, UpDownDecoderConfig, UpDownMemory


class GCNLSTMConfig(UpDownDecoderConfig):
    """Sizes and dropouts; the defaults are the published ones of X-modaler (paper size).

    The regions keep the width of the features. In X-modaler's SCST stage (``gcn_rl.yaml``)
    ``attention_dropout`` and ``lstm2_dropout`` are 0.
    """

    attention_dropout: Dropout = Field(0.5, description="on the tanh; X-modaler ATT_EMBED_DROPOUT")
    lstm2_dropout: Dropout = Field(0.5, description="on the input of LSTM2; X-modaler DROPOUT2")
    graph_dropout: Dropout = Field(0.5, description="on the encoded regions; X-modaler GCN.DROPOUT")


class RelationGraph(nn.Module):
    """One graph convolution with gated, directed edges of several labels, 0 (no edge) included."""

    def __init__(self, width: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.own = Linear(width, width)
        self.own_gate = Linear(width, 1)
        self.subject = Linear(width, width, bias=False)
        self.subject_gate = Linear(width, 1, bias=False)
        self.object = Linear(width, width, bias=False)
        self.object_gate = Linear(width, 1, bias=False)
        self.label_bias = nn.Parameter(torch.zeros(labels, width))
        self.label_gate = nn.Parameter(torch.zeros(labels, 1))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, relations: Tensor, mask: Tensor) -> Tensor:
        """Shapes: x (B, N, D), relations (B, N, N) long, mask (B, N) bool -> (B, N, D).

        Edges from and to padded regions do not count; padded regions come out as zero.
        """
        edges = relations.masked_fill(~(mask.unsqueeze(1) & mask.unsqueeze(2)), 0)
        own = self.own_gate(x).sigmoid() * self.own(x)
        q = self._gather(self.subject(x), self.subject_gate(x), edges)
        o = self._gather(self.object(x), self.object_gate(x), edges.transpose(1, 2))
        v = self.dropout((x + own + q + o).relu())
        return v.masked_fill(~mask.unsqueeze(-1), 0.0)

    def _gather(self, messages: Tensor, gates: Tensor, edges: Tensor) -> Tensor:
        """Region i sums the messages of all j with ``edges[i, j] > 0``.

        Shapes: messages (B, N, D), gates (B, N, 1), edges (B, N, N) long -> (B, N, D). The label
        biases are summed by label first, so that no tensor is (B, N, N, D).
        """
        opened = (gates.transpose(1, 2) + self.label_gate.squeeze(-1)[edges]).sigmoid()
        weights = opened * (edges > 0)
        labels = one_hot(edges, len(self.label_bias)).to(weights.dtype)
        by_label = (weights.unsqueeze(2) @ labels).squeeze(2)
        return weights @ messages + by_label @ self.label_bias


class GCNLSTM(UpDownDecoder):
    """A relation graph, then the decoder of Up-Down."""

    Config = GCNLSTMConfig

    def __init__(self, vocab_size: int, inputs: InputSizes, config: GCNLSTMConfig) -> None:
        require_sizes("gcn_lstm", inputs, "regions", "relations")
        super().__init__(vocab_size, inputs.regions, config)
        self.graph = RelationGraph(inputs.regions, inputs.relations, config.graph_dropout)

    def encode(self, features: FeatureBatch) -> UpDownMemory:
        relations = required(features.relations, "relations", "gcn_lstm")
        regions = self.graph(features.regions, relations, features.mask)
        return self.remember(regions, features.mask)

"""One SCST step in the way of X-modaler, on our captioner: what ``scst_step.py`` compares with.

Every image is repeated for its five samples before it is encoded, so the greedy caption of an image
is decoded five times. Decoding keeps the *input* of each layer and projects keys and values of all
words so far at every step. Captions are sampled with gradient: the graph of all steps is kept, and
the log-probabilities of the sampling are those of the loss. CIDEr-D is counted in dictionaries.

Source: X-modaler's Transformer, RLTrainer and CIDEr scorer (equations in Vaswani et al. 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.dictionary_cider import DictionaryCiderD
from benchmarks.paper_size import Phases
from gegcore.data.features import FeatureBatch
from gegcore.decoding import log_policy, said_mask
from gegcore.models.attention import SelfAttention
from gegcore.models.captioner import END, MAX_LENGTH
from gegcore.models.transformer import Transformer
from gegcore.models.transformer_decoder import DecoderLayer, KeyValueMemory
from gegcore.training.scst import self_critical_loss


class XmodalerStep:
    """The scheme, for images with these references.

    Args:
        references: word ids of the references of every image.
        samples: S, captions sampled per image.

    Attributes:
        alike: share of the words that the last step drew itself which are those it was given.
    """

    def __init__(self, references: list[list[list[int]]], samples: int) -> None:
        self.samples = samples
        self.scorer = DictionaryCiderD(references)
        self.alike = 1.0

    def step(
        self,
        model: Transformer,
        features: FeatureBatch,
        noise: Tensor,
        phase: Phases,
        said: Tensor | None = None,
    ) -> Tensor:
        """The loss; its gradient is in the model's parameters.

        Args:
            noise: (B, S, T).
            said: (B, 1 + S, T), the greedy caption and the samples that the loss is of, instead of
                those that are drawn: rounding may draw another word where two are nearly as likely.
        """
        images = len(features.regions)
        greedily = None if said is None else said[:, 0].repeat_interleave(self.samples, 0)
        samples = None if said is None else said[:, 1:].flatten(0, 1)
        repeated = features.select(torch.arange(images).repeat_interleave(self.samples).tolist())
        with phase("greedy"), torch.no_grad():
            greedy, _, alike = grow(model, repeated, None, greedily)
        with phase("sample"):
            sampled, log_probs, too = grow(model, repeated, noise.flatten(0, 1), samples)
        self.alike = (alike + too) / 2
        with phase("reward"):
            advantage = self._reward(sampled) - self._reward(greedy)
            loss = self_critical_loss(log_probs, advantage, said_mask(sampled))
        with phase("backward"):
            model.zero_grad()
            loss.backward()
        return loss.detach()

    def _reward(self, tokens: Tensor) -> Tensor:
        """CIDEr-D, (R,) for tokens (R, T) of S rows an image."""
        scores = []
        for row, caption in enumerate(tokens.tolist()):
            words = caption[: caption.index(END) + 1] if END in caption else caption
            scores.append(self.scorer(words, row // self.samples))
        return torch.tensor(scores)


def grow(
    model: Transformer, features: FeatureBatch, noise: Tensor | None, said: Tensor | None = None
) -> tuple[Tensor, Tensor, float]:
    """Captions word by word, greedy without noise; or those said, each word drawn for comparison.

    Shapes: noise, said (R, T) -> tokens and log-probabilities (R, T), share of words drawn as said.
    """
    memory = model.encode(features)
    rows = memory.batch_size
    word = torch.full((rows,), END)
    history: list[list[Tensor]] = [[] for _ in model.decoder]
    tokens, log_probs, alike = [], [], []
    for t in range(MAX_LENGTH):
        log_p = log_policy(advance(model, memory, word, history))
        if noise is None:
            word = log_p.argmax(-1)
        else:
            total = log_p.detach().exp().cumsum(-1, dtype=torch.float64)
            word = torch.searchsorted(total, noise[:, t, None] * total[:, -1:], right=True)[:, 0]
        if said is not None:
            alike.append(word == said[:, t])
            word = said[:, t]
        tokens.append(word)
        log_probs.append(log_p.gather(-1, word[:, None])[:, 0])
    share = torch.stack(alike).float().mean().item() if alike else 1.0
    return torch.stack(tokens, -1), torch.stack(log_probs, -1), share


def advance(
    model: Transformer, memory: KeyValueMemory, word: Tensor, history: list[list[Tensor]]
) -> Tensor:
    """One step of every row: logits (R, V) after ``word`` (R,); appends to each layer's inputs."""
    x = model.words(word[:, None, None], len(history[0])).squeeze(1)
    for layer, key_value, said in zip(model.decoder, memory.keys_values, history, strict=True):
        assert isinstance(layer, DecoderLayer)
        said.append(x)
        recalled = recall(layer.self_attention, x, torch.cat(said, 1))
        x = layer.self_attention_norm(x + recalled)
        x = layer.cross_attention_norm(x + layer.cross_attention(x, key_value, memory.bias))
        x = layer.ffn_norm(x + layer.ffn(x))
    return model.output(x)[:, 0]


def recall(attention: SelfAttention, x: Tensor, said: Tensor) -> Tensor:
    """Attention of the newest word to all so far, whose keys and values are projected anew.

    Shapes: x (R, 1, d), said (R, t, d) -> (R, 1, d).
    """
    width = x.shape[-1]
    weight, bias = attention.qkv.weight, attention.qkv.bias
    query = torch.nn.functional.linear(x, weight[:width], bias[:width])
    key_value = torch.nn.functional.linear(said, weight[width:], bias[width:])
    heads = (attention.heads, -1)
    q, k, v = (y.unflatten(-1, heads).transpose(1, 2) for y in (query, *key_value.chunk(2, -1)))
    return attention.out(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

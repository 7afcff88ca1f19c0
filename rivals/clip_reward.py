"""CLIP-reward captioning: SCST rewarded by CLIP-S, and by a head that knows grammar from garble.

r(I, c) = CLIP-S(I, c) + lambda g(c), lambda = 2 (the code that the authors published weighted the
other term). No reference caption is looked at. In a profile:

    rewards: {"rivals.clip_reward:ClipS": 1, "rivals.clip_reward:Grammar": 2}

Simplified: the grammar head has a copy of the text tower of its own. In the paper one fine-tuned
tower serves both terms, which would make CLIP-S another instrument than that of the other rewards.

Source: cho2022clipreward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from gegcore.clip import encode_cropped
from gegcore.progress import track
from gegcore.rewards import RewardInputs, SimilarityReward

SCALE = 2.5  # of CLIP-S: hessel2021clipscore, Sec. 3
STEPS, CAPTIONS, RATE = 400, 64, 2e-4

Edit = Callable[[list[int], int, np.random.Generator], list[int]]


class ClipS(SimilarityReward):
    """CLIP-S: 2.5 max(cos, 0)."""

    def __init__(self, given: RewardInputs) -> None:
        super().__init__(given.encoder, given.images)

    def score(self, text_emb: Tensor, image_index: Tensor) -> Tensor:
        return SCALE * super().score(text_emb, image_index).clamp(min=0)


class Grammar(nn.Module):
    """g(c): the probability that a caption is grammatical.

    A copy of CLIP's text tower and two layers learn to tell training captions from spoilt ones:
    words repeated, removed, inserted, swapped or shuffled. Seeded: every run has the same.
    """

    def __init__(self, given: RewardInputs) -> None:
        super().__init__()
        self.word_to_bpe = given.encoder.word_to_bpe
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.tower: Any = deepcopy(given.clip.model)
            width = given.images.shape[1]
            self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
            self.to(given.clip.device)
            captions = [words for image in given.references for words in image]
            fit(self, captions, len(given.vocabulary), STEPS)

    def logits(self, tokens: Tensor) -> Tensor:
        """Of being grammatical. Shapes: word ids (M, T) -> (M,)."""
        # A constant length where the host would have to wait for the longest caption.
        length = None if tokens.device.type == "cpu" else self.word_to_bpe.longest(tokens.shape[1])
        bpe = self.word_to_bpe(tokens, length)
        features = encode_cropped(self.tower, bpe)
        return self.head(features / features.norm(dim=-1, keepdim=True)).squeeze(-1)

    @torch.no_grad()
    def forward(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        """Shapes: word ids (B, S, T), image_index (B,) -> (B, S) in [0, 1]."""
        return self.logits(tokens.flatten(0, 1)).sigmoid().view(tokens.shape[:2])


def fit(grammar: Grammar, captions: Sequence[Sequence[int]], vocab_size: int, steps: int) -> None:
    """Binary cross-entropy on captions (lists of word ids) and one spoilt copy of each."""
    draw = np.random.default_rng(0)
    grammar.requires_grad_(True).train()
    used = [*grammar.head.parameters(), *grammar.tower.parameters()]
    optimiser = torch.optim.Adam(used, lr=RATE)
    for _ in track(range(steps), "grammar head", delay=2):
        right = [list(captions[i]) for i in draw.integers(len(captions), size=CAPTIONS)]
        tokens = as_tensor(right + [spoil(words, vocab_size, draw) for words in right])
        logits = grammar.logits(tokens.to(next(grammar.head.parameters()).device))
        target = torch.zeros_like(logits)
        target[:CAPTIONS] = 1
        loss = nn.functional.binary_cross_entropy_with_logits(logits, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    grammar.requires_grad_(False).eval()


def as_tensor(captions: list[list[int]]) -> Tensor:
    """Word ids `(M, T)`, 0-padded, at least one 0 behind each."""
    return pad_sequence([torch.tensor([*words, 0]) for words in captions], batch_first=True)


def spoil(words: list[int], vocab_size: int, draw: np.random.Generator) -> list[int]:
    """A negative example: one of five edits, of a third of the words but at least one."""
    edit = EDITS[draw.integers(len(EDITS))]
    spoilt = edit(words, max(1, len(words) // 3), draw, vocab_size)
    return spoilt if spoilt != words and spoilt else [*words, words[-1]]


def _repeat(words: list[int], count: int, draw: np.random.Generator, _: int) -> list[int]:
    chosen = set(draw.choice(len(words), size=min(count, len(words)), replace=False).tolist())
    return [word for i, word in enumerate(words) for word in [word] * (2 if i in chosen else 1)]


def _remove(words: list[int], count: int, draw: np.random.Generator, _: int) -> list[int]:
    chosen = set(draw.choice(len(words), size=min(count, len(words)), replace=False).tolist())
    return [word for i, word in enumerate(words) if i not in chosen]


def _insert(words: list[int], count: int, draw: np.random.Generator, vocab_size: int) -> list[int]:
    spoilt = list(words)
    for _ in range(count):
        spoilt.insert(int(draw.integers(len(spoilt) + 1)), int(draw.integers(1, vocab_size)))
    return spoilt


def _swap(words: list[int], count: int, draw: np.random.Generator, _: int) -> list[int]:
    spoilt = list(words)
    for _ in range(count):
        i, j = draw.integers(len(spoilt), size=2)
        spoilt[i], spoilt[j] = spoilt[j], spoilt[i]
    return spoilt


def _shuffle(words: list[int], count: int, draw: np.random.Generator, _: int) -> list[int]:
    return [words[i] for i in draw.permutation(len(words))]


EDITS = (_repeat, _remove, _insert, _swap, _shuffle)

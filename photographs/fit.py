"""Training of retrieval models on the captions of photographs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gegcore.metrics.retrieval import retrieval_ranks
from gegcore.progress import track
from photographs.encoders import EncoderSettings, PhotoEncoder, WordTokenizer
from photographs.grids import GridView


def fit(
    model: PhotoEncoder,
    tokenizer: WordTokenizer,
    grids: GridView,
    captions: Sequence[Sequence[str]],
    seed: int,
    label: str,
) -> None:
    """Train a model on pictures and the captions of each, on the device that it is on.

    Dropout draws from torch's generator, the order of captions from `seed`.

    An epoch passes over every caption once; no batch has two captions of one picture, so that its
    other pairs are wrong ones.
    """
    ids = [tokenizer(texts) for texts in captions]
    set_statistics(model, grids)
    _train(model.train(), grids, ids, np.random.default_rng(seed), label)


def _train(
    model: PhotoEncoder,
    grids: GridView,
    ids: Sequence[Tensor],
    rng: np.random.Generator,
    label: str,
) -> None:
    settings, device = model.settings, model.mean.device
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    batches = list(_batches([len(texts) for texts in ids], settings, rng))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=len(batches) + 1, pct_start=0.1
    )
    for step, (pictures, captions) in enumerate(track(batches, label)):
        said = [ids[i][k] for i, k in zip(pictures, captions, strict=True)]
        tokens = nn.utils.rnn.pad_sequence(said, batch_first=True)
        warm = step * settings.epochs < len(batches)  # the first epoch
        loss = model.loss(grids[pictures].to(device), tokens.to(device), warm)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        schedule.step()


def _batches(
    counts: Sequence[int], settings: EncoderSettings, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pictures, and which caption of each: every caption once an epoch, a picture once a batch."""
    of = np.array(counts)
    for _ in range(settings.epochs):
        first = rng.integers(0, of)
        for turn in range(of.max()):
            order = rng.permutation(np.flatnonzero(of > turn))
            for batch in np.array_split(order, max(1, len(order) // settings.batch)):
                yield batch, (first[batch] + turn) % of[batch]


def set_statistics(model: PhotoEncoder, grids: GridView) -> None:
    """Mean and deviation of every channel, over all cells of all pictures."""
    sums, cells = torch.zeros(2, len(model.mean), dtype=torch.double), 0
    for part in grids.parts():
        x = part.double().flatten(2)
        sums += torch.stack([x.sum((0, 2)), x.square().sum((0, 2))])
        cells += x.shape[0] * x.shape[2]
    mean, square = sums / cells
    model.mean.copy_(mean)
    model.std.copy_((square - mean.square()).clamp_min(1e-4).sqrt())


def recalls(text_emb: Tensor, image_emb: Tensor, owner: Tensor) -> dict[str, float]:
    """R@1/5/10 in per cent of captions that retrieve their own picture among all."""
    ranks = retrieval_ranks(text_emb, image_emb, owner)
    return {f"R@{k}": 100 * float((ranks < k).double().mean()) for k in (1, 5, 10)}

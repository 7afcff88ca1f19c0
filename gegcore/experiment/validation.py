"""Validation during training: greedy captions of the validation split, scored without Java."""

from __future__ import annotations

import torch
from torch import Tensor

from gegcore.clip import WordToBpe
from gegcore.decoding import decode
from gegcore.materials import Materials
from gegcore.metrics.gaps import caption_gaps
from gegcore.metrics.retrieval import retrieval_ranks
from gegcore.models.captioner import Captioner
from gegcore.rewards.cider import CiderD, document_frequency
from gegcore.rewards.encoder import CaptionEncoder

_IMAGES_PER_BATCH = 128
_SHOWN_IMAGES = 8


def greedy_captions(materials: Materials, model: Captioner, split: str) -> Tensor:
    """Greedy captions of a split as word ids `(N, T)`, 0-padded; UNK is never said."""
    store, profile = materials.features[split], materials.profile
    training = model.training
    model.eval()
    tokens = torch.zeros(len(materials.data[split].records), profile.max_len, dtype=torch.long)
    for rows in torch.arange(len(tokens)).split(_IMAGES_PER_BATCH):
        batch = store.batch(rows.tolist()).to(materials.device)
        unknown = materials.vocabulary.forbidden
        said = decode(model, batch, max_len=profile.max_len, forbid=unknown).tokens[:, 0].cpu()
        tokens[rows, : said.shape[1]] = said
    model.train(training)
    return tokens


class Validator:
    """Scores a model on the validation split: CIDEr-D, R@1, R@5, GEG-Avg, GEG-Min, length.

    CIDEr-D is that of the reward (document frequencies of the training split, the end token
    counts) times 100. Signs of collapse are `opening`, the share of captions that begin with their
    commonest first two words, and `different`, the number of different captions over that of all.
    No test image is ever read here.

    Attributes:
        captions: image id -> caption of the last call, for a few images, always the same.
    """

    def __init__(self, materials: Materials) -> None:
        self.materials = materials
        self.captions: dict[str, str] = {}
        count, generator = len(materials.data["val"].records), torch.Generator().manual_seed(0)
        self.shown = torch.randperm(count, generator=generator)[:_SHOWN_IMAGES].tolist()
        size = len(materials.vocabulary)
        frequency = document_frequency(materials.references("train"), size)
        self.cider = CiderD(materials.references("val"), size, frequency)
        lookup = WordToBpe(materials.vocabulary.words, materials.clip.tokenizer)
        # As the metrics have it: nothing is gained here by half precision or by not waiting.
        self.encoder = CaptionEncoder(materials.clip, lookup, True, torch.float32)
        self.encoder.to(materials.device)

    @torch.no_grad()
    def __call__(self, model: Captioner) -> dict[str, float]:
        tokens = greedy_captions(self.materials, model, "val")
        records, words = self.materials.data["val"].records, self.materials.vocabulary
        self.captions = {
            str(records[i].image_id): words.decode(tokens[i].tolist()) for i in self.shown
        }
        index = torch.arange(len(tokens))
        text = self.encoder(tokens[:, None].to(self.materials.device))[:, 0].cpu()
        images, groups = self.materials.tables["val"].images, self.materials.groups["val"]
        ranks, gap = retrieval_ranks(text, images, index), caption_gaps(text, images, index, groups)
        begun = tokens[:, :2].unique(dim=0, return_counts=True)[1]
        return {
            "CIDEr-D": 100 * self.cider(tokens[:, None], index).mean().item(),
            "R@1": 100 * (ranks < 1).float().mean().item(),
            "R@5": 100 * (ranks < 5).float().mean().item(),
            "GEG-Avg": gap.average.mean().item(),
            "GEG-Min": gap.minimum.mean().item(),
            "length": (tokens > 0).sum(-1).float().mean().item(),
            "opening": int(begun.max()) / len(tokens),
            "different": len(tokens.unique(dim=0)) / len(tokens),
        }

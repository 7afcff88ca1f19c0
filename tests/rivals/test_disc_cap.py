"""The contrastive loss of Disc-Cap by hand, and its retrieval model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gegcore.materials import Materials
from gegcore.metrics.retrieval import retrieval_ranks
from gegcore.profiles import Profile
from photographs.hinge_loss import hinge_loss
from rivals import disc_cap
from rivals.disc_cap import Discriminability, contrastive


def test_it_is_the_hardest_image_and_the_hardest_caption() -> None:
    scores = torch.tensor([[0.9, 0.3, 0.8], [0.1, 0.5, 0.45], [0.95, 0.2, 0.6]])
    found = contrastive(scores[None], 0.2)[0].tolist()
    by_hand = [
        (0.2 + 0.8 - 0.9) + (0.2 + 0.95 - 0.9),
        (0.2 + 0.45 - 0.5) + 0.0,  # no other image comes near caption 1
        (0.2 + 0.95 - 0.6) + (0.2 + 0.8 - 0.6),
    ]
    assert found == pytest.approx(by_hand)


def test_its_mean_is_the_loss_that_the_retrieval_model_learns_by() -> None:
    scores = torch.randn(4, 6, 6, generator=torch.Generator().manual_seed(0))
    for one in scores:
        assert contrastive(one[None], 0.2).mean().item() == pytest.approx(hinge_loss(one).item())


def test_the_model_is_trained_once_and_tells_captions_apart(
    profile_of: Callable[[str], Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    materials = Materials.of(profile_of(""))
    settings = disc_cap.VSE.model_copy(update={"epochs": 6, "batch": 16})
    monkeypatch.setattr(disc_cap, "VSE", settings)
    term = Discriminability(materials, 0.2)
    again = Discriminability(materials, 0.2)
    assert torch.equal(term.images, again.images)
    monkeypatch.setattr(disc_cap, "fit", None)  # it would have to be called
    assert torch.equal(Discriminability(materials, 0.2).images, term.images)

    references = materials.references("train")
    tokens = torch.zeros(len(references), 1, 24, dtype=torch.long)
    for row, captions in enumerate(references):
        tokens[row, 0, : len(captions[0])] = torch.tensor(captions[0][:23])
    index = torch.arange(len(references))
    own, wrong = term(tokens, index), term(tokens.roll(1, 0), index)
    assert own.shape == (len(references), 1) and own.mean() < wrong.mean() - 0.1
    texts = term.model.encode_text(term.word_to_bpe(tokens[:, 0]))
    ranks = retrieval_ranks(torch.nn.functional.normalize(texts, dim=-1), term.images, index)
    assert (ranks < 1).double().mean() > 3 / len(references)

"""The reward of our own: both terms by hand, the two limits, and the anchor."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from rivals_world import GIVEN
from six_scenes import CLIP, INDEX, MEMBERS, TABLE, WORDS, WORLD, tokens
from torch.nn.functional import normalize

from gegcore.errors import ConfigError
from gegcore.gap import group_embedding_gap
from rivals import identification
from rivals.identification import (
    Anchored,
    ImageTerm,
    TextTerm,
    image_term,
    logit_scale,
    mean_of_others,
)


def test_both_terms_are_the_softmax_over_pictures_and_over_captions() -> None:
    tau = logit_scale(GIVEN)
    assert tau == pytest.approx(CLIP.model.logit_scale.exp().item())
    images, texts = ImageTerm(GIVEN)(tokens(), INDEX), TextTerm(GIVEN)(tokens(), INDEX)
    for row, image in enumerate(INDEX.tolist()):
        others = [c for member in MEMBERS[image] for c in WORLD.records[member].captions]
        negatives = (tau * CLIP.encode_texts(others) @ TABLE.images[image]).exp().sum()
        for column, ids in enumerate(tokens()[row].tolist()):
            (said,) = CLIP.encode_texts([WORDS.decode(ids)])
            pictures = (tau * TABLE.images[[image, *MEMBERS[image]]] @ said).exp()
            expected = (pictures[0] / pictures.sum()).log()
            torch.testing.assert_close(images[row, column], expected, atol=1e-3, rtol=1e-3)
            own = (tau * TABLE.images[image] @ said).exp()
            expected = (own / (own + negatives)).log()
            torch.testing.assert_close(texts[row, column], expected, atol=1e-3, rtol=1e-3)


@given(seed=st.integers(0, 10_000), k=st.integers(1, 7))
def test_the_image_term_runs_from_the_average_to_the_minimal_gap(seed: int, k: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    make = lambda *shape: normalize(torch.randn(*shape, generator=draw).double(), dim=-1)  # noqa: E731
    text, target, group = make(2, 3, 8), make(2, 8), make(2, k, 8)
    gap = group_embedding_gap(text, target[:, None], group[:, None])
    tau = 1e-4
    scaled = (image_term(text, target, group, tau) + math.log(k + 1)) * (k + 1) / (k * tau)
    torch.testing.assert_close(scaled, gap.average.double(), atol=1e-3, rtol=1e-3)
    tau = 1e5
    steep = image_term(text, target, group, tau) / tau
    torch.testing.assert_close(steep, gap.minimum.double().clamp(max=0), atol=1e-4, rtol=1e-4)


def test_a_picture_that_is_told_apart_pays_no_more() -> None:
    target, other = torch.eye(2)
    near = normalize(torch.tensor([1.0, 0.1]), dim=0)
    text = torch.stack([near, target])[None]
    values = image_term(text, target[None], other[None, None], 50.0)[0]
    assert values.max() <= 0 and (values[1] - values[0]).abs() < 1e-6


def test_a_false_caption_loses_in_the_text_term() -> None:
    """Captions of images of the group, said of this one, on average over all images."""
    term, captions = TextTerm(GIVEN), [TABLE.captions[TABLE.caption_image == i] for i in range(6)]
    own = [term.score(captions[i][None], torch.tensor([i])) for i in range(6)]
    theirs = [term.score(captions[MEMBERS[i][0]][None], torch.tensor([i])) for i in range(6)]
    assert torch.cat(own).mean() > torch.cat(theirs).mean() + 1


def test_images_may_have_different_numbers_of_references() -> None:
    few = [captions[: 1 + i % 3] for i, captions in enumerate(GIVEN.references)]
    rows = [
        row
        for i in range(len(few))
        for row in (TABLE.caption_image == i).nonzero().flatten()[: len(few[i])].tolist()
    ]
    changed = SimpleNamespace(
        references=few, captions=TABLE.captions[rows], images=TABLE.images, groups=GIVEN.groups
    )
    found = identification.weight_of_others(changed, 10.0)  # type: ignore[arg-type]
    kept = TABLE.caption_image[rows]
    for image, members in enumerate(MEMBERS):
        theirs = TABLE.captions[rows][torch.isin(kept, torch.tensor(members))]
        expected = (10 * theirs @ TABLE.images[image]).logsumexp(0)
        torch.testing.assert_close(found[image], expected)


def test_a_clip_without_a_logit_scale_is_named() -> None:
    bare: Any = SimpleNamespace(clip=SimpleNamespace(model=object(), name="mine"))
    with pytest.raises(ConfigError, match="'mine' has no logit scale"):
        logit_scale(bare)


def test_the_anchor_pays_the_gradient_of_the_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all captions, each as often as it is drawn: the gradient of KL(pi || pi_ref)."""
    from gegcore.training.objectives import Sampled

    logits = torch.tensor([1.0, -0.5, 0.2], dtype=torch.double, requires_grad=True)
    reference = torch.tensor([0.1, 0.4, -1.0], dtype=torch.double).log_softmax(0)
    anchored = object.__new__(Anchored)
    anchored.kl, anchored.reference = 0.7, None  # type: ignore[assignment]
    log_p, total = logits.log_softmax(0), torch.zeros((), dtype=torch.double)
    for first in range(3):
        for second in range(3):
            drawn = torch.tensor([first, second])
            ratio = (log_p.detach() - reference)[drawn][None]
            monkeypatch.setattr(identification, "log_ratio", lambda *_, r=ratio: r)
            words = torch.tensor([[[0], [first + 1], [second + 1]]])
            said = log_p[drawn].view(1, 2, 1)
            step = Sampled(None, None, None, None, words, None, torch.zeros(1, 2), said)  # type: ignore[arg-type]
            odds = log_p.detach()[drawn].sum().exp()
            total = total + odds * anchored.loss(step) / 2  # per sample
    (found,) = torch.autograd.grad(total, logits)
    again = logits.detach().requires_grad_()
    divergence = (again.softmax(0) * (again.log_softmax(0) - reference)).sum()
    (expected,) = torch.autograd.grad(0.7 * divergence, again)
    torch.testing.assert_close(found, expected)


def test_the_mean_of_others() -> None:
    assert mean_of_others(torch.tensor([[1.0, 2.0, 6.0]])).tolist() == [[4, 3.5, 1.5]]
    assert mean_of_others(torch.tensor([[5.0]])).tolist() == [[0]]

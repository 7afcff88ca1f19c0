"""Parts of the world's CLIPs that need no weights: BPE, gamed texts, losses, batches."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.loss import SigLipLoss
from torch.nn import functional as F

from emoji_scenes.clip.bpe import count_pieces, learn_merges, load_tokenizer, save_merges
from emoji_scenes.training_scripts.clip_corpus import epoch_batches
from emoji_scenes.training_scripts.clip_degenerate import KINDS, degenerate
from emoji_scenes.training_scripts.clip_loss import contrastive_loss, sigmoid_loss
from gegcore.errors import DataError

TEXTS = ["a red dog on the beach", "the dogs, at 7 o'clock: a red-hot beach!"]


def test_merges_make_every_word_one_token(tmp_path: Path) -> None:
    path = tmp_path / "bpe.txt.gz"
    save_merges(path, learn_merges(count_pieces(TEXTS), 500))
    tokenizer = load_tokenizer(path, context_length=20)
    ids = tokenizer.encode("a red dog on the beach")
    assert len(ids) == 6
    assert tokenizer.decode(ids).strip() == "a red dog on the beach"
    assert max(tokenizer.encoder.values()) == tokenizer.eot_token_id
    assert len(tokenizer.encoder) == tokenizer.vocab_size, "no symbol is listed twice"
    assert tokenizer.decode(tokenizer.encode("zebra")).strip() == "zebra", "unseen words are spelt"


def test_merges_do_not_depend_on_the_order_of_texts() -> None:
    forward = learn_merges(count_pieces(TEXTS), 20)
    assert learn_merges(count_pieces(TEXTS[::-1]), 20) == forward
    assert len(forward) == 20
    assert learn_merges(count_pieces(TEXTS), 10) == forward[:10]


def test_a_damaged_bpe_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bpe.txt.gz").write_bytes(b"plain")
    for name in ("bpe.txt.gz", "absent.txt.gz"):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            load_tokenizer(tmp_path / name, 20)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.sampled_from(("a", "red", "dog", "is", "on", "the", "beach")), min_size=2, max_size=20
    ),
    st.integers(0, 1000),
)
def test_gamed_texts_are_not_the_text_and_have_its_words(words: list[str], seed: int) -> None:
    text = " ".join(words)
    for kind, spoil in KINDS.items():
        gamed = spoil(text, random.Random(seed)).split()
        assert gamed, kind
        if kind == "shuffled":
            assert sorted(gamed) == sorted(words)
        elif kind == "dangling":
            assert gamed[-1] in ("a", "the")
        else:
            assert set(gamed) <= set(words)
        if kind in ("repeated", "stuttered"):
            assert len(gamed) > len(words)
    assert degenerate(text, random.Random(seed)) == degenerate(text, random.Random(seed))


def embeddings(rows: int, seed: int) -> torch.Tensor:
    values = torch.randn(rows, 6, generator=torch.Generator().manual_seed(seed))
    return F.normalize(values, dim=-1)


def test_loss_without_extra_texts_is_clips() -> None:
    image, text = embeddings(5, 1), embeddings(5, 2)
    none, clean = torch.zeros(0, 6), torch.ones(5, dtype=torch.bool)
    logits = 7 * image @ text.T
    rows = -logits.log_softmax(dim=1).diagonal().mean()
    columns = -logits.log_softmax(dim=0).diagonal().mean()
    found = contrastive_loss(image, text, none, clean, torch.tensor(7.0))
    torch.testing.assert_close(found, (rows + columns) / 2)


def test_extra_texts_push_only_images_with_a_clean_text() -> None:
    image, text, extra = embeddings(4, 1), embeddings(4, 2), embeddings(3, 3)
    scale = torch.tensor(5.0)
    none = contrastive_loss(image, text, extra, torch.zeros(4, dtype=torch.bool), scale)
    without = contrastive_loss(image, text, extra[:0], torch.ones(4, dtype=torch.bool), scale)
    everywhere = contrastive_loss(image, text, extra, torch.ones(4, dtype=torch.bool), scale)
    torch.testing.assert_close(none, without)
    assert everywhere > without


def test_sigmoid_loss_of_one_text_a_picture_is_open_clips() -> None:
    image, text = embeddings(5, 1), embeddings(5, 2)
    scale, bias = torch.tensor(7.0), torch.tensor(-3.0)
    expected = SigLipLoss()(image, text, scale, bias)
    torch.testing.assert_close(sigmoid_loss(image, text, text[:0], scale, bias), expected)


def test_sigmoid_loss_like_loops() -> None:
    image, text, extra = embeddings(4, 1), embeddings(8, 2), embeddings(3, 3)
    total = 0.0
    for i, picture in enumerate(image):
        for j, said in enumerate([*text, *extra]):
            logit = 5 * float(picture @ said) - 2
            total += float(np.log1p(np.exp(-logit if j < 8 and j % 4 == i else logit)))
    found = sigmoid_loss(image, text, extra, torch.tensor(5.0), torch.tensor(-2.0))
    assert float(found) == pytest.approx(total / 8, rel=1e-5)


def test_batches_hold_whole_families_and_no_scene_twice() -> None:
    family = np.repeat(np.arange(40) + 1000, 5)
    batches = epoch_batches(family, 20, np.random.default_rng(0))
    assert [len(batch) for batch in batches] == [20] * 10
    assert sorted(np.concatenate(batches)) == list(range(200))
    assert all(len(set(family[batch])) == 4 for batch in batches)
    other = epoch_batches(family, 20, np.random.default_rng(1))
    assert any((a != b).any() for a, b in zip(batches, other, strict=True))

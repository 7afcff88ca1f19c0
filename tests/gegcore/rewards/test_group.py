"""Rewards in CLIP's space: against the metrics, both ways of encoding, precision, weighted sums."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

import gegcore.clip
from emoji_scenes.dataset import ScenesDataset
from gegcore.clip import WordToBpe, embed_dataset, load_clip, similarity
from gegcore.data.vocabulary import Vocabulary
from gegcore.errors import ConfigError, DataError
from gegcore.groups import similar_groups
from gegcore.metrics.distinctiveness import caption_gaps
from gegcore.rewards import (
    CaptionEncoder,
    CiderD,
    GroupEmbeddingGapReward,
    SimilarityReward,
    WeightedReward,
    build_rewards,
)

IMAGES, K = 24, 4
WORLD = ScenesDataset("val", IMAGES)
CLIP = load_clip("scenes-clip")
TABLE = embed_dataset(CLIP, WORLD)
GROUPS = similar_groups(TABLE.images, TABLE.captions, TABLE.caption_image, K)
WORDS = Vocabulary.build((c for r in WORLD.records for c in r.captions), min_count=1)
LOOKUP = WordToBpe(WORDS.words, CLIP.tokenizer)


def encoder(**options: Any) -> CaptionEncoder:
    return CaptionEncoder(CLIP, LOOKUP, **options)


def gap_reward(gap: Any = "avg", **options: Any) -> GroupEmbeddingGapReward:
    return GroupEmbeddingGapReward(encoder(**options), TABLE.images, GROUPS.index, gap)


def captions(width: int = 20) -> torch.Tensor:
    """Everybody's captions of every image, `(IMAGES, 5, width)`."""
    tokens = torch.zeros(IMAGES, 5, width, dtype=torch.long)
    for i, record in enumerate(WORLD.records):
        for j, caption in enumerate(record.captions):
            ids = WORDS.encode(caption)[:width]
            tokens[i, j, : len(ids)] = torch.tensor(ids)
    return tokens


def texts(tokens: torch.Tensor) -> list[str]:
    return [WORDS.decode(row) for row in tokens.flatten(0, 1).tolist()]


def test_reward_and_metric_agree() -> None:
    tokens, index = captions(), torch.arange(IMAGES)
    strings, owners = texts(tokens), index.repeat_interleave(5)
    embedded = CLIP.encode_texts(strings)
    gaps = caption_gaps(embedded, TABLE.images, owners, GROUPS)
    for dynamic in (True, False):
        for gap, expected in (("avg", gaps.average), ("min", gaps.minimum)):
            found = gap_reward(gap, dynamic_shapes=dynamic)(tokens, index)
            assert found.shape == (IMAGES, 5) and found.dtype == torch.float32
            torch.testing.assert_close(found.flatten(), expected, atol=1e-5, rtol=0)
        plain = SimilarityReward(encoder(dynamic_shapes=dynamic), TABLE.images)(tokens, index)
        expected = similarity(TABLE.images[owners], embedded)
        torch.testing.assert_close(plain.flatten(), expected, atol=1e-5, rtol=0)
    assert float(gaps.average.mean()) > 0.05  # the captions do describe these images


def test_cropped_captions_have_the_embedding_of_padded_ones() -> None:
    tokens = captions()
    bpe = CLIP.tokenizer(texts(tokens))
    with torch.no_grad():
        padded = torch.nn.functional.normalize(CLIP.model.encode_text(bpe), dim=-1)
    assert LOOKUP(tokens.flatten(0, 1)).shape[1] < LOOKUP.longest(20) < bpe.shape[1]
    for dynamic in (True, False):
        found = encoder(dynamic_shapes=dynamic)(tokens).flatten(0, 1)
        torch.testing.assert_close(found, padded, atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 60), st.integers(0, 99))
def test_both_ways_of_encoding_agree(images: int, samples: int, width: int, seed: int) -> None:
    """For any captions: empty ones, repeated ones, ones longer than CLIP reads."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, len(WORDS), (images, samples, width), generator=generator)
    tokens[0, 0] = tokens[-1, -1]
    tokens[torch.rand(tokens.shape, generator=generator) < 0.05] = 0
    found = encoder(dynamic_shapes=True)(tokens), encoder(dynamic_shapes=False)(tokens)
    torch.testing.assert_close(*found, atol=1e-5, rtol=0)


def test_without_dynamic_shapes_nothing_waits_for_the_device() -> None:
    """Fake tensors have no values: an operation that needs one on the host raises."""
    tokens, index = captions(), torch.arange(IMAGES)

    def run(dynamic: bool) -> torch.Tensor:
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            reward = gap_reward(dynamic_shapes=dynamic)
            return reward(mode.from_tensor(tokens), mode.from_tensor(index))

    assert run(dynamic=False).shape == (IMAGES, 5)
    with pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
        run(dynamic=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_no_synchronisation_on_a_gpu() -> None:
    clip = load_clip("scenes-clip", device="cuda")
    on_gpu = CaptionEncoder(clip, WordToBpe(WORDS.words, clip.tokenizer))
    reward = GroupEmbeddingGapReward(on_gpu, TABLE.images, GROUPS.index).cuda()
    tokens, index = captions().cuda(), torch.arange(IMAGES).cuda()
    reward(tokens, index)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = reward(tokens, index)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    expected = gap_reward()(tokens.cpu(), index.cpu())
    torch.testing.assert_close(found.cpu(), expected, atol=1e-2, rtol=0)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of captions that the text tower was given, call by call."""
    rows: list[int] = []
    for name in ("encode_packed", "encode_cropped"):
        encode = getattr(gegcore.clip, name)

        def count(model: Any, bpe: torch.Tensor, encode: Any = encode) -> torch.Tensor:
            rows.append(len(bpe))
            return encode(model, bpe)

        monkeypatch.setattr(gegcore.clip, name, count)
    return rows


def test_a_caption_that_occurs_twice_is_encoded_once(encoded: list[int]) -> None:
    tokens = captions()[:1].expand(3, -1, -1).clone()
    distinct = len(set(texts(tokens)))
    tokens[2, :, -1] = 7  # said after the end: of no consequence
    encoder()(tokens)
    encoder(dynamic_shapes=False)(tokens)
    assert encoded == [distinct, 15]


def test_terms_of_a_weighted_sum_encode_once(encoded: list[int]) -> None:
    shared, other = encoder(), encoder()
    tokens, index = captions(), torch.arange(IMAGES)
    references = [[WORDS.encode(c) for c in record.captions] for record in WORLD.records]
    terms: dict[str, Any] = {
        "cider": (0.1, CiderD(references, len(WORDS))),
        "avg": (10.0, GroupEmbeddingGapReward(shared, TABLE.images, GROUPS.index)),
        "min": (2.0, GroupEmbeddingGapReward(shared, TABLE.images, GROUPS.index, "min")),
        "similarity": (0.5, SimilarityReward(shared, TABLE.images)),
    }
    total = WeightedReward(terms)(tokens, index)
    assert len(encoded) == 1
    expected = sum(weight * reward(tokens, index) for weight, reward in terms.values())
    torch.testing.assert_close(total, expected)
    encoded.clear()
    WeightedReward({**terms, "judge": (0.0, SimilarityReward(other, TABLE.images))}).parts(
        tokens, index
    )
    assert len(encoded) == 2  # another encoder is another CLIP


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_mixed_precision_hardly_moves_the_reward(precision: torch.dtype) -> None:
    tokens, index = captions()[:, :2], torch.arange(IMAGES)
    exact, mixed = gap_reward()(tokens, index), gap_reward(precision=precision)(tokens, index)
    assert mixed.dtype == torch.float32 and not torch.equal(mixed, exact)
    assert float((mixed - exact).abs().max()) < 0.05 * float(exact.std())


def test_a_captioner_in_half_precision_is_rewarded_in_full() -> None:
    """vecdot follows autocast, in which most gaps of an image's samples would be tied."""
    tokens, index = captions(), torch.arange(IMAGES)
    terms = {"gap": (1.0, gap_reward()), "er": (1.0, SimilarityReward(encoder(), TABLE.images))}
    for reward in (WeightedReward(terms), *(each for _, each in terms.values())):
        exact = reward(tokens, index)
        with torch.autocast("cpu", torch.bfloat16):
            found = reward(tokens, index)
        assert found.dtype == torch.float32 and torch.equal(found, exact)


def test_everything_from_a_data_set_in_one_call() -> None:
    tokens, index = captions(), torch.arange(IMAGES)
    reward = GroupEmbeddingGapReward.of_dataset(CLIP, WORLD, WORDS.words, K, "min")
    torch.testing.assert_close(reward(tokens, index), gap_reward("min")(tokens, index))


def test_five_images_and_the_mean_gap_where_nothing_else_is_said() -> None:
    """Sec. 3.2 and Eq. 3."""
    tokens, index = captions(), torch.arange(IMAGES)
    groups = similar_groups(TABLE.images, TABLE.captions, TABLE.caption_image, 5)
    embedded = CLIP.encode_texts(texts(tokens))
    expected = caption_gaps(embedded, TABLE.images, index.repeat_interleave(5), groups).average
    found = GroupEmbeddingGapReward.of_dataset(CLIP, WORLD, WORDS.words)(tokens, index)
    torch.testing.assert_close(found.flatten(), expected, atol=1e-5, rtol=0)
    found = GroupEmbeddingGapReward(encoder(), TABLE.images, groups.index)(tokens, index)
    torch.testing.assert_close(found.flatten(), expected, atol=1e-5, rtol=0)


def test_settings_that_cannot_be_are_named() -> None:
    with pytest.raises(ConfigError, match="unknown gap 'max'"):
        gap_reward("max")
    with pytest.raises(ConfigError, match=f"groups of {IMAGES - 1} images, embeddings of {IMAGES}"):
        GroupEmbeddingGapReward(encoder(), TABLE.images, GROUPS.index[1:])


WRONG: dict[str, tuple[Any, str]] = {
    "one an image": (lambda tokens, _: tokens.float().mean((1, 2)), r"of shape \(24,\)"),
    "scalar": (lambda tokens, _: tokens.float().mean(), r"of shape \(\)"),
    "one a word": (lambda tokens, _: tokens.float(), r"of shape \(24, 5, 20\)"),
    "one column": (lambda tokens, _: tokens.float().mean((1, 2))[:, None], r"of shape \(24, 1\)"),
    "list": (lambda tokens, _: tokens.float().sum(-1).tolist(), "gives a list"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_reward_for_each_caption_is_named(name: str) -> None:
    reward, given = WRONG[name]
    terms: dict[str, Any] = {"similarity": (1.0, SimilarityReward(encoder(), TABLE.images))}
    total = WeightedReward({**terms, "mine": (1.0, reward)})
    with pytest.raises(ConfigError, match=f"reward 'mine' .*{given}") as raised:
        total(captions(), torch.arange(IMAGES))
    assert "(24, 5)" in raised.value.fix


def test_rewards_that_count_are_numbers_with_a_point() -> None:
    """Their mean is logged, which whole numbers have none of."""
    terms: dict[str, Any] = {
        "length": (0.5, lambda tokens, _: (tokens > 0).sum(-1)),
        "any": (1.0, lambda tokens, _: (tokens > 0).any(-1)),
    }
    tokens, total = captions(), WeightedReward(terms)
    parts = total.parts(tokens, torch.arange(IMAGES))
    assert {part.dtype for part in parts.values()} == {torch.float32}
    length = (tokens > 0).sum(-1)
    assert torch.equal(total.combine(parts), 0.5 * length + 1.0 * (length > 0))


@pytest.mark.parametrize("positions", [torch.arange(1), torch.arange(24)[:, None], [0]])
def test_image_positions_of_another_number_are_refused(positions: Any) -> None:
    """One would be taken for all images."""
    total = WeightedReward({"mine": (1.0, lambda tokens, _: tokens.float().sum(-1))})
    for reward in (gap_reward(), SimilarityReward(encoder(), TABLE.images), total):
        with pytest.raises(DataError, match=r"captions \(24, 5, 20\) but image positions \("):
            reward(captions(), positions)
    with pytest.raises(DataError, match=r"captions \(24, 20\) but image positions \(24,\)"):
        gap_reward()(captions()[:, 0], torch.arange(IMAGES))


class NoCall:
    def __init__(self, given: Any) -> None:
        self.given = given


class NoInit:
    def __call__(self, tokens: torch.Tensor, image_index: torch.Tensor) -> torch.Tensor:
        return tokens.sum(-1).float()


class Whole(NoInit, NoCall):
    """As it should be."""


def of_tokens(tokens: torch.Tensor) -> torch.Tensor:
    return tokens.sum(-1).float()


@pytest.mark.parametrize(
    ("own", "what", "fix"),
    [
        (NoCall, "reward 'mine:reward' cannot be called: it is a NoCall", "__call__"),
        (NoInit, "reward 'mine:reward' cannot be constructed", "__init__"),
        (of_tokens, "reward 'mine:reward' cannot be called with word ids", "image_index"),
        (3, "reward 'mine:reward' cannot be called: it is a int", "name a function"),
    ],
)
def test_what_cannot_be_called_is_named(
    own: Any, what: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mine", SimpleNamespace(reward=own))
    given: Any = object()
    with pytest.raises(ConfigError, match=what) as raised:
        build_rewards({"mine:reward": 1.0}, given)
    assert fix in raised.value.fix
    if not isinstance(own, type):  # handed over
        with pytest.raises(ConfigError, match=what):
            build_rewards({"mine:reward": 1.0}, given, {"mine:reward": own})
    monkeypatch.setitem(sys.modules, "mine", SimpleNamespace(reward=Whole))
    built: Any = build_rewards({"mine:reward": 1.0}, given).weighted["mine:reward"][1]
    assert isinstance(built, Whole) and built.given is given

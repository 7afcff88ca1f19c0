"""Decoding through the Captioner interface alone: a toy captioner and the Transformer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.decoding import beam_search, decode, said_mask, score, sequence_log_probs
from gegcore.errors import ConfigError
from gegcore.models import Captioner, Memory, State, build_captioner
from gegcore.models.transformer import Transformer


@dataclass
class TableMemory(Memory):
    table: Tensor

    @property
    def batch_size(self) -> int:
        return len(self.table)


@dataclass
class BigramState(State):
    table: Tensor
    copies: int

    def keep(self, rows: Tensor) -> BigramState:
        images = rows // self.copies
        assert bool((images.diff() >= 0).all())
        return BigramState(self.table[images], 1)


class Bigrams(Captioner):
    """Next-word logits depend on the image and the last word: small enough to enumerate."""

    def __init__(self, images: int, vocab: int, seed: int, ending: float = 0.0) -> None:
        super().__init__()
        self.vocab_size = vocab
        g = torch.Generator().manual_seed(seed)
        table = 2 * torch.randn(images, vocab, vocab, generator=g, dtype=torch.float64)
        table[..., 0] += ending
        self.table = nn.Parameter(table)
        self.encoded = self.rows_fed = 0

    def encode(self, features: FeatureBatch) -> TableMemory:
        self.encoded += 1
        return TableMemory(self.table[: len(features)])

    def start(self, memory: Memory, copies: int = 1, max_len: int = 20) -> State:
        assert isinstance(memory, TableMemory)
        return BigramState(memory.table, copies)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        assert isinstance(state, BigramState)
        self.rows_fed += len(tokens)
        images = torch.arange(len(tokens)) // state.copies
        return state.table[images, tokens], state


def pictures(images: int, regions: int = 4, width: int = 6, seed: int = 0) -> FeatureBatch:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(images, regions, width, generator=g)
    mask = torch.arange(regions) < torch.randint(1, regions + 1, (images, 1), generator=g)
    return FeatureBatch(x.mean(1), None, x, torch.rand(images, regions, 4, generator=g), None, mask)


def transformer(vocab: int = 17, seed: int = 0) -> Captioner:
    torch.manual_seed(seed)
    model = build_captioner(
        "transformer",
        vocab,
        InputSizes(6),
        width=16,
        heads=2,
        encoder_layers=1,
        decoder_layers=2,
        ffn_width=16,
    )
    assert isinstance(model, Transformer)
    with torch.no_grad():
        model.output.weight.mul_(6)  # sharper than at random, so that captions differ and end
    return model.eval()


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def naive_greedy(model: Captioner, batch: FeatureBatch, max_len: int) -> Tensor:
    """Re-run the whole prefix for every word: slow and obviously right."""
    tokens = torch.zeros(len(batch), 0, dtype=torch.long)
    for _ in range(max_len):
        inputs = torch.cat([torch.zeros(len(batch), 1, dtype=torch.long), tokens], 1)
        words = model(batch, inputs)[:, -1].argmax(-1)
        if tokens.shape[1]:
            words = words.masked_fill((tokens == 0).any(1), 0)
        tokens = torch.cat([tokens, words[:, None]], 1)
    return tokens


@given(images=st.integers(1, 6), max_len=st.integers(1, 12), seed=st.integers(0, 500))
@settings(deadline=None, max_examples=30)
def test_greedy_equals_rerunning_the_prefix(images: int, max_len: int, seed: int) -> None:
    model, batch = transformer(seed=seed), pictures(images, seed=seed)
    tokens = decode(model, batch, max_len=max_len).tokens[:, 0]
    expected = naive_greedy(model, batch, max_len)
    steps = tokens.shape[1]
    assert torch.equal(tokens, expected[:, :steps])
    assert not expected[:, steps:].any()  # nothing was left unsaid


@given(
    images=st.integers(1, 5), samples=st.integers(1, 4), greedy=st.booleans(),
    seed=st.integers(0, 500), forbid=st.sets(st.integers(1, 16), max_size=3),
)  # fmt: skip
@settings(deadline=None, max_examples=30)
def test_rescored_log_probs_equal_those_of_decoding(
    images: int, samples: int, greedy: bool, seed: int, forbid: set[int]
) -> None:
    model, batch = transformer(seed=seed), pictures(images, seed=seed)
    decoded = decode(model, batch, samples, greedy, generator=generator(seed), forbid=forbid)
    assert decoded.tokens.shape[:2] == (images, samples + greedy)
    assert not set(decoded.tokens.unique().tolist()) & forbid
    with torch.no_grad():
        again = score(model, model.encode(batch), decoded.tokens, forbid)
    torch.testing.assert_close(again, decoded.log_probs, rtol=0, atol=1e-5)


@given(seed=st.integers(0, 500), samples=st.integers(0, 3))
@settings(deadline=None, max_examples=20)
def test_zero_after_the_end(seed: int, samples: int) -> None:
    model = Bigrams(images=6, vocab=5, seed=seed)
    decoded = decode(model, pictures(6), samples, generator=generator(seed), max_len=9)
    for caption, log_probs in zip(
        decoded.tokens.flatten(0, 1).tolist(), decoded.log_probs.flatten(0, 1).tolist(), strict=True
    ):
        end = caption.index(0) if 0 in caption else len(caption)
        assert not any(caption[end:])
        assert all(p < 0 for p in log_probs[: end + 1])
        assert not any(log_probs[end + 1 :])


def test_draws_repeat_with_the_generator_and_differ_without() -> None:
    model, batch = transformer(), pictures(4)
    first = decode(model, batch, 3, generator=generator(7))
    again = decode(model, batch, 3, generator=generator(7))
    other = decode(model, batch, 3, generator=generator(8))
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(first.log_probs, again.log_probs)
    assert not torch.equal(first.tokens[..., :3], other.tokens[..., :3])
    assert torch.equal(first.tokens[:, 0, :3], other.tokens[:, 0, :3])  # greedy


def test_samples_follow_the_policy() -> None:
    """Empirical frequencies of 2-word captions against the exact distribution."""
    model = Bigrams(images=1, vocab=4, seed=2).eval()  # captions that begin alike share a row
    draws = 20_000
    tokens = decode(
        model, pictures(1), draws, greedy=False, max_len=2, generator=generator(0), forbid=(3,)
    ).tokens[0]
    log_p = model.table[0].detach().index_fill(-1, torch.tensor(3), -torch.inf).log_softmax(-1)
    for first, second in itertools.product(range(3), range(3)):
        p = log_p[0, first].exp() * (log_p[first, second].exp() if first else float(second == 0))
        seen = ((tokens[:, 0] == first) & (tokens[:, 1] == second)).double().mean()
        assert abs(seen - p) < 4 * (p * (1 - p) / draws).sqrt() + 1e-9


def test_low_temperature_samples_are_greedy_and_high_ones_uniform() -> None:
    model, batch = Bigrams(images=5, vocab=6, seed=1), pictures(5)
    cold = decode(model, batch, 2, temperature=1e-4, generator=generator(0))
    assert torch.equal(cold.tokens[:, 1], cold.tokens[:, 0])
    hot = decode(model, batch, 500, temperature=1e6, max_len=1, generator=generator(0))
    share = hot.tokens[:, 1:].flatten().bincount(minlength=6) / 2500
    assert (share - 1 / 6).abs().max() < 0.04
    greedy = decode(model, batch)
    torch.testing.assert_close(hot.log_probs[:, 0, 0], greedy.log_probs[:, 0, 0])  # untempered


def test_one_encoding_whatever_the_samples_and_none_for_a_memory() -> None:
    model = Bigrams(images=3, vocab=5, seed=0)
    decode(model, pictures(3), samples=5)
    assert model.encoded == 1
    memory = model.encode(pictures(3))
    decode(model, memory, samples=2)
    beam_search(model, memory, 2)
    assert model.encoded == 2


def test_finished_images_leave_the_batch() -> None:
    model = Bigrams(images=8, vocab=5, seed=0)
    model.table.data[:4, :, 0] += 100  # four images end at once, four never
    model.table.data[4:, :, 0] -= 100
    tokens = decode(model, pictures(8), max_len=10).tokens[:, 0]
    assert model.rows_fed == 8 + 4 * 9
    assert not tokens[:4].any()
    assert tokens[4:].all()


def test_decoding_stops_with_the_last_caption() -> None:
    model = Bigrams(images=2, vocab=5, seed=0, ending=100)
    assert decode(model, pictures(2), samples=2, max_len=20).tokens.shape == (2, 3, 1)


def test_nothing_is_recorded_for_gradients() -> None:
    model = Bigrams(images=2, vocab=5, seed=0)
    assert not decode(model, pictures(2)).log_probs.requires_grad
    assert score(model, model.encode(pictures(2)), torch.ones(2, 1, 3).long()).requires_grad


def test_forbidden_words_keep_the_gradient_finite() -> None:
    logits = torch.randn(2, 3, 4, 7, requires_grad=True)
    tokens = torch.tensor([1, 2, 0, 0]).expand(2, 3, 4)
    sequence_log_probs(logits, tokens, forbid=(6,)).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert not logits.grad[..., 6].any()
    assert not logits.grad[:, :, 3].any()  # after the end


def test_said_mask_ends_with_the_first_zero() -> None:
    tokens = torch.tensor([[3, 4, 0, 5], [0, 0, 0, 0], [1, 2, 3, 4]])
    assert said_mask(tokens).tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]]


def every_caption(vocab: int, max_len: int) -> list[tuple[int, ...]]:
    words = range(1, vocab)
    ended = [c + (0,) for n in range(max_len) for c in itertools.product(words, repeat=n)]
    return ended + list(itertools.product(words, repeat=max_len))


@given(seed=st.integers(0, 5000), vocab=st.integers(2, 4), max_len=st.integers(1, 3))
@settings(deadline=None, max_examples=30)
def test_a_wide_beam_finds_what_exhaustive_search_finds(
    seed: int, vocab: int, max_len: int
) -> None:
    model = Bigrams(images=2, vocab=vocab, seed=seed)
    captions = every_caption(vocab, max_len)
    found = beam_search(model, pictures(2), size=len(captions), max_len=max_len)
    for b in range(2):
        log_p = model.table[b].detach().log_softmax(-1)
        scores = {
            c: sum(float(log_p[last, word]) for last, word in itertools.pairwise((0, *c)))
            for c in captions
        }
        best = sorted(scores, key=lambda c: -scores[c])
        rows = found.tokens[b].tolist()
        said = [tuple(row[: len(c)]) for row, c in zip(rows, best, strict=True)]
        assert said == best
        expected = torch.tensor([scores[c] for c in best], dtype=torch.float64)
        torch.testing.assert_close(found.log_probs[b].sum(-1), expected)


def test_a_beam_of_one_is_greedy() -> None:
    model, batch = transformer(seed=4), pictures(6)
    greedy, beam = decode(model, batch), beam_search(model, batch, 1)
    assert torch.equal(beam.tokens, greedy.tokens)
    torch.testing.assert_close(beam.log_probs, greedy.log_probs)


@given(seed=st.integers(0, 500), size=st.integers(2, 4))
@settings(deadline=None, max_examples=15)
def test_beams_are_distinct_sorted_and_scored_right(seed: int, size: int) -> None:
    model, batch = transformer(seed=seed), pictures(4, seed=seed)
    beams = beam_search(model, batch, size, max_len=8, forbid=(3,))
    totals = beams.log_probs.sum(-1)
    assert (totals[:, :-1] >= totals[:, 1:]).all()
    assert all(len({tuple(c) for c in image}) == size for image in beams.tokens.tolist())
    assert not (beams.tokens == 3).any()
    with torch.no_grad():
        again = score(model, model.encode(batch), beams.tokens, forbid=(3,))
    torch.testing.assert_close(again, beams.log_probs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (dict(samples=0, greedy=False), "samples=0"),
        (dict(samples=-1), "samples=-1"),
        (dict(max_len=0), "max_len=0"),
        (dict(samples=1, temperature=0.0), "temperature=0.0"),
        (dict(forbid=(0,)), r"\[0\]"),
        (dict(forbid=(99,)), r"\[99\]"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        decode(Bigrams(1, 5, 0), pictures(1), **arguments)  # type: ignore[arg-type]


def test_bad_beam_size_is_named() -> None:
    with pytest.raises(ConfigError, match="beam size 0"):
        beam_search(Bigrams(1, 5, 0), pictures(1), size=0)

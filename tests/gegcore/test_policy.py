"""What truncation leaves of a policy."""

from __future__ import annotations

import pytest
import torch
from test_decoding import Bigrams, generator, pictures

from gegcore.decoding import beam_search, decode, score, truncate
from gegcore.errors import ConfigError

P = torch.tensor([[0.1, 0.4, 0.05, 0.3, 0.15], [0.0, 0.0, 1.0, 0.0, 0.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("top_k", "top_p", "expected"),
    [
        (0, 1.0, [0.1, 0.4, 0.05, 0.3, 0.15]),
        (9, 1.0, [0.1, 0.4, 0.05, 0.3, 0.15]),
        (1, 1.0, [0, 1, 0, 0, 0]),
        (2, 1.0, [0, 4 / 7, 0, 3 / 7, 0]),
        (0, 0.39, [0, 1, 0, 0, 0]),
        (0, 0.6, [0, 4 / 7, 0, 3 / 7, 0]),
        (0, 0.72, [0, 8 / 17, 0, 6 / 17, 3 / 17]),
        (2, 0.55, [0, 1, 0, 0, 0]),  # 0.4 of 0.7 is more than 0.55
    ],
)
def test_truncation_keeps_the_likeliest_words(
    top_k: int, top_p: float, expected: list[float]
) -> None:
    kept = truncate(P, top_k, top_p)
    torch.testing.assert_close(kept[0], torch.tensor(expected, dtype=torch.float64))
    assert torch.equal(kept[1], P[1])


def test_samples_come_from_the_truncated_policy() -> None:

    model = Bigrams(images=2, vocab=7, seed=3).eval()
    arguments = dict(samples=200, greedy=False, max_len=1, generator=generator(0), temperature=2.0)
    found = decode(model, pictures(2), top_k=4, top_p=0.8, **arguments)  # type: ignore[arg-type]
    p = truncate((model.table[:, 0].detach() / 2).softmax(-1), 4, 0.8)
    words = found.tokens[..., 0]
    torch.testing.assert_close(found.log_probs[..., 0].exp(), p.gather(1, words))
    for b in range(2):
        assert set(words[b].tolist()) == set(p[b].nonzero().flatten().tolist())


def test_no_ngram_is_said_twice_and_scores_agree() -> None:
    model = Bigrams(images=3, vocab=4, seed=1).eval()
    free = decode(model, pictures(3), samples=20, max_len=9, generator=generator(2))
    found = decode(
        model, pictures(3), samples=20, max_len=9, no_repeat_ngram=2, generator=generator(2)
    )
    assert repeats(free.tokens) > 0 and repeats(found.tokens) == 0
    memory = model.encode(pictures(3))
    scored = score(model, memory, found.tokens, no_repeat_ngram=2)
    torch.testing.assert_close(scored, found.log_probs)
    beams = beam_search(model, pictures(3), 3, max_len=9, no_repeat_ngram=2)
    assert repeats(beams.tokens) == 0


def repeats(tokens: torch.Tensor) -> int:
    """Captions that say a pair of words twice."""
    said = [[w for w in row if w] for row in tokens.flatten(0, 1).tolist()]
    pairs = [list(zip(words, words[1:], strict=False)) for words in said]
    return sum(len(set(of_one)) < len(of_one) for of_one in pairs)


def test_beams_are_ordered_by_the_length_penalty_of_wu_et_al() -> None:
    model = Bigrams(images=4, vocab=5, seed=7).eval()
    for penalty in (0.0, 1.0, 3.0):
        found = beam_search(model, pictures(4), 4, max_len=6, length_penalty=penalty)
        length = ((found.tokens > 0).sum(-1) + 1).clamp(max=6)  # cut off: without end token
        scores = found.log_probs.sum(-1) / ((5 + length) / 6) ** penalty
        assert (scores.diff(dim=1) <= 1e-6).all()
    plain = beam_search(model, pictures(4), 4, max_len=6)
    longer = beam_search(model, pictures(4), 4, max_len=6, length_penalty=3.0)
    assert (longer.tokens > 0).sum() > (plain.tokens > 0).sum()
    with pytest.raises(ConfigError, match="length_penalty"):
        beam_search(model, pictures(4), 4, length_penalty=-1.0)

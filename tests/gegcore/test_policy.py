"""What truncation leaves of a policy."""

from __future__ import annotations

import pytest
import torch
from test_decoding import Bigrams, generator, pictures

from gegcore.decoding import decode, truncate

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

"""Equalities that training rests on, in float64: gradients, split batches, scheduled sampling."""

from __future__ import annotations

import pytest
import torch
from tiny_training import (
    IMAGES,
    MAX_LEN,
    VOCAB,
    Features,
    noise,
    per_image,
    self_critical,
    small_model,
)
from torch import Tensor

from gegcore.decoding import compiled_step, decode, said_mask, score
from gegcore.decoding.growth import Step
from gegcore.errors import ConfigError
from gegcore.models import Captioner, Memory
from gegcore.training.config import ObjectiveConfig, ScheduledSampling
from gegcore.training.objectives import CrossEntropyObjective, Objective
from gegcore.training.scheduled_sampling import scheduled_logits, scheduled_probability
from gegcore.training.scst import self_critical_advantage, self_critical_loss
from gegcore.training.xe import caption_tensor, cross_entropy, teacher_forcing

SCHEDULE = ScheduledSampling(start=0, every=1, increase=0.5, most=0.5)
CONFIGS = {
    "mle": ObjectiveConfig(loss="cross_entropy", captions_per_image=2, label_smoothing=0.1),
    "mle, own words": ObjectiveConfig(
        loss="cross_entropy", captions_per_image=3, scheduled_sampling=SCHEDULE
    ),
    "scst": ObjectiveConfig(loss="self_critical", samples=4),
    "scst, mean of others": ObjectiveConfig(
        loss="self_critical", samples=4, baseline="mean_of_others", temperature=1.5
    ),
    "scst, beam": ObjectiveConfig(loss="self_critical", samples=3, sampling="beam"),
    "scst, beam, mean of others": ObjectiveConfig(
        loss="self_critical", samples=3, sampling="beam", baseline="mean_of_others"
    ),
}


def build(config: ObjectiveConfig) -> Objective:
    if config.loss == "self_critical":
        return self_critical(config, r=(1.0, per_image))
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(1, 6, (IMAGES, 4), generator=generator).tolist()
    words = [
        [torch.randint(1, VOCAB, (n,), generator=generator).tolist() for n in group]
        for group in lengths
    ]
    objective = CrossEntropyObjective(Features(), caption_tensor(words, MAX_LEN), config)
    objective.start_epoch(1)
    return objective


def gradient(model: Captioner) -> Tensor:
    found = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    model.zero_grad(set_to_none=True)
    return found


def one_pass(
    model: Captioner, memory: Memory, numbers: Tensor, forbid: int, temperature: float
) -> tuple[Tensor, Tensor]:
    """Sample with gradient, the whole prefix again for every word: no cache, no second pass.

    Returns: words and log-probabilities, both (B, S, T).
    """
    images, samples, length = numbers.shape
    tokens = torch.zeros(images, samples, 0, dtype=torch.long)
    log_probs = []
    for t in range(length):
        start = torch.zeros(images, samples, 1, dtype=torch.long)
        logits = model.decode_teacher_forced(memory, torch.cat([start, tokens], -1))[:, :, -1]
        allowed = torch.arange(logits.shape[-1]) != forbid
        log_p = (logits.masked_fill(~allowed, -torch.inf) / temperature).log_softmax(-1)
        total = log_p.detach().exp().cumsum(-1)
        word = torch.searchsorted(total, numbers[..., t, None] * total[..., -1:], right=True)
        finished = (tokens == 0).any(-1, keepdim=True)
        word = word.masked_fill(finished, 0)
        log_probs.append(log_p.gather(-1, word).masked_fill(finished, 0.0))
        tokens = torch.cat([tokens, word], -1)
    return tokens, torch.cat(log_probs, -1)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("name", ["transformer", "updown", "xlan"])
def test_two_pass_gradient_is_the_one_pass_gradient(name: str, temperature: float) -> None:
    config = ObjectiveConfig(loss="self_critical", samples=4, temperature=temperature)
    model, objective = small_model(name), self_critical(config, r=(1.0, per_image))
    model.train()  # with the dropout of the architecture: it has to be off in both passes
    index, numbers = torch.arange(IMAGES), noise(objective, 5)
    result = objective.step(model, index, numbers)
    result.total.backward()
    two_pass = gradient(model)

    memory = model.encode(Features().batch(index.tolist()))
    tokens, log_probs = one_pass(model, memory, numbers, VOCAB - 1, temperature)
    greedy = decode(model, memory, max_len=MAX_LEN, forbid=(VOCAB - 1,)).tokens
    rewards = per_image(tokens, index), per_image(greedy, index)[:, 0]
    advantage = self_critical_advantage(*rewards, "greedy")
    loss = self_critical_loss(log_probs, advantage, said_mask(tokens), reduction="sum")
    loss.backward()
    assert result.tokens == said_mask(tokens).sum()
    torch.testing.assert_close(result.total, loss, rtol=0, atol=1e-8)
    torch.testing.assert_close(two_pass, gradient(model), rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name in ("transformer", "updown", "xlan")
        for kind in CONFIGS
        if (name, kind) != ("transformer", "mle, own words")  # for recurrent captioners only
    ],
)
def test_a_batch_in_two_pieces_is_the_whole_batch(name: str, kind: str) -> None:
    objective, model = build(CONFIGS[kind]), small_model(name, dropout=False)
    index, numbers = torch.randperm(IMAGES), noise(objective, 2)
    whole = objective.step(model, index, numbers)
    whole.total.backward()
    gradient_of_whole = gradient(model)
    halves = [
        objective.step(model, *half) for half in zip(index.split(4), numbers.split(4), strict=True)
    ]
    for half in halves:
        half.total.backward()
    close = {"rtol": 0, "atol": 1e-10}
    torch.testing.assert_close(sum(half.total for half in halves), whole.total, **close)
    assert sum(half.tokens for half in halves) == whole.tokens
    torch.testing.assert_close(gradient(model), gradient_of_whole, **close)
    for metric, value in whole.metrics.items():
        means = torch.stack([half.metrics[metric] for half in halves]).mean()
        torch.testing.assert_close(means, value)


def test_beam_samples_are_the_captions_of_the_beam() -> None:
    """The likeliest captions, all different; the baseline stays what it is."""
    seen = {}

    def watch(tokens: Tensor, image_index: Tensor) -> Tensor:
        seen["tokens"] = tokens
        return per_image(tokens, image_index)

    model = small_model().eval()
    objective = self_critical(CONFIGS["scst, beam"], r=(1.0, watch))
    health = objective.step(model, torch.arange(IMAGES), noise(objective, 0)).metrics
    assert seen["tokens"].shape[:2] == (IMAGES, 4) and health["distinct"] == 1
    memory = model.encode(Features().batch(range(IMAGES)))
    greedy = decode(model, memory, max_len=MAX_LEN, forbid=(VOCAB - 1,)).tokens
    assert torch.equal(seen["tokens"][:, :1, : greedy.shape[-1]], greedy)
    likelihood = score(model, memory, seen["tokens"], forbid=(VOCAB - 1,)).sum(-1)
    assert (likelihood[:, 1:].diff() <= 1e-9).all()  # best first
    assert (likelihood[:, 1] >= likelihood[:, 0] - 1e-9).float().mean() > 0.8  # than greedy


def inputs_of(words: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    captions = torch.randint(1, VOCAB, (IMAGES, 3, words), generator=generator)
    return teacher_forcing(captions)[0]


@pytest.mark.parametrize("name", ["lstm_a3", "attention", "updown", "xlan"])
def test_scheduled_sampling_between_its_limits(name: str) -> None:
    """Probability 0 is teacher forcing; at 1 only own words are fed, drawn from the numbers."""
    model, inputs = small_model(name, dropout=False), inputs_of()
    memory = model.encode(Features().batch(range(IMAGES)))
    coins, numbers = torch.rand(2, *inputs.shape, dtype=torch.float64)
    forced = model.decode_teacher_forced(memory, inputs)
    none = scheduled_logits(model, memory, inputs, 0.0, coins, numbers)
    torch.testing.assert_close(none, forced, rtol=0, atol=1e-12)

    own = scheduled_logits(model, memory, inputs, 1.0, coins, numbers)
    fed = torch.zeros_like(inputs)
    for t in range(1, inputs.shape[-1]):  # what has been said decides what is fed next
        total = own[:, :, t - 1].softmax(-1).cumsum(-1)
        fed[..., t] = torch.searchsorted(total, numbers[..., t : t + 1].contiguous(), right=True)[
            ..., 0
        ]
    assert not torch.equal(fed, inputs)
    torch.testing.assert_close(own, model.decode_teacher_forced(memory, fed), rtol=0, atol=1e-12)
    other = torch.cat([inputs[..., :1], inputs[..., 1:].flip(-1)], -1)
    assert torch.equal(own, scheduled_logits(model, memory, other, 1.0, coins, numbers))


def test_scheduled_sampling_replaces_word_by_word_and_stops_the_gradient() -> None:
    """Logits and gradients are those of teacher forcing with the words that were fed."""
    model, inputs = small_model("updown", dropout=False), inputs_of()
    memory = model.encode(Features().batch(range(IMAGES)))
    coins, numbers = torch.rand(2, *inputs.shape, dtype=torch.float64)
    mixed = scheduled_logits(model, memory, inputs, 0.5, coins, numbers)
    total = mixed[:, :, :-1].softmax(-1).cumsum(-1)
    own = torch.searchsorted(total, numbers[..., 1:, None].contiguous(), right=True)[..., 0]
    fed = inputs.clone()
    fed[..., 1:] = torch.where(coins[..., 1:] < 0.5, own, inputs[..., 1:])
    assert 0.2 < (coins[..., 1:] < 0.5).double().mean() < 0.8
    targets = torch.full_like(inputs, 3)
    (given,) = torch.autograd.grad(cross_entropy(mixed, targets), [model.words.weight])
    memory = model.encode(Features().batch(range(IMAGES)))
    plain = model.decode_teacher_forced(memory, fed)
    torch.testing.assert_close(mixed, plain, rtol=0, atol=1e-12)
    (expected,) = torch.autograd.grad(cross_entropy(plain, targets), [model.words.weight])
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-12)


def test_a_broken_model_reaches_the_guard_that_says_so() -> None:
    """All NaN, searchsorted gives V, which is no word."""
    model, inputs = small_model("updown", dropout=False), inputs_of()
    memory = model.encode(Features().batch(range(IMAGES)))
    with torch.no_grad():
        next(iter(model.output.parameters())).fill_(torch.nan)
    coins, numbers = torch.rand(2, *inputs.shape, dtype=torch.float64)
    assert scheduled_logits(model, memory, inputs, 1.0, coins, numbers).isnan().all()


def test_own_words_follow_the_distribution_of_the_step_before() -> None:
    model = small_model("updown", dropout=False)
    memory = model.encode(Features().batch([0]))
    inputs = torch.zeros(1, 4000, 2, dtype=torch.long)
    generator = torch.Generator().manual_seed(0)
    numbers = torch.rand(inputs.shape, dtype=torch.float64, generator=generator)
    coins = torch.zeros_like(numbers)
    logits = scheduled_logits(model, memory, inputs, 1.0, coins, numbers)
    second = model.decode_teacher_forced(
        memory, torch.tensor([[[0, word] for word in range(VOCAB)]])
    )[0, :, 1]
    word = torch.cdist(logits[0, :, 1], second).argmin(-1)  # which word was fed
    counts = torch.bincount(word, minlength=VOCAB) / len(word)
    torch.testing.assert_close(counts.double(), logits[0, 0, 0].softmax(-1), rtol=0, atol=0.03)


def test_the_probability_rises_as_in_xmodaler() -> None:
    """Section 4.1: +0.05 every 5 epochs to 0.25; X-LAN from epoch 6 to 0.5, first at epoch 11."""
    usual = [scheduled_probability(ScheduledSampling(), epoch) for epoch in range(40)]
    assert usual[:12] == pytest.approx([0] * 5 + [0.05] * 5 + [0.1] * 2)
    assert usual[24:26] == pytest.approx([0.2, 0.25]) and max(usual) == 0.25
    late = ScheduledSampling(start=6, most=0.5)
    assert [scheduled_probability(late, epoch) for epoch in (0, 10, 11, 15, 16, 69)] == (
        pytest.approx([0, 0, 0.05, 0.05, 0.1, 0.5])
    )


def test_transformers_refuse_scheduled_sampling() -> None:
    objective = build(CONFIGS["mle, own words"])
    with pytest.raises(ConfigError, match="recurrent"):
        objective.step(small_model(), torch.arange(IMAGES), noise(objective, 0))


def test_sampling_with_a_compiled_step_is_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Captioner] = []

    def eager(model: Captioner) -> Step:
        made.append(model)
        return compiled_step(model, backend="eager")

    monkeypatch.setattr("gegcore.training.objectives.compiled_step", eager)
    found = []
    for compiles in (False, True):
        config = ObjectiveConfig(loss="self_critical", samples=4, compile_decoder=compiles)
        objective, model = build(config), small_model()
        for seed in (1, 2):
            model.zero_grad()
            numbers = noise(objective, seed)
            objective.step(model, torch.arange(IMAGES), numbers).total.backward()
        found.append(gradient(model))
    assert len(made) == 1, "compiled once"
    torch.testing.assert_close(found[0], found[1], atol=1e-8, rtol=1e-6)

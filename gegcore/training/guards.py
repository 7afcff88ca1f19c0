"""What a log must not look like: a run that cannot recover stops, one that goes astray is named.

Every rule compares a row of the log, a mean over some steps, with a bound; most bounds follow from
the first row, nearly the model that training started from, and keep a distance from 28 logs of runs
that went well (samples 0.80 to 1.26 times as long as at the start, entropy at most 0.15 nats above
it, rewards 0.69 to 1.99 times it). Three rows in a row must break a rule: runs with far too high a
learning rate fell to 0.42 of the reward in one row and came back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gegcore.training.config import ObjectiveConfig

Row = Mapping[str, float]
Bound = Callable[[Row], float]

IN_A_ROW = 3
"""Rows that must break a rule, one after the other."""


@dataclass(frozen=True)
class Rule:
    """A bound on one column of the log, the metric.

    Attributes:
        what: has happened where the rule is broken; no two rules say the same.
        fix: what to change.
        bound: first row of the log -> the value that must not be passed.
        below: whether smaller values break the rule, else larger ones.
        stop: whether a broken rule ends the run, else it is only said.
    """

    metric: str
    what: str
    fix: str
    bound: Bound
    below: bool = False
    stop: bool = False

    def broken(self, row: Row, start: Row) -> bool:
        """Whether a row is beyond the bound; never where the log lacks the column."""
        if self.metric not in row or self.metric not in start:
            return False
        value, bound = row[self.metric], self.bound(start)
        return value < bound if self.below else value > bound


@dataclass(frozen=True)
class Finding:
    """A rule that is broken, and where."""

    rule: Rule
    step: int
    value: float
    start: float
    bound: float

    def __str__(self) -> str:
        side = "below" if self.rule.below else "above"
        return (
            f"{self.rule.what}: {self.rule.metric} is {self.value:.3g} at step {self.step}, "
            f"{side} {self.bound:.3g} (at the start {self.start:.3g})"
        )


def rules(config: ObjectiveConfig) -> tuple[Rule, ...]:
    """The rules of an objective; with `guards: warn` none of them stops."""
    learns = config.loss == "cross_entropy"
    found = _LIKELIHOOD if learns else (*_POLICY, *_samples_differ(config.samples))
    return tuple(replace(rule, stop=rule.stop and config.guards == "stop") for rule in found)


def findings(log: Sequence[Row], checked: Sequence[Rule]) -> Iterator[Finding]:
    """Rules that the last rows of a log break, those that stop a run first.

    A run that starts beyond a bound has not collapsed: it is warned of at most.
    """
    if len(log) <= IN_A_ROW:
        return
    start, last = log[0], log[-IN_A_ROW:]
    for rule in sorted(checked, key=lambda rule: not rule.stop):
        if rule.stop and rule.broken(start, start):
            continue
        if all(rule.broken(row, start) for row in last):
            now, name = last[-1], rule.metric
            yield Finding(rule, int(now["step"]), now[name], start[name], rule.bound(start))


def first_findings(log: Sequence[Row], checked: Sequence[Rule]) -> list[Finding]:
    """Where in a whole log each rule was broken first."""
    found: dict[str, Finding] = {}
    for end in range(IN_A_ROW, len(log)):
        window = [log[0], *log[end - IN_A_ROW + 1 : end + 1]]
        for finding in findings(window, checked):
            found.setdefault(finding.rule.what, finding)
    return list(found.values())


def not_finite(steps: Sequence[Row], loss_scaling: bool = False) -> tuple[int, str] | None:
    """The first step whose loss or gradient is NaN or infinite: its position, and which it is.

    Where a reward is to blame, and the log has it, it is that reward: `reward/NAME`.

    Args:
        loss_scaling: steps whose scaled float16 gradient overflows are skipped to find the scale:
            only the loss counts.
    """
    names = ("loss",) if loss_scaling else ("loss", "grad_norm")
    every = ((position, name) for position in range(len(steps)) for name in names)
    found = next((at for at in every if not math.isfinite(steps[at[0]].get(at[1], 0.0))), None)
    if found is None:
        return None
    position, name = found
    rewards = {key: value for key, value in steps[position].items() if key.startswith("reward")}
    # Terms stand before their sum. Rewards are of words: what else breaks, they stay finite.
    return position, next((key for key in rewards if not math.isfinite(rewards[key])), name)


def _times(metric: str, factor: float) -> Bound:
    """Relative to the start; no bound where the metric does not start above 0."""
    return lambda start: factor * start[metric] if start[metric] > 0 else math.nan


def _lost(share: float) -> Bound:
    """A share of the reward at the start is lost, and half of its spread.

    The latter where rewards start near 0, as sums of CIDEr-D and a negative GEG-Min may: there
    every share is small.
    """
    keeps = _times("reward", 1 - share)
    return lambda start: (  # logs of older runs do not say the spread
        keeps(start) - max(0.0, start.get("reward_std", 0.0) / 2 - share * start["reward"])
    )


def _above(metric: str, distance: float) -> Bound:
    return lambda start: start[metric] + distance


def _at(value: float) -> Bound:
    return lambda start: value


def _exploded(start: Row) -> float:
    """CIDEr-D ends at 10 and cosines at 1: no reward with a bound comes so far."""
    return start["reward"] + 20 * max(abs(start["reward"]), start.get("reward_std", 0.0))


_CALM = "lower the learning rate, or clip the gradient more"
_REWARD = (
    "lower the learning rate, set `count_end: true`, try the other `baseline`, or train the model "
    "that this one starts from for longer"
)
_LANGUAGE = "raise the weight of cider: only CIDEr-D rewards short and fluent captions"
_EXPLORE = "lower the learning rate, or train for fewer steps: equal samples teach nothing"
_UNBOUNDED = "check the reward and its weights: a reward without a bound is always gamed"
_PUNISHED = "lower the learning rate, or try the other `baseline`: samples are mostly punished"
_ALIKE = "lower the learning rate, try the other `baseline`, or end earlier: one phrase fits all"

_LIKELIHOOD = (
    # Cross-entropy falls from the logarithm of the vocabulary's size; a mean over batches that
    # rises by half has lost what the model knew.
    Rule("loss", "the loss grows", _CALM, _times("loss", 1.5), stop=True),
    Rule("loss", "the loss rises", _CALM, _times("loss", 1.1)),
)

_POLICY = (
    # A policy whose every second caption has no word earns nothing from which to learn better.
    Rule("empty", "captions have no words", _REWARD, _at(0.5), stop=True),
    Rule("empty", "some captions have no words", _REWARD, _at(0.1)),
    # "a picture of a": in this project's failed runs half of the words went within 200 steps.
    Rule("length", "captions are cut short", _REWARD, _times("length", 0.6), True, stop=True),
    Rule("length", "captions become short", _REWARD, _times("length", 0.75), below=True),
    Rule("length", "captions become long", _LANGUAGE, _times("length", 1.4)),
    # Rewards without an end token make a third to a half of the captions end in "with a", a known
    # flaw rather than a collapse; four fifths is one phrase for everything.
    Rule("bad_endings", "captions end in mid-phrase", _REWARD, _at(0.8), stop=True),
    Rule("bad_endings", "some captions end in mid-phrase", _REWARD, _at(0.2)),
    # The paper's GEG-sole says "below a fence below a fence ..."; there `guards: warn` is right.
    Rule("unfinished", "captions never end", _LANGUAGE, _at(0.95), stop=True),
    Rule("unfinished", "some captions never end", _LANGUAGE, _at(0.3)),
    Rule("reward", "the reward collapsed", _REWARD, _lost(0.5), below=True, stop=True),
    Rule("reward", "the reward falls", _REWARD, _lost(0.35), below=True),
    Rule("reward", "the reward exploded", _UNBOUNDED, _exploded, stop=True),
    Rule("positive_advantage", "hardly any sample beats the baseline", _PUNISHED, _at(0.1), True),
    # Of greedy captions, a batch at a time. In this project's first runs SCST came to begin all of
    # them with "there is": nothing was left to explore for the rewards after it.
    Rule("opening", "most captions begin alike", _ALIKE, _at(0.5)),
    Rule("opening", "more and more captions begin alike", _ALIKE, _above("opening", 0.25)),
    Rule("different", "captions repeat each other", _ALIKE, _times("different", 0.5), below=True),
    # Samples of a healthy policy become more certain. Two nats are a policy that spreads over
    # seven times as many words.
    Rule("entropy", "the policy forgets its words", _CALM, _above("entropy", 2.0), stop=True),
    Rule("entropy", "the policy becomes less certain", _CALM, _above("entropy", 0.7)),
)


def _samples_differ(samples: int) -> tuple[Rule, ...]:
    """All samples of all images the same: every advantage is 0, and so is every gradient."""
    if samples < 2:
        return ()
    what = "the samples of an image are {} the same"
    return (
        Rule("distinct", what.format("all"), _EXPLORE, _at(1.02 / samples), True, stop=True),
        Rule("distinct", what.format("mostly"), _EXPLORE, _at(1.5 / samples), below=True),
    )

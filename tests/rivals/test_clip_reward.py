"""CLIP-S and the grammar head, against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rivals_world import GIVEN
from six_scenes import CLIP, INDEX, REFERENCES, TABLE, WORDS, tokens

from gegcore.rewards import build_rewards
from rivals import clip_reward
from rivals.clip_reward import EDITS, ClipS, Grammar, as_tensor, fit, spoil


def test_clip_s_is_two_and_a_half_cosines_and_never_negative() -> None:
    found = ClipS(GIVEN)(tokens(), INDEX)
    for row, image in enumerate(INDEX.tolist()):
        said = CLIP.encode_texts([WORDS.decode(ids) for ids in tokens()[row].tolist()])
        expected = 2.5 * (said @ TABLE.images[image]).clamp(min=0)
        torch.testing.assert_close(found[row], expected, atol=2e-5, rtol=2e-5)
    away = ClipS(GIVEN).score(-TABLE.images[INDEX][:, None], INDEX)
    assert away.eq(0).all()


def test_the_reward_is_that_of_the_paper_not_of_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """R = CLIP-S + 2 g; the authors' code has 2 CLIP-S + g."""
    monkeypatch.setattr(clip_reward, "STEPS", 1)
    weights = {"rivals.clip_reward:ClipS": 1.0, "rivals.clip_reward:Grammar": 2.0}
    reward = build_rewards(weights, GIVEN)
    parts = reward.parts(tokens(), INDEX)
    clip_s, grammar = (parts[name] for name in weights)
    torch.testing.assert_close(reward(tokens(), INDEX), clip_s + 2 * grammar)
    assert grammar.gt(0).all() and grammar.lt(1).all()


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_what_its_name_says(edit: clip_reward.Edit) -> None:
    words, draw = list(range(1, 13)), np.random.default_rng(1)
    changed = edit(words, 4, draw, 99)
    length = {"_repeat": 16, "_remove": 8, "_insert": 16}.get(edit.__name__, 12)
    assert len(changed) == length
    if edit.__name__ in ("_swap", "_shuffle"):
        assert sorted(changed) == words and changed != words
    if edit.__name__ == "_remove":
        assert changed == sorted(changed) and set(changed) < set(words)
    if edit.__name__ == "_repeat":
        assert list(dict.fromkeys(changed)) == words
    if edit.__name__ == "_insert":
        assert [word for word in changed if word in words][:1] and set(changed) >= set(words)


def test_a_spoilt_caption_is_never_the_caption() -> None:
    draw = np.random.default_rng(0)
    for words in ([5], [5, 5], [1, 2, 3]):
        for _ in range(200):
            spoilt = spoil(words, 9, draw)
            assert spoilt and spoilt != words and 0 not in spoilt


def test_the_head_learns_to_tell_them_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captions of the world against their words in reverse, which it was not shown."""
    monkeypatch.setattr(clip_reward, "STEPS", 1)
    grammar = Grammar(GIVEN)
    captions = [words for image in REFERENCES for words in image]
    fit(grammar, captions, len(WORDS), steps=60)
    with torch.no_grad():
        right = grammar.logits(as_tensor(captions))
        wrong = grammar.logits(as_tensor([words[::-1] for words in captions]))
    assert right.median() > wrong.median() + 1


def test_every_run_has_the_same_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_reward, "STEPS", 2)
    torch.manual_seed(1)
    first = Grammar(GIVEN)(tokens(), INDEX)
    before = torch.get_rng_state()
    second = Grammar(GIVEN)(tokens(), INDEX)
    assert torch.equal(first, second) and torch.equal(before, torch.get_rng_state())
    assert GIVEN.clip.digest == CLIP.digest, "the CLIP that measures is not trained"

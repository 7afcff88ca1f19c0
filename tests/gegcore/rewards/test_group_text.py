"""Rewards over strings equal the rewards over word ids."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emoji_scenes.dataset import ScenesDataset
from gegcore.clip import load_clip
from gegcore.data.vocabulary import Vocabulary
from gegcore.errors import ConfigError, DataError
from gegcore.rewards import (
    CiderD,
    GroupEmbeddingGapReward,
    SimilarityReward,
    TextReward,
    WeightedReward,
)
from gegcore.training.xe import caption_tensor

WORLD = ScenesDataset("val", 12)
WORDS = Vocabulary.build((c for r in WORLD.records for c in r.captions), min_count=1)
IDS = [[WORDS.encode(c) for c in record.captions] for record in WORLD.records]
TOKENS, INDEX = caption_tensor(IDS, 30), torch.arange(12)
STRINGS = [WORDS.decode(row) for row in TOKENS.flatten(0, 1).tolist()]
OWNERS = INDEX.repeat_interleave(5)
GAP = GroupEmbeddingGapReward.of_dataset(load_clip("scenes-clip"), WORLD, WORDS.words, k=3)
PLAIN = SimilarityReward(GAP.encoder, GAP.image_embeddings)
CIDER = CiderD(IDS, len(WORDS))
SUM = WeightedReward({"cider": (0.1, CIDER), "geg_avg": (10.0, GAP)})


@pytest.mark.parametrize("reward", [GAP, PLAIN, CIDER, SUM], ids=["geg", "er", "cider", "sum"])
def test_strings_and_ids_get_one_reward(reward: Any) -> None:
    found = TextReward(reward, WORDS)(STRINGS, OWNERS)
    assert found.shape == (60,) and found.dtype == torch.float32
    expected = reward(TOKENS, INDEX).flatten()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert float(expected.std()) > 0


def test_it_is_called_as_trl_calls_a_reward_function() -> None:
    reward = TextReward(GAP, name="geg_avg")
    columns = {"prompts": ["Describe it."] * 2, "completion_ids": [[1], [2]], "trainer_state": None}
    found = reward(completions=STRINGS[:2], image_index=[0, 0], **columns)
    assert (reward.__name__, TextReward(GAP).__name__) == ("geg_avg", "text_reward")
    assert list(found) == list(reward(STRINGS[:2], OWNERS[:2]))


def test_conversations_of_trl_are_read() -> None:
    """What TRL passes whenever the prompts are conversational: every model that sees pictures."""
    said = STRINGS[:5]
    forms: list[Any] = [
        said[0],
        [{"role": "assistant", "content": said[1]}],
        [{"role": "assistant", "content": [{"type": "text", "text": said[2]}]}],
        [
            {"role": "assistant", "content": "", "tool_calls": [{"name": "look"}]},
            {"role": "tool", "name": "look", "content": "a picture"},
            {"role": "assistant", "content": said[3]},
        ],
        [{"role": "assistant", "content": [
            {"type": "text", "text": said[4][:3]}, {"type": "text", "text": said[4][3:]},
        ]}],
    ]  # fmt: skip
    prompts = [[{"role": "user", "content": [{"type": "image"}]}]] * 5
    for reward in (GAP, SUM):
        found = TextReward(reward, WORDS)(prompts=prompts, completions=forms, image_index=[0] * 5)
        assert torch.equal(found, TextReward(reward, WORDS)(said, [0] * 5))


@pytest.mark.parametrize(
    "completion",
    [
        None,
        7,
        [],
        ["a dog"],
        {"role": "assistant", "content": "a dog"},
        [{"role": "user", "content": "a dog"}],
        [{"role": "assistant"}],
        [{"role": "assistant", "content": None}],
        [{"role": "assistant", "content": []}],
        [{"role": "assistant", "content": [{"type": "image", "image": "a.png"}]}],
    ],
    ids=str,
)
def test_what_is_no_caption_is_shown(completion: Any) -> None:
    with pytest.raises(DataError, match="completion 1 holds no caption") as raised:
        TextReward(GAP)(["a dog", completion], [0, 0])
    assert repr(completion) in raised.value.what


def test_rewards_are_what_trl_makes_a_tensor_of() -> None:
    """As in its GRPOTrainer: a list, with None where a reward does not apply."""
    output = TextReward(GAP)(completions=STRINGS[:3], image_index=[0, 0, 0])
    made = [math.nan if value is None else value for value in output]
    assert torch.equal(torch.tensor(made, dtype=torch.float32), output)


def test_word_ids_are_put_where_the_reward_is() -> None:
    def shapes(tokens: torch.Tensor, image_index: torch.Tensor) -> torch.Tensor:
        assert tokens.device.type == image_index.device.type == "meta"
        assert tokens.dtype == torch.int64
        return tokens.sum(-1).float()

    found = TextReward(shapes, WORDS, device="meta")(STRINGS[:3], [0, 0, 1])
    assert found.shape == (3,) and found.device.type == "meta"


def test_clip_reads_words_that_the_vocabulary_lacks() -> None:
    record = WORLD.records[0]
    few = Vocabulary([word for word in WORDS.words[:3] if word != "UNK"])
    assert any(word not in few.words for word in record.captions[0].lower().split())
    found = TextReward(GAP, few)(STRINGS[:1], [0])
    torch.testing.assert_close(found, GAP(TOKENS[:1, :1], INDEX[:1])[0], atol=1e-5, rtol=0)


def test_calls_that_cannot_be_scored_are_named() -> None:
    with pytest.raises(DataError, match="2 captions but image positions"):
        TextReward(GAP)(STRINGS[:2], [0])
    with pytest.raises(DataError, match="image positions"):
        TextReward(GAP)("a dog", [0, 0, 0, 0, 0])
    with pytest.raises(DataError, match="no captions"):
        TextReward(GAP)([], [])
    for positions in ([None, 0], ["a", "b"], [[0], [1, 2]], [0.5, 1.0]):
        with pytest.raises(DataError, match="image positions"):
            TextReward(GAP)(STRINGS[:2], positions)
    with pytest.raises(ConfigError, match="vocabulary"):
        TextReward(CIDER)(STRINGS[:1], [0])


LEVELS = {level: TextReward(SUM, WORDS, level=level) for level in ("caption", "sentence")}


@settings(deadline=None, max_examples=15)
@given(st.lists(st.lists(st.integers(0, 59), min_size=1, max_size=4), min_size=1, max_size=6))
def test_by_sentence_a_caption_gets_the_mean_of_its_sentences(chosen: list[list[int]]) -> None:
    """In every term, with any number of sentences a caption, in any order of the batch."""
    owners = list(range(len(chosen)))
    said = [[f"{STRINGS[i]}." for i in rows] for rows in chosen]
    captions = [" ".join(sentences) for sentences in said]
    found = LEVELS["sentence"](captions, owners)
    alone = [LEVELS["caption"](said[o], [o] * len(said[o])).mean() for o in owners]
    torch.testing.assert_close(found, torch.stack(alone), atol=1e-5, rtol=0)
    backwards = LEVELS["sentence"](captions[::-1], owners[::-1]).flip(0)
    torch.testing.assert_close(found, backwards, atol=1e-5, rtol=0)
    assert found.dtype == torch.float32 and not found.requires_grad
    whole = LEVELS["caption"](captions, owners)
    single = torch.tensor([len(rows) == 1 for rows in chosen])
    torch.testing.assert_close(found[single], whole[single], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("caption", "read"),
    [
        ("a dog.  A cat!\nwho? me", ["a dog.", "A cat!", "who?", "me"]),
        ("a dog . . .", ["a dog . . ."]),
        ("a dog ... a cat . 2. ", ["a dog ...", "a cat ."]),
        ("a dog at 2.5 m e.g.this", ["a dog at 2.5 m e.g.this"]),
        ("1. a dog", ["1. a dog"]),
        ("ein Hund. \u4e00\u53ea\u72d7", ["ein Hund.", "\u4e00\u53ea\u72d7"]),
        (" ", [" "]),
        ("", [""]),
        ("?!", ["?!"]),
    ],
)
def test_where_a_sentence_ends(
    caption: str, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    encode = GAP.encoder.clip.encode_texts

    def listen(texts: list[str]) -> torch.Tensor:
        seen.append(list(texts))
        return encode(texts)

    monkeypatch.setattr(GAP.encoder.clip, "encode_texts", listen)
    found = TextReward(GAP, level="sentence")([caption, "a cat"], [3, 4])
    assert seen == [[*read, "a cat"]]  # all sentences of a batch at once
    alone = TextReward(GAP)([*read, "a cat"], [*[3] * len(read), 4])
    expected = torch.stack([alone[:-1].mean(), alone[-1]])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_words_after_those_that_clip_reads_count_only_by_sentence() -> None:
    long = " ".join(["a dog"] * 40) + ". "
    for level, counts in (("caption", False), ("sentence", True)):
        found = TextReward(GAP, level=level)([long + STRINGS[0], long + STRINGS[30]], [0, 0])
        assert bool((found[0] - found[1]).abs() > 1e-3) == counts, level


def test_levels_are_two_and_calls_are_checked_alike() -> None:
    with pytest.raises(ConfigError, match="unknown level 'word'"):
        TextReward(GAP, level="word")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no captions"):
        LEVELS["sentence"]([], [])
    assert TextReward(GAP).level == "caption"


def test_sentences_are_put_where_the_reward_is() -> None:
    def shapes(tokens: torch.Tensor, image_index: torch.Tensor) -> torch.Tensor:
        assert tokens.device.type == image_index.device.type == "meta" and len(tokens) == 3
        return tokens.sum(-1).float()

    reward = TextReward(shapes, WORDS, device="meta", level="sentence")
    found = reward(["a dog. a cat.", "a fox"], [0, 1])
    assert found.shape == (2,) and found.device.type == "meta"


def plain(tokens: torch.Tensor, image_index: torch.Tensor) -> torch.Tensor:
    return tokens.sum(-1).float()


def test_without_a_column_of_positions_it_is_asked_for() -> None:
    with pytest.raises(DataError, match="no image positions") as raised:
        TextReward(GAP)(prompts=["Describe it."], completions=STRINGS[:1])
    assert "column image_index" in raised.value.fix


@pytest.mark.parametrize("reward", [GAP, CIDER, SUM, plain], ids=["geg", "cider", "sum", "own"])
@pytest.mark.parametrize("position", [-1, 12])
def test_positions_outside_the_split_are_named(reward: Any, position: int) -> None:
    """A reward of one's own does not say how many images there are."""
    score = TextReward(reward, WORDS)
    for positions in ([0, position], torch.tensor([0, position])):
        if position == 12 and reward is plain:
            assert score(STRINGS[:2], positions).shape == (2,)
            continue
        with pytest.raises(DataError, match=f"position {position} is outside") as raised:
            score(STRINGS[:2], positions)
        assert ("0 and above" if reward is plain else "0 to 11") in raised.value.fix
    assert score(STRINGS[:2], [0, 11]).shape == (2,)


def test_a_truth_value_is_no_position() -> None:
    with pytest.raises(DataError, match=r"image positions \(2,\) of type torch.bool"):
        TextReward(GAP)(STRINGS[:2], [True, False])


def test_what_is_no_reward_for_each_caption_is_named() -> None:
    def one(tokens: torch.Tensor, image_index: torch.Tensor) -> torch.Tensor:
        return tokens.float().mean()

    with pytest.raises(ConfigError, match=r"reward 'one' gives a tensor of shape \(\)"):
        TextReward(one, WORDS, name="one")(STRINGS[:2], [0, 1])
    with pytest.raises(ConfigError, match="reward 'mine' gives a tensor"):
        TextReward(WeightedReward({"mine": (1.0, one)}), WORDS)(STRINGS[:2], [0, 1])

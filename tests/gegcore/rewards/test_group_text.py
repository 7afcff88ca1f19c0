"""Rewards over strings equal the rewards over word ids."""

from __future__ import annotations

from typing import Any

import pytest
import torch

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
    with pytest.raises(ConfigError, match="vocabulary"):
        TextReward(CIDER)(STRINGS[:1], [0])

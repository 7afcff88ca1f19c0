"""Rewards of captions given as strings, for captioners with a tokenizer of their own."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gegcore.data.vocabulary import Vocabulary
from gegcore.errors import ConfigError, DataError
from gegcore.rewards.cider import CiderD
from gegcore.rewards.group import ClipReward
from gegcore.rewards.reward import Reward, WeightedReward, check_reward

_POSITIONS = "pass a list of captions and one image position for each"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


class TextReward:
    """Any reward as a callable over strings: `reward(captions, image_index) -> (M,) float32`.

    CLIP reads the strings themselves, so words that the vocabulary lacks count in its terms;
    every other term (CIDEr-D) reads their word ids. The call has the form of a reward function of
    Hugging Face TRL: pass it in `reward_funcs`, with a column `image_index` in the data set. Of a
    conversation, the text of the assistant's last message is read.

    Args:
        vocabulary: of the ids that the other terms read; not needed by CLIP's.
        name: what TRL's logs call it.
        level: "caption" scores each caption whole, up to the 77 tokens that CLIP reads; "sentence"
            scores each sentence by itself, in every term, and a caption gets their mean. A sentence
            ends at `.`, `!` or `?` before white space, as an abbreviation does; one without a
            letter is left out.

    Raises:
        ConfigError: another level.
    """

    def __init__(
        self,
        reward: Reward,
        vocabulary: Vocabulary | None = None,
        device: torch.device | str = "cpu",
        name: str = "text_reward",
        level: Literal["caption", "sentence"] = "caption",
    ) -> None:
        if level not in ("caption", "sentence"):
            raise ConfigError(f"unknown level {level!r}", "use 'caption' or 'sentence'")
        self.level = level
        self.reward, self.vocabulary = reward, vocabulary
        self.device, self.__name__ = torch.device(device), name

    @torch.no_grad()
    def __call__(
        self,
        completions: Sequence[Any],
        image_index: Sequence[int] | Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """Score M captions of images at positions `image_index` `(M,)` of the training split.

        Args:
            completions: strings, or TRL's conversations: lists of messages, whose content is a
                string or a list of parts of type "text".

        Raises:
            DataError: no captions, one that is neither, not one position for each, or one outside
                the training split (of positions on a GPU that is not looked at).
            ConfigError: a reward over word ids without a vocabulary, or as `check_reward`.
        """
        index = self._positions(completions, image_index)
        captions = [_text(caption, row) for row, caption in enumerate(completions)]
        if self.level == "caption":
            return self._score(self.reward, captions, index)
        said = [(row, part) for row, caption in enumerate(captions) for part in _sentences(caption)]
        rows = torch.tensor([row for row, _ in said], device=self.device)
        scores = self._score(self.reward, [part for _, part in said], index[rows])
        means = scores.new_zeros(len(captions))
        return means.scatter_reduce(0, rows, scores, "mean", include_self=False)

    def _positions(self, completions: Sequence[Any], image_index: Any) -> Tensor:
        """Image positions `(M,)` of M completions, checked while the host still has them."""
        if image_index is None:
            fix = "add a column image_index to the data set: each row's position in the split"
            raise DataError("the captions have no image positions", fix)
        try:
            index = torch.as_tensor(image_index)
        except (TypeError, ValueError, RuntimeError) as error:
            raise DataError(f"image positions are no numbers: {error}", _POSITIONS) from error
        one_each = not isinstance(completions, str) and index.shape == (len(completions),)
        no_position = index.is_floating_point() or index.dtype == torch.bool
        if not one_each or (len(index) and no_position):
            given = f"image positions {tuple(index.shape)} of type {index.dtype}"
            raise DataError(f"{len(completions)} captions but {given}", _POSITIONS)
        if not len(completions):
            raise DataError("no captions to score", _POSITIONS)
        images = _images(self.reward)
        if index.device.type == "cpu":
            low, high = int(index.min()), int(index.max())
            if low < 0 or high >= images:
                what = f"image position {low if low < 0 else high} is outside the training split"
                last = f"0 to {images - 1:,.0f}" if math.isfinite(images) else "0 and above"
                raise DataError(what, f"give positions in the split, {last}, not ids of images")
        return index.to(self.device, torch.long)

    def _score(
        self, reward: Reward, captions: Sequence[str], index: Tensor, name: str = ""
    ) -> Tensor:
        if isinstance(reward, WeightedReward):
            parts = {
                name: self._score(term, captions, index, name)
                for name, (_, term) in reward.weighted.items()
            }
            return reward.combine(parts)
        if isinstance(reward, ClipReward):
            text = reward.encoder.clip.encode_texts(captions)
            return reward.score(text[:, None], index)[:, 0]
        tokens = self._ids(captions)[:, None]
        return check_reward(name or self.__name__, reward(tokens, index), tokens)[:, 0]

    def _ids(self, captions: Sequence[str]) -> Tensor:
        """Word ids `(M, T)`, each row ended by a 0."""
        if self.vocabulary is None:
            raise ConfigError(
                "a reward over word ids got strings", "pass TextReward the vocabulary of the ids"
            )
        rows = [torch.tensor([*self.vocabulary.encode(caption), 0]) for caption in captions]
        return pad_sequence(rows, batch_first=True).to(self.device)


def _images(reward: Reward) -> float:
    """Images that a reward knows; infinite of one that does not say."""
    if isinstance(reward, WeightedReward):
        return min((_images(term) for _, term in reward.weighted.values()), default=math.inf)
    if isinstance(reward, ClipReward):
        return len(reward.image_embeddings)
    return len(reward.ref_start) - 1 if isinstance(reward, CiderD) else math.inf


def _text(completion: Any, row: int) -> str:
    """What a completion of TRL says, in both of its forms."""
    said = completion
    if isinstance(said, list):
        messages = [message for message in said if isinstance(message, Mapping)]
        ours = [message for message in messages if message.get("role") == "assistant"]
        said = ours[-1].get("content") if ours else None
    if isinstance(said, list) and all(isinstance(p, Mapping) and "text" in p for p in said):
        said = "".join(str(part["text"]) for part in said) if said else None
    if not isinstance(said, str):
        raise DataError(
            f"completion {row} holds no caption: {repr(completion)[:200]}",
            "pass a string, or messages of which the assistant's have text as their content",
        )
    return said


def _sentences(caption: str) -> list[str]:
    """The sentences of a caption, at least one: the caption itself where it has no two."""
    parts = [part for part in _SENTENCE_END.split(caption) if any(map(str.isalpha, part))]
    return parts if len(parts) > 1 else [caption]

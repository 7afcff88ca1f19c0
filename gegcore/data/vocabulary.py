"""Words and their ids, in X-modaler's convention: one id 0 for begin, end and padding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from unicodedata import normalize

from gegcore.errors import DataError
from gegcore.storage import digest, read_json, write_json

UNKNOWN = "UNK"
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


def tokenize(text: str) -> list[str]:
    """Lower-case words of a caption, punctuation dropped: `"A dog's ball."` -> `a dog's ball`.

    Letters of any script; of languages without spaces a sentence is one word, so split it before.
    """
    return _WORD.findall(normalize("NFC", text).lower())


class Vocabulary:
    """Word <-> id table.

    Id 0 is BOS, EOS and PAD at once; `words[i]` has id `i + 1`, as in the vocabulary files of
    X-modaler (line n of the file is id n). The last word is UNK; without `adds_unknown` only if it
    is one of the words: else unknown words are left out.
    """

    end_id = 0

    def __init__(self, words: Sequence[str], adds_unknown: bool = True) -> None:
        if adds_unknown and (not words or words[-1] != UNKNOWN):
            words = [*words, UNKNOWN]
        if len(set(words)) != len(words):
            twice = [word for word, n in Counter(words).items() if n > 1]
            raise DataError(f"vocabulary lists words twice: {twice[:5]}", "list each word once")
        self.words = tuple(words)
        self._ids = {word: index + 1 for index, word in enumerate(self.words)}

    @classmethod
    def build(cls, captions: Iterable[str], min_count: int = 5) -> Vocabulary:
        """Keep words that occur `min_count` times, most frequent first; DataError without any."""
        counts = Counter(word for caption in captions for word in tokenize(caption))
        order = sorted(counts, key=lambda word: (-counts[word], word))
        kept = [word for word in order if counts[word] >= min_count]
        if not kept:
            what = f"no word occurs {min_count} times in the captions"
            raise DataError(what, "give more captions or lower min_count")
        return cls(kept)

    def __len__(self) -> int:
        """Number of ids, 0 included: the V of the models."""
        return len(self.words) + 1

    @property
    def forbidden(self) -> tuple[int, ...]:
        """Ids that no caption may have: that of UNK, where there is one."""
        return (self._ids[UNKNOWN],) if UNKNOWN in self._ids else ()

    @property
    def digest(self) -> str:
        return digest(self.words)

    def encode(self, text: str) -> list[int]:
        """Word ids of a caption, without the end token; unknown words become UNK, if there is."""
        unknown = self._ids.get(UNKNOWN, self.end_id)
        ids = (self._ids.get(word, unknown) for word in tokenize(text))
        return [index for index in ids if index != self.end_id]

    def decode(self, ids: Iterable[int]) -> str:
        """Words joined by blanks, up to the first 0."""
        said = takewhile(lambda index: index != self.end_id, ids)
        return " ".join(self.words[index - 1] for index in said)

    @classmethod
    def read(cls, path: Path | str) -> Vocabulary:
        """X-modaler's `vocabulary.txt`; DataError if it is missing, empty or not UTF-8."""
        fix = "give X-modaler's vocabulary.txt: one word a line, the word on line n has id n"
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read: {error}", fix) from error
        if not text.strip():
            raise DataError(f"{path} lists no words", fix)
        try:
            return cls([line.strip() for line in text.rstrip().splitlines()], adds_unknown=False)
        except DataError as error:
            raise DataError(f"{path}: {error.what}", error.fix) from error

    def save(self, path: Path | str) -> None:
        write_json(path, {"words": list(self.words), "digest": self.digest})

    @classmethod
    def load(cls, path: Path | str) -> Vocabulary:
        """Read what `save` wrote; DataError where it is missing, damaged or something else."""
        stored = read_json(path)
        if not isinstance(stored, dict) or not isinstance(stored.get("words"), list):
            raise DataError(f"{path} holds no vocabulary", 'expected {"words": [...]}')
        if stored.get("digest") != digest(stored["words"]):
            raise DataError(f"{path} was changed after it was written", "delete or restore it")
        return cls(stored["words"], adds_unknown=False)

"""A small byte-pair encoding for the words of the embedded world, in open_clip's file format."""

from __future__ import annotations

import gzip
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from open_clip.tokenizer import SimpleTokenizer

from gegcore.errors import DataError
from gegcore.storage import atomic_write

Merge = tuple[str, str]
Symbols = tuple[str, ...]


def count_pieces(texts: Iterable[str]) -> Counter[Symbols]:
    """Counts of words, digits and punctuation as open_clip's tokenizer splits them, as symbols."""
    tokenizer = SimpleTokenizer()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.pat.findall(tokenizer.clean_fn(text)))
    pieces: Counter[Symbols] = Counter()
    for word, count in counts.items():
        symbols = "".join(tokenizer.byte_encoder[b] for b in word.encode("utf-8"))
        pieces[(*symbols[:-1], f"{symbols[-1]}</w>")] += count
    return pieces


def learn_merges(pieces: Counter[Symbols], limit: int) -> list[Merge]:
    """Byte-pair encoding: merge the most frequent pair until every word is one symbol, or `limit`.

    Ties go to the pair that sorts first, so that the result depends on the counts alone.

    Source: Sennrich, Haddow and Birch (2016), "Neural Machine Translation of Rare Words with
    Subword Units"; as in CLIP (Sec. 3.1), on bytes with an end-of-word mark.
    """
    words = dict(pieces)
    merges: list[Merge] = []
    while len(merges) < limit:
        pairs: Counter[Merge] = Counter()
        for symbols, count in words.items():
            for pair in itertools.pairwise(symbols):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {
            (_merge(symbols, best) if best[0] in symbols else symbols): count
            for symbols, count in words.items()
        }
    return merges


def _merge(symbols: Symbols, pair: Merge) -> Symbols:
    """Join every occurrence of `pair`, from left to right."""
    joined: list[str] = []
    position = 0
    while position < len(symbols):
        if symbols[position : position + 2] == pair:
            joined.append(pair[0] + pair[1])
            position += 2
        else:
            joined.append(symbols[position])
            position += 1
    return tuple(joined)


def save_merges(path: Path | str, merges: Sequence[Merge]) -> None:
    """Write merges as open_clip reads them: gzip, one header line, no line end after the last."""
    text = "\n".join(['"bpe_scenes"', *(f"{left} {right}" for left, right in merges)])
    with atomic_write(path, "wb") as stream:
        # A fixed time stamp: equal merges give equal bytes.
        stream.write(gzip.compress(text.encode("utf-8"), mtime=0))


def load_tokenizer(path: Path | str, context_length: int) -> SimpleTokenizer:
    """open_clip's tokenizer with the merges of `path`.

    Raises:
        DataError: the file is missing or is not a gzip file of merges.
    """
    try:
        return SimpleTokenizer(bpe_path=str(path), context_length=context_length)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{path} holds no BPE merges: {error}", "install gegcore again or train its CLIP"
        ) from error

"""What a user should be told of texts that were scored all the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

from gegcore.errors import some

_SPECIAL = re.compile(r"<[|/｜]?\w[\w▁-]*[|｜]?>|\[/?[A-Z]{2,}\]|\b(?:UNK|startseq|endseq)\b")
"""What tokenizers put around captions: <|endoftext|>, </s>, <pad>, [SEP], endseq."""


def of_texts(file: str, texts: Sequence[str], tokenizer: Any) -> list[str]:
    """Remarks on the texts of a file: special tokens, no words, more words than CLIP reads.

    Args:
        tokenizer: of CLIP; None where it was not asked.
    """
    said = _special_tokens(file, texts)
    if mute := sum(not any(map(str.isalnum, text)) for text in texts):
        said.append(f"{file}: {mute:,} of {len(texts):,} texts hold no word. They score 0 by words")
    if cut := sum(_is_cut(tokenizer, text) for text in texts) if tokenizer else 0:
        said.append(
            f"{file}: {cut:,} of {len(texts):,} texts are longer than CLIP reads "
            f"({tokenizer.context_length} tokens, start and end included) and were cut"
        )
    return said


def not_needed(file: str, count: int) -> list[str]:
    """A remark on references of images that nobody captioned."""
    return [f"{file}: references of {count:,} images without captions were not needed"] * (
        count > 0
    )


def _is_cut(tokenizer: Any, text: str) -> bool:
    """Whether a text has more tokens than CLIP's text tower has places."""
    most = int(tokenizer.context_length)
    if len(text.encode(errors="replace")) + 2 <= most:  # a token is a byte at least
        return False
    if hasattr(tokenizer, "encode"):
        return len(tokenizer.encode(text)) + 2 > most
    return len(tokenizer.tokenizer(text)["input_ids"]) > most  # of Hugging Face, both included


def _special_tokens(file: str, texts: Sequence[str]) -> list[str]:
    """A remark if decoding has left tokens that are no words."""
    found = [tokens for text in texts if (tokens := _SPECIAL.findall(text))]
    if not found:
        return []
    kinds = some([f"{n:,} {kind}" for kind, n in Counter(chain(*found)).most_common()])
    return [
        f"{file}: {len(found):,} of {len(texts):,} texts hold special tokens of a tokenizer "
        f"({kinds}). They are scored as words, which costs CIDEr, BLEU, METEOR and ROUGE-L: decode "
        "without them"
    ]

"""A line beside every score that says how it was computed, as sacreBLEU prints one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gegcore import __version__

_OF_EMBEDDINGS = re.compile(r"CLIP|GEG|R@")
_OF_GROUPS = re.compile(r"GEG|bag|CIDErBtw|DisWordRate")


def signature_line(metric: str, signature: Mapping[str, Any], references: str = "") -> str:
    """Everything that another evaluation must share to be comparable, in one line.

    Args:
        metric: its name.
        signature: of the evaluation.
        references: digest of the references, which decide the split.
    """
    parts = [metric]
    if own := _own(metric, signature):
        parts.append(own)
    of_embeddings, of_groups = _OF_EMBEDDINGS.search(metric), _OF_GROUPS.search(metric)
    if not of_embeddings:
        parts.append(f"tok:{signature.get('tokenizer')}")
    if of_embeddings or of_groups:
        parts.append(f"clip:{signature.get('clip')}@{signature.get('clip_digest')}")
    if of_groups:
        parts.append(f"K:{signature.get('K')}")
    parts.append(f"N:{signature.get('captions')}")
    if references:
        parts.append(f"refs:{references}")
    parts.append(f"gegcore:{__version__}")
    return "|".join(parts)


def _own(metric: str, signature: Mapping[str, Any]) -> str:
    """What the metric's own program says: of R@5 under R@K, of BLEU-4 under BLEU."""
    names = (metric, re.sub(r"@\d+", "@K", metric), re.sub(r"-\d+$", "", metric))
    return next((str(signature[name]) for name in names if name in signature), "")

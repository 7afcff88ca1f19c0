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
    # What its own program says: of R@5 under R@K, of BLEU-4 under BLEU.
    names = (metric, re.sub(r"@\d+", "@K", metric), re.sub(r"-\d+$", "", metric))
    own = next((signature[name] for name in names if name in signature), None)
    of_embeddings, of_groups = _OF_EMBEDDINGS.search(metric), _OF_GROUPS.search(metric)
    clip = f"{signature.get('clip')}@{signature.get('clip_digest')}"
    parts = {
        "tok": None if of_embeddings else signature.get("tokenizer"),
        "clip": clip if of_embeddings or of_groups else None,
        "K": signature.get("K") if of_groups else None,
        "N": signature.get("captions"),
        "refs": references or None,
        "gegcore": __version__,
    }
    said = [f"{name}:{value}" for name, value in parts.items() if value is not None]
    return "|".join([metric, *([str(own)] if own else []), *said])

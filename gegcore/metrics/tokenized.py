"""Captions and references that can be scored: checked, tokenised once for every metric of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from pycocoevalcap.cider.cider_scorer import precook

from gegcore.errors import DataError, some
from gegcore.metrics import ptb


@dataclass(frozen=True)
class Tokenized:
    """M captions and their references, as lower-case tokens joined by blanks.

    Attributes:
        captions: one an image; may be empty.
        references: of each image, at least one, none of them empty.
    """

    captions: list[str]
    references: list[list[str]]

    @property
    def unweighted(self) -> str | None:
        """Why CIDEr has no value here, if it has none.

        An n-gram in the references of every image has the idf log 1 = 0. Where all images have the
        same n-grams, as one image always does, every caption would score 0.
        """
        grams = ({*chain.from_iterable(map(precook, each))} for each in self.references)
        first = next(grams)
        if any(first != others for others in grams):
            return None
        return "no n-gram has a weight: idf needs references of several images that differ"


def tokenize_captions(
    hypotheses: Mapping[Any, str], references: Mapping[Any, Sequence[str]]
) -> Tokenized:
    """Tokenise one caption per image and its references, both as written.

    References without a word (punctuation only) are left out.

    Raises:
        DataError: see `check_captions`; or the references of an image hold no word.
        ToolError: the tokenizer failed.
    """
    check_captions(hypotheses, references)
    written = [references[image] for image in hypotheses]
    tokens = iter(ptb.tokenize([*hypotheses.values(), *chain.from_iterable(written)]))
    candidates = list(islice(tokens, len(hypotheses)))
    said = [
        [caption for caption in islice(tokens, len(group)) if caption.strip()] for group in written
    ]
    if empty := [image for image, captions in zip(hypotheses, said, strict=True) if not captions]:
        what = f"the references of {len(empty)} images hold no word: {some(map(repr, empty))}"
        raise DataError(what, "give each image a reference with at least one word")
    return Tokenized(candidates, said)


def check_captions(hypotheses: Mapping[Any, str], references: Mapping[Any, Sequence[str]]) -> None:
    """Refuse captions that cannot be scored, and say which.

    Raises:
        DataError: no captions, ids that differ, a caption that is not a string, an image without
            references.
    """
    if not hypotheses:
        raise DataError("there are no captions to score", "pass at least one caption")
    if missing := [image for image in hypotheses if image not in references]:
        what = f"{len(missing)} captioned images have no references: {some(map(repr, missing))}"
        raise DataError(what, "caption the images of this split only, with ids of the same type")
    if extra := [image for image in references if image not in hypotheses]:
        what = f"{len(extra)} images with references have no caption: {some(map(repr, extra))}"
        raise DataError(what, "caption every image, or drop these references")
    for image, caption in hypotheses.items():
        captions = references[image]
        if isinstance(captions, str) or len(captions) == 0:
            what = f"image {image} has no list of references: {captions!r}"
            raise DataError(what, "give at least one reference caption, in a list")
        for kind, text in [("caption", caption), *(("reference", text) for text in captions)]:
            if not isinstance(text, str):
                wrong = f"is not a string but {type(text).__name__}: {text!r:.60}"
                raise DataError(f"the {kind} of image {image} {wrong}", "write captions as text")

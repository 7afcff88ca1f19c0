"""Penn Treebank tokens of the COCO caption evaluation: by its Java program, or without Java."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from nltk.tokenize.treebank import TreebankWordTokenizer
from pycocoevalcap.tokenizer import ptbtokenizer

from gegcore.errors import ToolError
from gegcore.metrics.java import java_problem, run_java

_JAR = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
_PUNCTUATION = frozenset(ptbtokenizer.PUNCTUATIONS)

SIGNATURE = "PTBTokenizer, Stanford CoreNLP 3.4.1, lower case, no punctuation"
"""Of the Java program, which published scores come from."""

SIGNATURE_WITHOUT_JAVA = "NLTK's Treebank tokenizer for want of Java, lower case, no punctuation"


def tokenize(captions: Sequence[str]) -> list[str]:
    """Lower-case Penn Treebank tokens of each caption, punctuation dropped, joined by blanks.

    With Java the same tokens as pycocoevalcap's `PTBTokenizer`, without it nearly the same: they
    differ in 4 of the 25,010 references of COCO's Karpathy test split. A line break inside a
    caption, of whatever kind, counts as a blank.

    Raises:
        ToolError: the Java program failed.
    """
    lines = [" ".join(caption.splitlines()) for caption in captions]
    return tokenize_without_java(lines) if java_problem() else _tokenize_with_java(lines)


def _tokenize_with_java(lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    output = run_java(
        "the PTB tokenizer",
        [
            "-XX:TieredStopAtLevel=1",  # The quick compiler: it runs for less than two seconds.
            *("-cp", str(_JAR), "edu.stanford.nlp.process.PTBTokenizer"),
            *("-preserveLines", "-lowerCase"),
        ],
        "\n".join(lines),
    )
    tokenized = output.split("\n")
    if len(tokenized) != len(lines):
        what = f"the PTB tokenizer returned {len(tokenized)} lines for {len(lines)} captions"
        raise ToolError(what, "look for control characters in the captions")
    return [_without_punctuation(line.rstrip().split(" ")) for line in tokenized]


def _without_punctuation(words: Iterable[str]) -> str:
    return " ".join(word for word in words if word not in _PUNCTUATION)


_TREEBANK = TreebankWordTokenizer()
# What Stanford's tokenizer does and NLTK's does not, as far as captions show it.
_ASCII = str.maketrans({"‘": "`", "’": "'", "“": '"', "”": '"', "–": "--", "—": "--", "…": "..."})
_LOOSE_MARKS = re.compile(
    r"-+(?!\S)|(?<!\S)-+(?=[a-z])|\.{2,}|`|(?<!\S)'+(?!s\b|n'|\d\ds?\b|tis\b|twas\b)"
)
_ABBREVIATION = r"(?<!')\b(?:\w|ave|blvd|dr|etc|ft|jr|mr|mrs|mt|rd|st|vs)\."
_FINAL_DOT = re.compile(rf"(?:({_ABBREVIATION})|\.)(?=[\"'\])]*(?:\s|$))")


def tokenize_without_java(captions: Sequence[str]) -> list[str]:
    """As `tokenize` without Java, on any machine. Brackets become -lrb- and the like, too."""
    tokenized = []
    for caption in captions:
        text = _LOOSE_MARKS.sub(" ", caption.lower().translate(_ASCII))
        # With a full stop of ours behind it, the dot of a last abbreviation is not taken for one.
        text = _FINAL_DOT.sub(r"\1 ", text) + " ."
        words = _TREEBANK.tokenize(text, convert_parentheses=True)
        tokenized.append(_without_punctuation(word.lower() for word in words))
    return tokenized

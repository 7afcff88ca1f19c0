"""The PTB tokenizer of the COCO caption evaluation, without its files in the package folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pycocoevalcap.tokenizer import ptbtokenizer

from gegcore.errors import ToolError
from gegcore.metrics.java import run_java

_JAR = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
_PUNCTUATION = frozenset(ptbtokenizer.PUNCTUATIONS)

SIGNATURE = "PTBTokenizer, Stanford CoreNLP 3.4.1, lower case, no punctuation"


def tokenize(captions: Sequence[str]) -> list[str]:
    """Lower-case Penn Treebank tokens of each caption, punctuation dropped, joined by blanks.

    The same tokens as pycocoevalcap's `PTBTokenizer`. A line break inside a caption, of whatever
    kind, counts as a blank: the tokenizer works line by line.

    Raises:
        MissingDependencyError: no Java.
        ToolError: the tokenizer failed.
    """
    if not captions:
        return []
    lines = [" ".join(caption.splitlines()) for caption in captions]
    output = run_java(
        "the PTB tokenizer",
        [
            "-cp",
            str(_JAR),
            "edu.stanford.nlp.process.PTBTokenizer",
            "-preserveLines",
            "-lowerCase",
        ],
        "\n".join(lines),
        # The quick compiler: the program runs for less than two seconds.
        options=("-XX:TieredStopAtLevel=1",),
    )
    tokenized = output.split("\n")
    if len(tokenized) != len(lines):
        raise ToolError(
            f"the PTB tokenizer returned {len(tokenized)} lines for {len(lines)} captions",
            "look for control characters in the captions",
        )
    return [_without_punctuation(line) for line in tokenized]


def _without_punctuation(line: str) -> str:
    return " ".join(word for word in line.rstrip().split(" ") if word not in _PUNCTUATION)

"""Pages of the book that are hand-written prose with computed parts put into it.

A source, such as those of the seven captioners in `book/models/`, holds marks such as
`<!-- diagram: updown -->`; each is replaced when the book is rendered, so that no number, line
number or picture on a page can be out of date.

| mark | becomes |
|---|---|
| `diagram: NAME` | a drawing of `model_diagrams` |
| `code: MODULE SYMBOL NAME...` | the lines that compute an equation, marked in their function |
| `sizes: MODEL` | its settings, as published and in the profile of the book |
| `attention: MODEL` | pictures of stored attention, or how to make them |
| `results: PROFILE OBJECTIVE` | stored results of all captioners |
| `objectives: PROFILE MODEL` | stored results of all objectives |
| `metrics: PROFILE MODEL OBJECTIVE...` | every metric of stored runs |
| `judged: PROFILE OBJECTIVE...` | what each judge says of stored runs of all captioners |
| `signatures: PROFILE MODEL OBJECTIVE` | the programs and options behind them |
| `recipes: OBJECTIVE` | how X-modaler trains them, `mle` or `scst` |
| `speed: BENCHMARK` | what a benchmark measured |
| `parameters: MODEL`, `published: MODEL` | counts at paper size: ours, X-modaler's |
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch

from bookkit.report import attention_figure as looks
from bookkit.report.attention import ATTENDING, AttentionRecord, command, read_attention
from bookkit.report.code_lines import CodeLines, find_lines, ranges
from bookkit.report.diagram_style import STYLE as DIAGRAM_STYLE
from bookkit.report.frontpage import badge_html, short
from bookkit.report.model_diagrams import DIAGRAMS
from bookkit.report.page import Cell, Row, table
from bookkit.report.recipes import recipe_table
from bookkit.report.speed import speed_table
from gegcore.data.features import InputSizes
from gegcore.errors import DataError
from gegcore.models import ARCHITECTURES, build_captioner
from gegcore.profiles import Profile
from gegcore.storage import write_text

PAPER_VOCABULARY = 10_200
PAPER_INPUTS = InputSizes(regions=2048, pooled=2048, attributes=1000, relations=21)

PUBLISHED = {
    "lstm_a3": 32_419_800,
    "attention": 36_638_680,
    "updown": 53_424_088,
    "gcn_lstm": 72_872_942,
    "transformer": 55_644_632,
    "meshed_memory": 38_421_464,
    "xlan": 76_648_669,
}
"""Model -> parameters, counted by building it with X-modaler (ed1f559) from its published yaml."""

_MARK = re.compile(r"<!-- (\w+): (.*?) -->")


MARKED = ("models/*.md", "speed.md")
"""Sources with marks, below `book/`."""


def write_marked_pages(profile: Profile, root: Path, folder: Path) -> None:
    """Fill in every page of `root/book/` that has marks, and write it below `folder`.

    Raises:
        DataError: a mark names code, a drawing or a model that does not exist; a stored record
            of attention is damaged.
    """
    book = root / "book"
    for source in sorted(path for pattern in MARKED for path in book.glob(pattern)):
        text = source.read_text(encoding="utf-8")
        page = MarkedPage(profile, root / "results")
        try:
            filled = page.fill(text)
        except DataError as error:
            raise DataError(f"{source.name}: {error.what}", error.fix) from error
        write_text(folder / source.relative_to(book), filled)


class MarkedPage:
    """Replaces the marks of one page.

    Args:
        profile: of the book.
        stored: folder of results and of records of attention.
    """

    def __init__(self, profile: Profile, stored: Path) -> None:
        self.profile, self.stored = profile, stored
        self.style = DIAGRAM_STYLE  # the first drawing of the page brings it
        self.makers: dict[str, Callable[[str], str]] = {
            "diagram": self._diagram,
            "code": lambda what: code_block(find_lines(*what.split())),
            "sizes": lambda model: sizes_table(known(model), self.profile),
            "attention": lambda model: attention_part(known(model), self.stored / "attention"),
            "recipes": lambda objective: _one_line(recipe_table(objective)._repr_html_()),
            "speed": lambda name: _one_line(
                speed_table(name, self.stored / "benchmarks")._repr_html_()
            ),
            "parameters": lambda model: f"{parameter_count(known(model)):,}",
            "published": lambda model: f"{PUBLISHED[known(model)]:,}",
        }

    def fill(self, text: str) -> str:
        """The text with each mark replaced.

        Raises:
            DataError: an unknown mark, or one that names what does not exist.
        """
        return _MARK.sub(self._replace, text)

    def _replace(self, found: re.Match[str]) -> str:
        mark, what = found.groups()
        if mark not in self.makers:
            raise DataError(f"unknown mark {mark!r}", f"use one of: {', '.join(self.makers)}")
        return self.makers[mark](what)

    def _diagram(self, name: str) -> str:
        if name not in DIAGRAMS:
            raise DataError(f"there is no drawing {name!r}", f"use: {', '.join(DIAGRAMS)}")
        style, self.style = self.style, ""
        return style + DIAGRAMS[name].figure()


def known(model: str) -> str:
    """The name of a model itself.

    Raises:
        DataError: there is no such model.
    """
    if model not in ARCHITECTURES:
        raise DataError(f"there is no model {model!r}", f"use: {', '.join(ARCHITECTURES)}")
    return model


def code_block(lines: CodeLines) -> str:
    """A fold with a function and, marked in it, the lines that are meant."""
    name = lines.path.rpartition("/")[2]
    where = f"line{'s' if len(lines.meant) > 1 else ''} {ranges(lines.meant)}"
    whole = len(lines.meant) == lines.last - lines.first + 1
    marked = ",".join(str(line - lines.first + 1) for line in lines.meant)
    emphasis = "" if whole else f":emphasize-lines: {marked}\n"
    return (
        f":::{{dropdown}} `{name}`, {where}: `{lines.symbol}`\n"
        f"```{{literalinclude}} /{lines.path}\n:language: python\n:lineno-match:\n"
        f":lines: {lines.first}-{lines.last}\n{emphasis}```\n:::"
    )


def sizes_table(model: str, profile: Profile) -> str:
    """Settings of a model: the published value, the profile's where it differs, what it is."""
    fields = ARCHITECTURES[model].Config.model_fields
    chosen = profile.models.get(model, {})
    rows = []
    for name, field in fields.items():
        here = chosen.get(name, field.default)
        changed = here != field.default
        rows.append(
            Row(
                name,
                [
                    Cell(_value(field.default)),
                    Cell(_value(here), kind="geg-best" if changed else ""),
                    Cell(field.description or "", kind="geg-text"),
                ],
            )
        )
    caption = (
        f"Published: X-modaler's settings, the defaults of the code. {profile.name}: this book's "
        "profile; bold where it differs."
    )
    made = table(("published", profile.name, "what it is"), rows, caption, corner="setting")
    return _one_line(made._repr_html_())


def _value(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value:g}"


def attention_part(model: str, stored: Path) -> str:
    """Pictures of where a model looks, with the run that they come from."""
    record = read_attention(stored, model) if model in ATTENDING else None
    if record is None:
        if model not in ATTENDING:
            return ""
        return (
            "No example is stored yet. Train the model, then take two from its run:\n\n"
            f"```console\n$ {command(model)}\n```"
        )
    figures = "".join(
        looks.attention_figure(example, f"{model}{number}")
        for number, example in enumerate(record.examples)
    )
    return f"{looks.STYLE}{_origin(record)}{figures}"


def _origin(record: AttentionRecord) -> str:
    return badge_html(
        {
            "run": record.run,
            "profile": record.profile,
            "trained": record.trained[:10],
            "commit": short(record.git_revision) or "not in git",
            "checkpoint": record.checkpoint_sha256[:8],
        }
    )


def parameter_count(model: str) -> int:
    """Parameters at paper size; the model is built without its numbers (torch's meta device)."""
    with torch.device("meta"):
        captioner = build_captioner(model, PAPER_VOCABULARY, PAPER_INPUTS)
    return sum(parameter.numel() for parameter in captioner.parameters())


def _one_line(text: str) -> str:
    """HTML without line ends: a blank line would end it in Markdown."""
    return " ".join(text.split("\n"))

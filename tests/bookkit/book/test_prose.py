"""Hand-written pages: what they include and name exists; no build is needed to see it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

from bookkit.report.says import says
from gegcore.errors import DataError
from gegcore.models import ARCHITECTURES

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = re.findall(
    r'"(\w+)"', re.findall("root_packages = .*", (ROOT / "pyproject.toml").read_text())[0]
)
PAGES = sorted(p for p in (ROOT / "book").rglob("*.md") if "generated" not in p.parts)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MODELS = ROOT / "book" / "models"
CAPTIONERS = sorted(page.stem for page in MODELS.glob("*.md") if page.stem != "captioners")
INCLUDE = re.compile(r"```{literalinclude} (\S+)\n(.*?)```", re.S)


def options(text: str) -> dict[str, str]:
    return {name: value.strip() for name, value in re.findall(r"^:([\w-]+):(.*)$", text, re.M)}


def source_of(path: Path, dotted: str) -> str:
    """Text of a function or class of a file, by its name."""
    text = path.read_text(encoding="utf-8")
    node: ast.AST = ast.parse(text)
    for name in dotted.split("."):
        named = {getattr(child, "name", ""): child for child in ast.iter_child_nodes(node)}
        assert name in named, f"{path.name} has no {dotted}"
        node = named[name]
    return ast.get_source_segment(text, node) or ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_included_piece_of_code_exists(page: Path) -> None:
    for name, block in INCLUDE.findall(page.read_text(encoding="utf-8")):
        chosen = options(block)
        path = page.parent / name
        code = path.read_text(encoding="utf-8")
        if "pyobject" in chosen:
            code = source_of(path, chosen["pyobject"])
        for option in ("start-at", "start-after", "end-at", "end-before"):
            assert chosen.get(option, "") in code, f"{name}: {option} {chosen[option]}"


def test_every_page_of_a_captioner_has_a_drawing_and_the_overview_links_it() -> None:
    overview = (MODELS / "captioners.md").read_text(encoding="utf-8")
    assert CAPTIONERS and set(CAPTIONERS) <= set(ARCHITECTURES)
    for model in CAPTIONERS:
        text = (MODELS / f"{model}.md").read_text(encoding="utf-8")
        assert f":file: ../_static/models/{model}.svg" in text
        assert f"({model}.md)" in overview
        assert re.search(r"{cite}`\w+`", text)


@pytest.mark.parametrize("model", CAPTIONERS)
def test_every_equation_of_a_captioner_has_its_code_below_it(model: str) -> None:
    text = (MODELS / f"{model}.md").read_text(encoding="utf-8")
    after = re.split(r"^\$\$\n.*?^\$\$\n", text, flags=re.M | re.S)[1:]
    assert after
    for rest in after:
        assert re.match(r"\s*:::{dropdown} `\w+\.py`: `[\w.]+`\n```{literalinclude}", rest), rest[
            :80
        ]


@pytest.mark.parametrize("page", ["README.md", "book/layout.md"])
def test_every_path_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`([\w./]+)`", text)
    tops = {path.name for path in ROOT.iterdir()} - {"runs", "artifacts", "_build"}
    paths = [name for name in named if name.split("/")[0] in tops and "/" in name]
    missing = [name for name in paths if not (ROOT / name).exists()]
    assert paths and missing == []


def test_every_room_of_the_packages_is_on_the_layout_page() -> None:
    text = (ROOT / "book" / "layout.md").read_text(encoding="utf-8")
    rooms = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).iterdir()
        if (path / "__init__.py").is_file()
    ]
    assert [room for room in rooms if f"`{room}/" not in text] == []


RESULT = re.compile(
    r"\b(rais\w+|ris(es|e|ing)|rose|falls?|fell|gain(s|ed)|los(es|t|e)|collaps\w+|improv\w+"
    r"|outperform\w*|beats?|higher|lower|better|worse|wins?|won|works|agree[sd]?)\b"
)
NUMBER = re.compile(
    r"\d|\b(two|three|four|five|six|seven|all|none|every|each|twice|half|third|quarter|most)\b"
)
# Not results of ours: the paper's, other people's, definitions, questions, what to do.
NOT_OURS = re.compile(
    r"\bpaper|{cite}|X-modaler|COCO|COCO's|photograph|\?$|\b(if|whether|how|would|must|needs?|may|"
    r"could|takes? the|counts?|says? (that|which|what))\b|^\W*(it )?\*(holds|fails)\*", re.I
)  # fmt: skip
# Sentences that only look like one: they say how something is chosen, drawn or computed.
ALLOWED = (
    "Of the pictures that the last caption finds, this is the one whose rank improved most",
    "4 · Learn Captions better than the captioner's own choice",
    "with the greedy caption as baseline they all tend to beat it",
    "The upper part is computed once for each image",
    "The set of captions leads to the pictures of highest score",
    "where all are the same, none is better than another",
    "A method that gains R@1 by giving up CIDEr moves up and to the left.",
    "drawn at random, most improved, and most worsened.",
    "And, because such a choice always flatters, those whose rank fell most.",
    "Rates of schedule *noam* rise to",
)
# Of people, not of the world's annotators.
PEOPLE = ("Ask five people",)


def prose_of(path: Path) -> str:
    """Text without code, equations, tables, HTML and what code includes."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    else:
        text = path.read_text(encoding="utf-8")
    for pattern in (r"^(```+|:::+).*?^\1$", r"\$\$.*?\$\$", r"^\|.*$", r"<[^>]+>", r"`[^`]*`"):
        text = re.sub(pattern, " ", text, flags=re.M | re.S if "|.*$" not in pattern else re.M)
    return text


def typed_results(text: str) -> list[str]:
    """Sentences that seem to state a result of ours, with a number, in typed words."""
    sentences = re.split(r"(?<=[.?!:;])\s+|\n\s*\n|\n\s*- ", text)
    flat = (re.sub(r"\s+", " ", sentence).strip() for sentence in sentences)
    return [s for s in flat if RESULT.search(s) and NUMBER.search(s) and not NOT_OURS.search(s)]


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda path: path.stem)
def test_results_are_said_by_code(path: Path) -> None:
    """Results are made by `bookkit.report.says`, or by cells and parts that are filled in."""
    stated = prose_of(path).partition("## Exercises")[0]  # those suppose, and state nothing
    found = [s for s in typed_results(stated) if not s.startswith(ALLOWED)]
    assert found == [], "make it with bookkit.report.says, or say whose result it is"


def test_a_typed_result_is_found() -> None:
    typed = "GEG raises R@1 by 5 points. In the paper it rises by 7. It works for all captioners."
    assert typed_results(typed) == [
        "GEG raises R@1 by 5 points.",
        "It works for all captioners.",
    ]


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda path: path.stem)
def test_annotators_of_the_world_are_not_called_people(path: Path) -> None:
    said = [re.sub(r"\s+", " ", s) for s in re.split(r"(?<=[.?!])\s+", prose_of(path))]
    found = [s for s in said if "people" in s.lower() and not s.startswith(PEOPLE)]
    assert found == [], "of this world say: simulated annotators"


def test_says_or_stops_the_build() -> None:
    assert says(True, "up") == "up" and says(False, "up", "down") == "down"
    with pytest.raises(DataError, match="no longer say: up"):
        says(False, "up")


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda path: path.stem)
def test_what_a_page_cites_links_or_takes_from_the_glossary_exists(path: Path) -> None:
    """The build stops for these, too, but an hour later."""
    known = re.findall(r"^@\w+\{(.+),", (ROOT / "book" / "references.bib").read_text("utf-8"), re.M)
    glossary = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    terms = {term.lower() for term in re.findall(r"^(\S.*)\n  \S", glossary, re.M)}
    text = path.read_text(encoding="utf-8")
    if path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    cited = {key for keys in re.findall(r"\{cite\}`([^`]+)`", text) for key in keys.split(",")}
    named = {re.sub(r".*<(.+)>", r"\1", term) for term in re.findall(r"\{term\}`([^`]+)`", text)}
    gone = [f"cite {key}" for key in cited - {*known}]
    gone += [f"term {term}" for term in named if " ".join(term.lower().split()) not in terms]
    generated = ROOT / "book" / "generated"  # Where notebooks are pages of the book.
    for link in re.findall(r"\]\(([^)#\s:]+\.(?:md|ipynb))\)", text):
        page = ((generated if path in NOTEBOOKS else path.parent) / link).resolve()
        source = NOTEBOOKS[0].with_name(page.name) if page.parent == generated else page
        gone += [f"link {link}"] * (not source.exists())
    assert gone == []

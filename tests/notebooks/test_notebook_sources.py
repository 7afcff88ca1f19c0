"""The notebooks as committed: stripped, short, prose first, and each complete in itself."""

from __future__ import annotations

import ast
import builtins
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONGEST, MOST = 15, 15  # lines of a cell, code cells of a notebook


def cells(path: Path, kind: str = "code") -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_they_are_numbered_in_reading_order() -> None:
    assert [int(path.stem[:2]) for path in NOTEBOOKS] == list(range(len(NOTEBOOKS)))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    def test_is_valid_and_stripped(self, path: Path) -> None:
        book = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        nbformat.validate(book)
        assert (book.nbformat, book.nbformat_minor) == (4, 5)
        assert book.metadata.kernelspec.name == "python3"
        for cell in cells(path):
            assert cell.outputs == [] and cell.execution_count is None

    def test_is_short(self, path: Path) -> None:
        assert len(cells(path)) <= MOST
        for cell in cells(path):
            assert len(cell.source.splitlines()) <= LONGEST, cell.source

    def test_says_what_it_does_before_it_does_it(self, path: Path) -> None:
        book = nbformat.read(path, as_version=4).cells
        assert book[0].source.startswith("# ")
        headings = [line for cell in cells(path, "markdown") for line in cell.source.splitlines()]
        assert sum(line.startswith("# ") for line in headings) == 1
        for before, cell in zip(book, book[1:], strict=False):
            assert "markdown" in (before.cell_type, cell.cell_type), cell.source

    def test_has_one_parameters_cell_that_explains_each(self, path: Path) -> None:
        (tagged,) = [c for c in cells(path) if "parameters" in c.metadata.get("tags", [])]
        assert tagged == cells(path)[0]
        lines = tagged.source.splitlines()
        for name, found in papermill.inspect_notebook(str(path)).items():
            line = next(i for i, text in enumerate(lines) if text.startswith(f"{name} = "))
            assert found["help"] or lines[line - 1].startswith("# "), name

    def test_shows_the_profile_that_the_book_is_made_from(self, path: Path) -> None:
        assert papermill.inspect_notebook(str(path))["profile"]["default"] == '"quick"'

    def test_imported_names_exist(self, path: Path) -> None:
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom):
                module = __import__(node.module or "", fromlist=["*"])
                assert all(hasattr(module, alias.name) for alias in node.names), node.module

    def test_needs_no_name_that_it_does_not_define(self, path: Path) -> None:
        """Every name is an import, an assignment, an argument or a built-in of this notebook."""
        bound = {*dir(builtins), "display", "get_ipython"}
        for node in nodes(path):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                bound.add(node.id)
            elif isinstance(node, ast.alias):
                bound.add((node.asname or node.name).split(".")[0])
            elif isinstance(node, ast.arg):
                bound.add(node.arg)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                bound.add(node.name)
        read = {n.id for n in nodes(path) if isinstance(n, ast.Name)}
        assert read <= bound, read - bound


def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse("\n".join(cell.source for cell in cells(path)))))


def test_the_build_can_say_which_run_to_train() -> None:
    known = papermill.inspect_notebook(str(FOLDER / "03_train.ipynb"))
    assert {"profile", "model", "objective", "seed"} <= known.keys()
    wanted = {"K", "alpha", "beta", "gap", "epochs", "learning_rate"}
    assert {known[name]["default"] for name in wanted} == {"None"}

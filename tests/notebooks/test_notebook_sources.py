"""The notebooks as committed: stripped, short, prose first, valid, and fit for the book."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

from bookkit.batch import PARAMETERS_TAG, notebook_parameters
from bookkit.dag import notebook_code

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_the_story_is_complete() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "00_start", "01_world", "02_groups", "03_train", "04_results", "05_judges",
    ]  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    def test_is_valid_and_stripped(self, path: Path) -> None:
        book = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        nbformat.validate(book)
        assert (book.nbformat, book.nbformat_minor) == (4, 5)
        assert book.metadata.kernelspec.name == "python3"
        for cell in book.cells:
            if cell.cell_type == "code":
                assert cell.outputs == [] and cell.execution_count is None

    def test_is_short_and_says_what_it_does_first(self, path: Path) -> None:
        cells = nbformat.read(path, as_version=4).cells
        assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
        assert sum(cell.cell_type == "code" for cell in cells) <= 15
        headings = [line for cell in cells if cell.cell_type == "markdown"
                    for line in cell.source.splitlines() if line.startswith("#")]  # fmt: skip
        assert sum(line.startswith("# ") for line in headings) == 1

    def test_has_one_commented_parameters_cell(self, path: Path) -> None:
        cells = nbformat.read(path, as_version=4).cells
        tagged = [c for c in cells if PARAMETERS_TAG in c.metadata.get("tags", [])]
        assert len(tagged) == 1
        parameters = notebook_parameters(path)
        assert parameters["profile"] == "smoke"
        lines = tagged[0].source.splitlines()
        for name in parameters:
            line = next(i for i, text in enumerate(lines) if text.startswith(f"{name} = "))
            assert lines[line - 1].startswith("# ")

    def test_contains_no_logic(self, path: Path) -> None:
        """It calls gegcore: no loops, branches, functions or other libraries."""
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "code":
                continue
            for node in ast.walk(ast.parse(cell.source)):
                logic = (ast.For, ast.While, ast.If, ast.FunctionDef, ast.Lambda, ast.ListComp)
                assert not isinstance(node, logic), ast.unparse(node)
                if isinstance(node, ast.ImportFrom):
                    assert node.module and node.module.split(".")[0] == "gegcore"
                assert not isinstance(node, ast.Import)

    def test_imports_can_be_followed(self, path: Path) -> None:
        assert re.fullmatch("[0-9a-f]{16}", notebook_code(path))

    def test_imported_names_exist(self, path: Path) -> None:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                for node in ast.parse(cell.source).body:
                    if isinstance(node, ast.ImportFrom):
                        module = __import__(node.module or "", fromlist=["*"])
                        assert all(hasattr(module, alias.name) for alias in node.names)


def test_training_takes_what_the_build_passes() -> None:
    found = notebook_parameters(FOLDER / "03_train.ipynb")
    assert list(found) == ["profile", "model", "objective", "seed"]
    assert isinstance(found["seed"], int)

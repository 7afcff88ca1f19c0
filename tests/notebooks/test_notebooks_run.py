"""Every notebook runs top to bottom at `smoke` (in this process: a kernel each takes longer)."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest

from bookkit.batch import PARAMETERS_TAG
from gegcore.profiles import load_profile
from gegcore.runs import RunFolder

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


def run_notebook(name: str, **parameters: Any) -> str:
    """Execute the cells with parameters as papermill injects them; HTML of all shown values."""
    scope: dict[str, Any] = {}
    shown = []
    for cell in nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type != "code":
            continue
        body = ast.parse(cell.source).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), name, "exec"), scope)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), name, "eval"), scope)
            shown.append(value._repr_html_() if value is not None else "")
        if PARAMETERS_TAG in cell.metadata.get("tags", []):
            scope.update(parameters)
    return "\n".join(shown)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("00_start", "GEG-Min"),
        ("01_world", "alt-texts"),
        ("02_groups", "same family"),
    ],
)
def test_background_pages(smoke_home: Path, name: str, said: str) -> None:
    assert said in run_notebook(name)


def test_training_and_results_pages(smoke_home: Path) -> None:
    """Three objectives in turn; the results page works from the first run on."""
    page = run_notebook("03_train", objective="mle")
    assert "BLEU-4" in page and "Cross-entropy" in page and "Entropy (" not in page
    page = run_notebook("04_results")
    assert "Not finished: transformer-scst-seed1" in page
    assert "nothing to compare" in page and "no finished run of" in page
    for objective in ("scst", "scst_geg"):
        assert "Entropy (nats per word)" in run_notebook("03_train", objective=objective)
    assert RunFolder.of("smoke", "transformer", "scst_geg", 1).made_from("evaluation.json")
    page = run_notebook("04_results")
    assert "Not finished" not in page
    assert "GEG raises R@1 over SCST" in page
    judges = run_notebook("05_judges")
    for column in ("R@1 judge CLIP", "R@1 VSE++", "fact precision", "listener R@1"):
        assert column in judges
    assert "24.1" in judges  # the paper's VSE++
    assert load_profile("smoke").name in page

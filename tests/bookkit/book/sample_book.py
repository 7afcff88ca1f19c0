"""A small project to render: the real prose and configuration around made-up runs and pages."""

from __future__ import annotations

import functools
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import torch
from finished_runs import write_records
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from bookkit.experiments import experiments
from bookkit.report.captions import group_strip
from bookkit.report.frontpage import COLUMNS
from bookkit.report.page import styled
from emoji_scenes.dataset import ScenesDataset
from gegcore.groups import SimilarGroups
from gegcore.profiles import Profile
from gegcore.runs import RunFolder
from gegcore.storage import write_json

CHECKOUT = Path(__file__).resolve().parents[3]
REPOSITORY = "https://github.com/someone/some-book"
BOOK = "https://book.example.org/read"
REVISION = "0123456789abcdef0123456789abcdef01234567"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # noqa: E501


@dataclass(frozen=True)
class Book:
    root: Path
    html: Path
    profile: Profile


@functools.cache
def shown() -> str:
    """What notebooks show most: a picture with its group, and a table."""
    groups = SimilarGroups(torch.arange(1, 6)[None], torch.zeros(1, 5))
    strip = group_strip(ScenesDataset("test", 6), groups, 0)
    return (
        strip + styled(pd.DataFrame({"R@1": [20.0]}, index=["+SCST"]), "A table.")
    )._repr_html_()


def executed(title: str, text: str = "Maths: $x^2$.") -> nbformat.NotebookNode:
    """A notebook as papermill leaves it: a title, a table, a picture, a printed line."""
    table = "<table border='1'><tr>" + "".join(f"<td>{n}</td>" for n in range(30)) + "</tr></table>"
    outputs = [
        new_output("stream", name="stdout", text="printed\n"),
        new_output("stream", name="stderr", text="  10%|# | 1/10 [00:01<00:09]\n"),
        new_output("display_data", data={"text/html": table, "text/plain": "table"}),
        new_output("display_data", data={"text/html": shown(), "text/plain": "shown"}),
        new_output("display_data", data={"image/png": PIXEL, "text/plain": "figure"}),
    ]
    cells = [
        new_markdown_cell(
            f"# {title}\n\n{text}\n\n$$ f(x) = \\sum_i x_i $$\n\n## Section\n\nText."
        ),
        new_code_cell(
            "# Which profile.\nprofile = 'quick'\nfew = [\n    1,\n]",
            metadata={"tags": ["parameters"]},
        ),
        new_code_cell(
            "# Parameters\nprofile = 'smoke'\nfew = [3, 4]\n",
            metadata={"tags": ["injected-parameters"]},
        ),
        new_code_cell("print('printed')", execution_count=1, outputs=outputs),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    run: dict[str, Any] = {"end_time": "2026-01-02T03:04:05.678901", "duration": 12.3}
    run["parameters"] = {"profile": "smoke", "few": [3, 4]}
    return new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
            "papermill": run,
            "gegcore": {"revision": REVISION},
        },
    )


def make_run(folder: Path, dataset: ScenesDataset, profile: Profile, objective: str) -> None:
    """A finished run with made-up metrics; later objectives rank their images better."""
    order = {"mle": 9, "scst": 6, "scst_geg": 0}[objective]
    rows = [
        {
            "image_id": r.image_id,
            "caption": f"{r.captions[0]} {objective}",
            "rank": order + i % 3,
            "CIDEr": 100.0 + i,
            "GEG-Avg": 0.1 - 0.01 * order,
        }
        for i, r in enumerate(dataset.records)
    ]
    folder.mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(folder / "per_caption.parquet")
    said = [{name: row[name] for name in ("image_id", "caption")} for row in rows]
    write_json(folder / "captions.json", said)
    metrics = {
        name: {"value": 10.0 + order, "ci95": [9.0, 20.0], "n": len(rows)} for name in COLUMNS
    }
    write_json(folder / "metrics.json", {"metrics": metrics, "signature": {}})
    trained = {"git_revision": REVISION, "device": "x86_64", "created": "2026-01-02T03:04:05+00:00"}
    write_json(folder / "provenance.json", {"trained": trained, "wall_seconds_training": 61.0})
    write_records(RunFolder(folder), profile, "transformer", objective)


def page_of(notebook: Path) -> nbformat.NotebookNode:
    """As `executed`, with the prose of a real notebook, links and all."""
    cells = nbformat.read(notebook, as_version=4).cells
    prose = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    title, _, text = prose.partition("\n")
    return executed(title.removeprefix("# "), text.strip())


def make_project(root: Path, profile: Profile) -> None:
    """Real sources, made-up results."""
    for name in ("_config.yml", "_toc.yml", "conf.py", "CITATION.cff", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, root / name)
    ignored = shutil.ignore_patterns("generated", "mathjax")
    shutil.copytree(CHECKOUT / "book", root / "book", ignore=ignored)
    for name in ("gegcore", "examples"):
        (root / name).symlink_to(CHECKOUT / name)
    (root / "notebooks").mkdir()
    artifacts = root / "artifacts" / profile.name
    (artifacts / "pages" / "runs").mkdir(parents=True)
    for notebook in (CHECKOUT / "notebooks").glob("[0-9]*.ipynb"):
        for folder in (root / "notebooks", artifacts / "pages"):
            nbformat.write(page_of(notebook), str(folder / notebook.name))
    dataset = ScenesDataset("test", 12)
    dataset.save(artifacts / "data" / "test.json")
    index = (torch.arange(12)[:, None] + torch.arange(1, profile.group_size + 1)) % 12
    groups = SimilarGroups(index, torch.zeros(index.shape))
    groups.save(artifacts / "groups" / f"test-k{profile.group_size}")
    for run in experiments(profile).values():
        page = artifacts / "pages" / "runs" / f"{run.name}.ipynb"
        nbformat.write(executed("Train a model"), str(page))
        make_run(root / "runs" / profile.name / run.name, dataset, profile, run.objective)

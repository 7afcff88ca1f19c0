"""From executed notebooks to HTML: pages with provenance, offline maths, one strict build."""

from __future__ import annotations

import argparse
import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

import nbformat

from bookkit.batch import read_notebook
from bookkit.experiments import Experiment, experiments
from bookkit.play.explorer import address, write_explorer
from bookkit.play.scorer import write_scorer
from bookkit.report.frontpage import badge_html, short, write_front_parts
from gegcore.errors import DataError, GegError, in_words
from gegcore.profiles import Profile, load_profile
from gegcore.storage import write_text


def render(profile: Profile, root: Path, log: Path, plain: bool = False) -> Path:
    """Build the book of a profile in `root/_build/html`; the old book stays until the new is good.

    Args:
        plain: by Sphinx itself, without Jupyter Book.

    Raises:
        DataError: an executed page is missing.
        GegError: Sphinx warned of something; every warning is an error.
    """
    stage_pages(profile, root)
    copy_mathjax(root / "book" / "_static" / "mathjax")
    html = build_html(root, log, plain)
    final = root / "_build" / "html"
    shutil.rmtree(final, ignore_errors=True)
    html.replace(final)
    shutil.rmtree(html.parent.parent)
    return final / "index.html"


def stage_pages(profile: Profile, root: Path) -> None:
    """Fill `book/generated/`: executed notebooks and the front page's parts.

    Raises:
        DataError: an executed page is missing or has no title.
    """
    pages = root / "artifacts" / profile.name / "pages"
    generated = root / "book" / "generated"
    shutil.rmtree(generated, ignore_errors=True)
    (generated / "runs").mkdir(parents=True)
    for source in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
        if not source.name.startswith("03"):
            _stage(pages / source.name, generated / source.name, profile.name)
    for number, run in enumerate(experiments(profile).values()):
        # The number keeps the pages in the order of the tables.
        target = generated / "runs" / f"{number:02}-{run.name}.ipynb"
        page, title = pages / "runs" / f"{run.name}.ipynb", _title(profile, run)
        _stage(page, target, profile.name, title, _captions_of(profile, run))
    write_front_parts(profile, generated)
    play = root / "book" / "_static" / "play"
    write_scorer(profile, play)
    write_explorer(profile, play / "explorer")


def _title(profile: Profile, run: Experiment) -> str:
    label = profile.objective(run.objective).label or run.objective
    return f"{run.model.capitalize()} {label}, seed {run.seed}".replace(" +", "+", 1)


def _captions_of(profile: Profile, run: Experiment) -> str:
    """A link to all captions of a run, from its page."""
    there = escape(address(profile, run.model, run.objective, run.seed))
    return f'<a href="../../{there}">All its captions</a>, in the caption explorer.\n\n'


def _stage(page: Path, target: Path, profile: str, title: str = r"\1", more: str = "") -> None:
    """Copy one executed notebook with a provenance badge, and more, under its title."""
    if not page.is_file():
        raise DataError(f"page {page} was not executed", "run `make book`")
    notebook = read_notebook(page)
    run = notebook.metadata.get("papermill", {})
    facts = {
        "reading": f"{reading_minutes(notebook)} min",
        "profile": profile,
        "executed": str(run.get("end_time", ""))[:16].replace("T", " ") + " UTC",
        "took": f"{run.get('duration') or 0:.0f} s",
        "commit": short(notebook.metadata.get("gegcore", {}).get("revision", "")),
    }
    first = notebook.cells[0]
    heading = re.match(r"# (.+)\n*", first.source) if first.cell_type == "markdown" else None
    if heading is None:
        raise DataError(f"{page.name} does not begin with a title", "begin it with `# ...`")
    rest = first.source[heading.end() :]
    first.source = f"# {heading.expand(title)}\n\n{badge_html(facts)}\n\n{more}{rest}".rstrip()
    _merge_parameters(notebook)
    nbformat.write(notebook, str(target))


def reading_minutes(notebook: nbformat.NotebookNode) -> int:
    """Whole minutes: 200 words a minute, and ten seconds for what else a cell shows."""
    cells = notebook.cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    outputs = [cell.outputs for cell in cells if cell.cell_type == "code"]
    texts += [
        out.data.get("text/markdown", "") for each in outputs for out in each if "data" in out
    ]
    words, shown = sum(len(text.split()) for text in texts), sum(map(bool, outputs))
    return max(1, round(words / 200 + shown / 6))


def _merge_parameters(notebook: nbformat.NotebookNode) -> None:
    """What papermill ran with, in place of the defaults, and no second cell with the same names."""
    tagged = {tag: cell for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
    injected = tagged.get("injected-parameters")
    if injected is None:
        return
    cell, values = tagged["parameters"], notebook.metadata.papermill.parameters
    lines = cell.source.splitlines()
    for node in reversed(ast.parse(cell.source).body):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in values:
                lines[node.lineno - 1 : node.end_lineno] = [f"{name} = {values[name]!r}"]
    cell.source = "\n".join(lines)
    notebook.cells.remove(injected)


def copy_mathjax(folder: Path) -> None:
    """Put the one-file MathJax 3 of the package sphinx-mathjax-offline into the book."""
    packaged = importlib.metadata.files("sphinx-mathjax-offline") or []
    folder.mkdir(parents=True, exist_ok=True)
    for file in packaged:
        if file.name == "tex-svg-full.js":
            shutil.copy(str(file.locate()), folder)


def build_html(root: Path, log: Path, plain: bool = False) -> Path:
    """Run Jupyter Book, or Sphinx itself, from scratch; returns the folder of the pages.

    A fresh build each time: pages that are not read again would not warn again.

    Raises:
        GegError: a warning or error; each is quoted.
    """
    work = root / "_build" / "next"
    shutil.rmtree(work, ignore_errors=True)
    pages = work / "_build" / "html"
    strict = ["-W", "-n", "--keep-going"]
    if plain:
        kept = ["-d", str(work / "doctrees")]
        command = ["-m", "sphinx", *strict, *kept, str(root), str(pages)]
    else:
        jupyter_book = "from jupyter_book.cli.main import main; main()"
        command = ["-c", jupyter_book, "build", str(root), "--path-output", str(work), *strict]
    done = subprocess.run(
        [sys.executable, *command], cwd=root, capture_output=True, text=True, errors="replace"
    )
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    write_text(log, said)
    if done.returncode or not (pages / "index.html").is_file():
        lines = [line for line in said.splitlines() if re.search(r"WARNING|ERROR|Exception", line)]
        listed = "\n".join(dict.fromkeys(lines)) or said[-2000:]
        raise GegError(f"the book does not build:\n{listed}", f"mend the pages; log: {log}")
    return pages


@in_words
def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m bookkit.book PROFILE LOG [--plain]`: render the book of this folder."""
    parser = argparse.ArgumentParser(prog="python -m bookkit.book", description=main.__doc__)
    parser.add_argument("profile")
    parser.add_argument("log", type=Path)
    parser.add_argument("--plain", action="store_true", help="by Sphinx itself, no Jupyter Book")
    parsed = parser.parse_args(arguments)
    render(load_profile(parsed.profile), Path(), parsed.log, parsed.plain)


if __name__ == "__main__":
    sys.exit(main())

"""From executed notebooks to HTML: pages with provenance, offline maths, one strict build."""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bookkit.batch import read_notebook
from bookkit.dag import Experiment, experiments
from bookkit.report.frontpage import badge_html, short, write_front_parts
from gegcore.errors import DataError, GegError, MissingDependencyError
from gegcore.profiles import Profile, load_profile
from gegcore.storage import write_text

_MATHJAX = "tex-svg-full.js"


def render(profile: Profile, root: Path, log: Path | None = None) -> Path:
    """Build the book of a profile in `root/_build/html`; the old book stays until the new is good.

    Returns:
        The front page.

    Raises:
        DataError: an executed page is missing.
        GegError: Sphinx warned of something; every warning is an error.
        MissingDependencyError: the package that carries MathJax is not installed.
    """
    stage_pages(profile, root)
    copy_mathjax(root / "book" / "_static" / "mathjax")
    html = build_html(root, log)
    final = root / "_build" / "html"
    shutil.rmtree(final, ignore_errors=True)
    final.parent.mkdir(parents=True, exist_ok=True)
    html.replace(final)
    shutil.rmtree(html.parent.parent)
    return final / "index.html"


def stage_pages(profile: Profile, root: Path) -> None:
    """Fill `book/generated/`: executed notebooks and the front page's parts.

    Raises:
        DataError: an executed page is missing, or has no title.
    """
    pages = root / "artifacts" / profile.name / "pages"
    generated = root / "book" / "generated"
    shutil.rmtree(generated, ignore_errors=True)
    (generated / "runs").mkdir(parents=True)
    sources = sorted((root / "notebooks").glob("[0-9]*.ipynb"))
    for source in sources:
        if not source.name.startswith("03"):
            _stage(pages / source.name, generated / source.name, profile.name)
    for number, run in enumerate(experiments(profile).values()):
        # The number keeps the pages in the order of the tables.
        target = generated / "runs" / f"{number:02}-{run.name}.ipynb"
        _stage(pages / "runs" / f"{run.name}.ipynb", target, profile.name, _title(profile, run))
    write_front_parts(profile, generated)


def _title(profile: Profile, run: Experiment) -> str:
    label = profile.objective(run.objective).label or run.objective
    joined = label if label.startswith("+") else f" {label}"
    return f"{run.model.capitalize()}{joined}, seed {run.seed}"


def _stage(page: Path, target: Path, profile: str, title: str | None = None) -> None:
    """Copy one executed notebook with a provenance badge under its title."""
    if not page.is_file():
        raise DataError(f"page {page} was not executed", "run `make book`")
    import nbformat

    notebook = read_notebook(page)
    run = notebook.metadata.get("papermill", {})
    facts = {
        "profile": profile,
        "executed": str(run.get("end_time", ""))[:16].replace("T", " ") + " UTC",
        "took": f"{run.get('duration') or 0:.0f} s",
        "commit": short(notebook.metadata.get("gegcore", {}).get("revision", "")),
    }
    first = notebook.cells[0]
    found = re.match(r"# (.+)\n?", first.source) if first.cell_type == "markdown" else None
    if found is None:
        raise DataError(f"{page.name} does not begin with a title", "begin it with `# ...`")
    heading, rest = f"# {title or found.group(1)}", first.source[found.end() :]
    first.source = f"{heading}\n\n{badge_html(facts)}\n\n{rest}".rstrip()
    nbformat.write(notebook, str(target))


def copy_mathjax(folder: Path) -> None:
    """Put the one-file MathJax 3 of the package sphinx-mathjax-offline into the book.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    # The package's name is no identifier, so it is found rather than imported.
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    places: list[str] = list(spec.submodule_search_locations or []) if spec else []
    candidates = [Path(place) / "static" / "mathjax" / _MATHJAX for place in places]
    source = next((path for path in candidates if path.is_file()), None)
    if source is None:
        raise MissingDependencyError(
            "the package sphinx-mathjax-offline is not installed",
            "install the book's extras: pip install 'gegcore[book]'",
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / _MATHJAX).is_file():
        shutil.copyfile(source, folder / _MATHJAX)


def build_html(root: Path, log: Path | None = None) -> Path:
    """Run Jupyter Book from scratch with warnings as errors; returns the folder of the pages.

    A fresh build each time: pages that are not read again would not warn again.

    Raises:
        GegError: a warning or error; each is quoted.
    """
    work = root / "_build" / "next"
    shutil.rmtree(work, ignore_errors=True)
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(root),
        "--path-output",
        str(work),
        "-W",
        "-n",
        "--keep-going",
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, errors="replace")
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    if log is not None:
        write_text(log, said)
    pages = work / "_build" / "html"
    if done.returncode or not (pages / "index.html").is_file():
        lines = [line for line in said.splitlines() if re.search(r"WARNING|ERROR|Exception", line)]
        listed = "\n".join(dict.fromkeys(lines)) or said[-2000:]
        where = f"mend the pages; the whole log is {log}" if log else "mend the pages"
        raise GegError(f"the book does not build:\n{listed}", where)
    return pages


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m bookkit.book --profile quick`: render pages that are already executed."""
    parser = argparse.ArgumentParser(prog="python -m bookkit.book", description=__doc__)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--log", type=Path)
    parsed: Any = parser.parse_args(arguments)
    try:
        page = render(load_profile(parsed.profile), Path.cwd(), parsed.log)
    except GegError as error:
        print(f"gegcore: {error}", file=sys.stderr)
        return 1
    print(f"rendered {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

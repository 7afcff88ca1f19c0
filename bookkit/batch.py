"""One notebook, run without a person: checked parameters, partial output kept, exact errors."""

from __future__ import annotations

import argparse
import ast
import difflib
import logging
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from gegcore.errors import ConfigError, DataError, GegError, MissingDependencyError

PARAMETERS_TAG = "parameters"
_START_TIMEOUT = 300  # seconds; a kernel on a loaded machine is slow to answer the first time


def execute_notebook(
    source: Path | str,
    output: Path | str,
    parameters: Mapping[str, Any] | None = None,
    log: Path | str | None = None,
) -> None:
    """Execute a notebook and write the executed copy to `output`, only if every cell succeeds.

    The run itself is saved cell by cell in `log`, which stays behind when a cell fails or the
    process is killed. The kernel is the Python that runs this function, speaks over sockets in a
    private folder (no ports to clash with a neighbour's) and ends when this process ends.

    Args:
        source: notebook with one cell tagged "parameters".
        output: where the finished notebook goes; appears in one piece.
        parameters: values for names of the parameters cell.
        log: where the unfinished notebook is kept; default: beside `output`, `*.partial.ipynb`.

    Raises:
        ConfigError: an unknown parameter, or a value of another type than its default.
        DataError: no such notebook, or a file that is none.
        GegError: a cell failed (notebook, cell and line are named), or the kernel died.
    """
    source, output = Path(source), Path(output)
    log = Path(log) if log is not None else output.with_suffix(".partial.ipynb")
    checked = check_parameters(source, parameters or {})
    for folder in (output.parent, log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    _run(source, log, checked)
    _record_revision(log)
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    shutil.copyfile(log, temporary)
    os.replace(temporary, output)


def notebook_parameters(source: Path | str) -> dict[str, Any]:
    """Names and literal default values of a notebook's parameters cell (Ellipsis: no literal).

    Raises:
        DataError: the notebook cannot be read, or its parameters cell is no Python.
    """
    for cell in read_notebook(source).cells:
        if PARAMETERS_TAG not in cell.get("metadata", {}).get("tags", []):
            continue
        try:
            statements = ast.parse(cell.source).body
        except SyntaxError as error:
            raise DataError(
                f"{source}: the parameters cell is not valid Python (line {error.lineno})",
                "mend the cell",
            ) from error
        return dict(_assignments(statements))
    return {}


def read_notebook(source: Path | str) -> Any:
    """Notebook as an nbformat node.

    Raises:
        DataError: no such file, or a file that is no notebook.
    """
    nbformat = _library("nbformat")
    try:
        return nbformat.read(str(source), as_version=4)
    except FileNotFoundError as error:
        raise DataError(f"there is no notebook {source}", "check the path") from error
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, KeyError, TypeError) as error:
        raise DataError(f"{source} is not a readable notebook: {error}", "restore it") from error


def check_parameters(source: Path | str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with names and types that the notebook has; papermill itself only warns.

    Raises:
        ConfigError: an unknown name, or a value of another type than the default's.
    """
    known = notebook_parameters(source)
    checked = {}
    for name, value in parameters.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise ConfigError(
                f"notebook {Path(source).name} has no parameter '{name}'",
                f"{hint}it has: {', '.join(known) or 'none (no cell is tagged parameters)'}",
            )
        checked[name] = _as_type_of(known[name], value, name, Path(source).name)
    return checked


def _as_type_of(default: Any, value: Any, name: str, notebook: str) -> Any:
    """The value, a whole number widened to float or a number to text where the default says so."""
    if default is Ellipsis or default is None or value is None or type(value) is type(default):
        return value
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, str) and isinstance(value, int | float):
        return str(value)
    if isinstance(default, list | tuple) and isinstance(value, list | tuple):
        return type(default)(value)
    raise ConfigError(
        f"notebook {notebook}, parameter '{name}': {value!r} is no {type(default).__name__}",
        f"give a value like the default, {default!r}",
    )


def _assignments(statements: Sequence[ast.stmt]) -> Iterator[tuple[str, Any]]:
    for statement in statements:
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        try:
            value = ast.literal_eval(statement.value) if statement.value else ...
        except ValueError:
            value = ...
        for target in targets:
            if isinstance(target, ast.Name):
                yield target.id, value


def _run(source: Path, log: Path, parameters: dict[str, Any]) -> None:
    papermill = _library("papermill")
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from bookkit.kernel import private_kernel

    with tempfile.TemporaryDirectory(prefix="gegcore-") as folder, _signals_as_exceptions():
        try:
            papermill.execute_notebook(
                str(source),
                str(log),
                parameters,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                log_output=True,
                start_timeout=_START_TIMEOUT,
                autosave_cell_every=10,
                kernel_manager_class=private_kernel(folder),
            )
        except PapermillExecutionError as error:
            raise GegError(_failure(source, error), f"what ran is kept in {log}") from error
        except DeadKernelError as error:
            raise GegError(
                f"notebook {source.name}: the kernel died in {_running_cell(log)}",
                "usually the machine ran out of memory: take a smaller profile or fewer --cores",
            ) from error


def _record_revision(log: Path) -> None:
    """Keep the commit that the caller (the Snakefile) names beside papermill's own metadata."""
    notebook = read_notebook(log)
    notebook.metadata["gegcore"] = {"revision": os.environ.get("GEGCORE_REVISION", "")}
    _library("nbformat").write(notebook, str(log))


def _failure(source: Path, error: Any) -> str:
    """Notebook, cell as numbered in the executed copy, failing line and message."""
    traceback = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    arrow = re.search(r"^-+> *\d+[ :](.*)$", traceback, flags=re.MULTILINE)
    line = f", at `{arrow.group(1).strip()}`" if arrow else ""
    return (
        f"notebook {source.name} failed in code cell [{error.exec_count}]{line}: "
        f"{error.ename}: {error.evalue}"
    )


def _running_cell(log: Path) -> str:
    """The last code cell that was started."""
    cells = [cell for cell in read_notebook(log).cells if cell.cell_type == "code"]
    started = [
        f"code cell [{number}], `{(cell.source.strip().splitlines() or [''])[0]}`"
        for number, cell in enumerate(cells, start=1)
        if cell.metadata.get("papermill", {}).get("start_time")
    ]
    return started[-1] if started else "before its first cell"


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that the kernel is shut down and the log is saved."""

    def leave(number: int, _frame: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _library(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"{name} is not installed", "install the book's extras: pip install 'gegcore[book]'"
        ) from error


class _Progress(logging.Handler):
    """What cells write to stderr (progress bars, warnings), with the page's name before each line.

    papermill logs a cell's stderr as warnings, and its stdout, which belongs on the page, as info.
    """

    def __init__(self, name: str) -> None:
        super().__init__(logging.WARNING)
        self.name = name

    def emit(self, record: logging.LogRecord) -> None:
        for line in re.split(r"[\r\n]+", record.getMessage()):
            text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).rstrip()
            if text:
                print(f"[{self.name}] {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m bookkit.batch SOURCE OUTPUT [-p NAME VALUE]... [--log FILE]`."""
    parser = argparse.ArgumentParser(
        prog="python -m bookkit.batch", description="Execute a notebook with checked parameters."
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter; the value is read as YAML (1e-3, true, [1, 2], text)",
    )
    parser.add_argument("--log", type=Path, help="keep the unfinished notebook here")
    parsed = parser.parse_args(arguments)
    logger = logging.getLogger("papermill")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.handlers = [_Progress(parsed.output.stem)]
    try:
        values = {name: parse_value(text) for name, text in parsed.parameter}
        execute_notebook(parsed.source, parsed.output, values, parsed.log)
    except GegError as error:
        print(f"gegcore: {error}", file=sys.stderr)
        return 1
    return 0


def parse_value(text: str) -> Any:
    """A command-line value as YAML, with 1e-3 as a number (YAML 1.1 asks for 1.0e-3)."""
    try:
        return float(text) if re.fullmatch(r"[-+]?\d+e[-+]?\d+", text) else yaml.safe_load(text)
    except yaml.YAMLError:
        return text


if __name__ == "__main__":
    sys.exit(main())

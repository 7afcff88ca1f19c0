"""papermill as the build runs it: `python -m bookkit.batch SOURCE OUTPUT [options of papermill]`.

Three things papermill leaves open: an unknown parameter is an error, kernels side by side cannot
fight for ports, and progress bars of cells reach the terminal with the page's name.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import logging
import os
import re
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.cli import papermill as command
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from gegcore.errors import ConfigError, DataError, GegError, StorageError, nearest, writing

PARAMETERS_TAG = "parameters"
_OPTIONS = ["--engine", "bookkit", "--kernel", "python3", "--language", "python"]
_OPTIONS += ["--no-progress-bar", "--log-output", "--autosave-cell-every", "10"]
_OPTIONS += ["--start-timeout", "300"]  # seconds: a loaded machine is slow at first
_BROKEN = (OSError, ValueError, LookupError, TypeError, AttributeError, nbformat.ValidationError)
_MEMORY = "usually memory ran out: take a smaller profile, or fewer CORES"


class BookEngine(NBClientEngine):
    """papermill's engine with checked parameters and a kernel of its own."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        source = Path(options["input_path"])
        known = notebook_parameters(source)
        for name in nb.metadata.papermill.get("parameters", {}):
            if name not in known:
                what = f"notebook {source.name} has no parameter '{name}'"
                raise ConfigError(
                    what, f"{nearest(name, known)}it has: {', '.join(known) or 'none'}"
                )
        nb.metadata["gegcore"] = {"revision": os.environ.get("GEGCORE_REVISION", "")}
        with tempfile.TemporaryDirectory(prefix="gegcore-") as folder:
            # User start-up files would make a run depend on who runs it.
            os.environ["IPYTHONDIR"] = folder
            # Of kernels that start side by side on TCP, one in twenty finds its port taken.
            kernel = {"transport": "ipc", "connection_file": f"{folder}/kernel.json"}
            config = Config(KernelManager=kernel)
            try:
                return super().execute_notebook(nb, kernel_name, config=config, **options)
            except DeadKernelError as error:
                started = [c.source for c in nb.cells if c.metadata.papermill.get("start_time")]
                cell = started[-1].partition("\n")[0] if started else ""
                what = f"notebook {source.name}: the kernel died in the cell `{cell}`"
                raise GegError(what, _MEMORY) from error


def read_notebook(source: Path | str) -> Any:
    """Notebook as an nbformat node.

    Raises:
        DataError: no such file, or a file that is no notebook.
    """
    try:
        return nbformat.read(str(source), as_version=4)
    except FileNotFoundError as error:
        raise DataError(f"there is no notebook {source}", "check the path") from error
    except _BROKEN as error:
        raise DataError(f"{source} is not a readable notebook: {error}", "restore it") from error


def notebook_parameters(source: Path | str) -> dict[str, Any]:
    """Names and literal default values of a notebook's parameters cell (Ellipsis: no literal)."""
    found = {}
    for name, parameter in papermill.inspect_notebook(str(source)).items():
        try:
            found[name] = ast.literal_eval(parameter["default"])
        except (ValueError, SyntaxError):
            found[name] = ...
    return found


def refuse_overwriting(source: Path, output: Path, options: Sequence[str]) -> None:
    """Nothing that is read, and no notebook that somebody wrote, may be what is written.

    Raises:
        ConfigError: the output is the source, a file that an option names, or a notebook that was
            papermill has not executed; under whatever spelling, or through a link.
    """
    named: list[Path | str] = [source, *options, *(option.partition("=")[2] for option in options)]
    if output.exists() and any(os.path.exists(n) and os.path.samefile(n, output) for n in named):
        raise ConfigError(f"the output {output} is what is read", "name another output")
    with contextlib.suppress(DataError):  # Of a run that was killed: no notebook, and no loss.
        if output.is_file() and "papermill" not in read_notebook(output).metadata:
            what = f"the output {output} is a notebook that no run has written"
            raise ConfigError(what, "name another output, or move it away")


class _Progress(logging.Handler):
    """Prints progress bars and warnings of cells with the page's name before each line.

    papermill logs a cell's stderr as warnings, and its stdout, which belongs on the page, as info.
    """

    def emit(self, record: logging.LogRecord) -> None:
        text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", record.getMessage())
        for line in re.split(r"[\r\n]+", text):
            if line.strip():
                print(f"[{self.name}] {line.rstrip()}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run papermill's command line; what ran of a notebook that failed is left in OUTPUT."""
    parser = argparse.ArgumentParser(prog="python -m bookkit.batch", description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    parsed, options = parser.parse_known_args(arguments)
    papermill_engines.register("bookkit", BookEngine)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the kernel, keeps the output
    progress = _Progress()
    progress.name = parsed.output.stem
    logging.basicConfig(level=logging.WARNING, handlers=[progress])
    call = [str(parsed.source), str(parsed.output), *_OPTIONS, *options]
    try:
        with writing():
            read_notebook(parsed.source)
            refuse_overwriting(parsed.source, parsed.output, options)
            parsed.output.parent.mkdir(parents=True, exist_ok=True)
            command.main(call, standalone_mode=False)
        return 0
    except PapermillExecutionError as error:
        what = f"notebook {parsed.source.name} failed\n{error}".strip()
        print(f"gegcore: {GegError(what, f'what ran is in {parsed.output}')}", file=sys.stderr)
    except StorageError as error:  # papermill's may be of a file without a name
        print(f"gegcore: {parsed.output}: {error}", file=sys.stderr)
    except GegError as error:
        print(f"gegcore: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

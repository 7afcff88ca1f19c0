"""The lines of code that compute an equation, found by name whenever a page is made."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import gegcore
from gegcore.errors import DataError

PACKAGE = Path(gegcore.__file__).resolve().parent


@dataclass(frozen=True)
class CodeLines:
    """A function or class, and which of its lines are meant.

    Attributes:
        path: of the file, from the folder that holds the package.
        symbol: such as ``UpDownDecoder.advance``.
        first: line of its ``def`` or ``class``, decorators included; from 1.
        last: of its last line.
        meant: lines that are meant, ascending; all of them if it is meant as a whole.
    """

    path: str
    symbol: str
    first: int
    last: int
    meant: tuple[int, ...]


def find_lines(module: str, symbol: str, *mentions: str) -> CodeLines:
    """Find a function or class by name, and the statements in it that mention given names.

    Args:
        module: dotted, below ``gegcore``, such as ``models.up_down``.
        symbol: dotted, below the module.
        mentions: variables or attributes; a statement with any of them is meant. None: all is.

    Raises:
        DataError: there is no such module or symbol, or it does not mention one of the names.
    """
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    fix = "the code has changed: name what computes the equation now"
    if not path.is_file():
        raise DataError(f"there is no module gegcore.{module}", fix)
    node: ast.AST = ast.parse(path.read_text(encoding="utf-8"))
    for part in symbol.split("."):
        node = _member(node, part, f"gegcore.{module} has no {symbol}", fix)
    assert isinstance(node, ast.ClassDef | ast.FunctionDef)
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    last = node.end_lineno or first
    meant = set() if mentions else set(range(first, last + 1))
    for name in mentions:
        lines = _mentioning(node, name)
        if not lines:
            raise DataError(f"{symbol} of gegcore.{module} does not mention {name!r}", fix)
        meant |= lines
    file = path.relative_to(PACKAGE.parent).as_posix()
    return CodeLines(file, symbol, first, last, tuple(sorted(meant)))


def ranges(lines: tuple[int, ...]) -> str:
    """Ascending numbers in short: ``3-5, 8``."""
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    return ", ".join(f"{a}" if a == b else f"{a}\N{EN DASH}{b}" for a, b in runs)


def _member(node: ast.AST, name: str, said: str, fix: str) -> ast.AST:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef) and child.name == name:
            return child
    raise DataError(said, fix)


def _mentioning(function: ast.AST, name: str) -> set[int]:
    lines: set[int] = set()
    for statement in ast.walk(function):
        if not isinstance(statement, ast.stmt):
            continue
        # Of a loop or a condition its head is meant; what is inside comes by itself.
        inside = hasattr(statement, "body")
        parts = ast.iter_child_nodes(statement) if inside else [statement]
        for part in parts:
            if not (inside and isinstance(part, ast.stmt)) and _mentions(part, name):
                lines |= set(range(part.lineno, (part.end_lineno or 0) + 1))  # type: ignore[attr-defined]
    return lines


def _mentions(node: ast.AST, name: str) -> bool:
    return any(
        name in (getattr(part, "id", None), getattr(part, "attr", None)) for part in ast.walk(node)
    )

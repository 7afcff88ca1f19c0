"""Digests of code: what was stored by other code than today's is known by them."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Collection
from functools import cache
from pathlib import Path

from gegcore.errors import ConfigError
from gegcore.storage import digest

_DECIDE_NOTHING = {
    *("gegcore", "gegcore.array_folder", "gegcore.array_parts", "gegcore.code_digest"),
    "gegcore.errors",
    *("gegcore.progress", "gegcore.provenance", "gegcore.runs", "gegcore.storage"),
    "gegcore.weights",
}
"""Modules that store and read what has digests of its own, and speak of it, but compute nothing."""

_SPEAKING = {"print", "warn"}  # and all errors
_DESCRIBING = {"desc", "description", "help"}


def code_digest(*modules: str, without: Collection[str] = ()) -> str:
    """Digest of the code that modules such as "gegcore.gap" run, as 16 hex digits."""
    return digest(code_digests(*modules, without=without))


def code_digests(*modules: str, without: Collection[str] = ()) -> dict[str, str]:
    """Module -> digest of its code, of these modules and of what they import, transitively.

    Imports are followed inside gegcore and the packages of these modules. Comments, docstrings,
    layout, and the words of errors, warnings and descriptions do not count. A module called
    `registry` is a table to choose from: neither the table nor what it imports counts; what is
    chosen does, and the caller names that.

    Args:
        without: modules that are neither hashed nor followed.

    Raises:
        ConfigError: there is no such module.
    """
    left_out = {*without, *_DECIDE_NOTHING}
    packages = {"gegcore", *(name.split(".")[0] for name in modules)}
    pending, found = list(modules), dict[str, str]()
    while pending:
        name = pending.pop()
        path = None if name in found or name in left_out else module_file(name)
        if path is None:
            if name in modules and name not in {*found, *left_out}:
                raise ConfigError(f"there is no module {name}", "check the name")
            continue
        package = name if path.stem == "__init__" else name.rpartition(".")[0]
        imported, found[name] = _parsed(path, package, path.stat().st_mtime_ns)
        pending += [other for other in imported if other.split(".")[0] in packages]
    return dict(sorted(found.items()))


def modules_of(*objects: object) -> list[str]:
    """Modules that define functions, classes or the classes of objects, those that have a file."""
    names = {str(getattr(each, "__module__", "")) for each in objects}
    return sorted(name for name in names if name and module_file(name))


def module_file(name: str) -> Path | None:
    """Source file of a module, found without importing it; None if there is none."""
    package, *parts = name.split(".")
    if package == "__main__":  # where somebody types
        return None
    spec = importlib.util.find_spec(package)
    if spec is None:
        return None
    if not spec.submodule_search_locations:
        return Path(spec.origin) if spec.origin and not parts else None
    bases = [Path(folder).resolve().joinpath(*parts) for folder in spec.submodule_search_locations]
    candidates = [
        path for base in bases for path in (base.with_suffix(".py"), base / "__init__.py")
    ]
    return next((path for path in candidates if path.is_file()), None)


@cache
def _parsed(path: Path, package: str, _modified: int) -> tuple[list[str], str]:
    """Names that a file of a package imports, and the digest of what its code does."""
    names: list[str] = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.stem == "registry":
        table = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
        tree.body = [node for node in tree.body if not isinstance(node, table)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else None
            module = ".".join(filter(None, (above, node.module)))
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    silent = _Silenced().visit(tree)
    used = {node.id for node in ast.walk(silent) if isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Load)}  # fmt: skip
    silent = _WithoutUnused(used).visit(silent)
    return names, hashlib.sha256(ast.unparse(silent).encode()).hexdigest()[:16]


class _Silenced(ast.NodeTransformer):
    """Drops what code says: docstrings, and what errors, warnings and descriptions are given."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        said = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if said else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in _SPEAKING or name.endswith(("Error", "Warning")):
            node.args, node.keywords = [], []
        elif name == "track":  # a progress bar, and what stands beside it
            del node.args[1:]
        node.keywords = [each for each in node.keywords if each.arg not in _DESCRIBING]
        return self.generic_visit(node)


class _WithoutUnused(ast.NodeTransformer):
    """Drops strings that were only said: local or private names that nothing else uses."""

    def __init__(self, used: Collection[str]) -> None:
        self.used, self.local = used, False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        outside, self.local = self.local, True
        self.generic_visit(node)
        self.local = outside
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        name = getattr(node.targets[0], "id", None)
        private = name is not None and (self.local or name.startswith("_"))
        text = isinstance(node.value, ast.Constant | ast.JoinedStr)
        return None if private and text and name not in self.used else node

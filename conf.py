"""The book by plain Sphinx: `sphinx-build -W -n . _build/plain`, or `bookkit.book --plain`.

Nothing is said twice: settings are in `_config.yml`, pages in `_toc.yml`. Here stands only what
Jupyter Book calls otherwise, or sets itself.
"""

from pathlib import Path
from typing import Any

import yaml

_BOOK: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "_config.yml").read_text(encoding="utf-8")
)
_SPHINX = _BOOK["sphinx"]["config"]
globals().update(_SPHINX)

author = _BOOK["author"]
copyright = _BOOK["copyright"]  # noqa: A001
extensions = [
    name for name in _SPHINX["extensions"] if name not in ("jupyter_book", "sphinx_comments")
]
exclude_patterns = _BOOK["exclude_patterns"]
external_toc_exclude_missing = _BOOK["only_build_toc_files"]
bibtex_bibfiles = _BOOK["bibtex_bibfiles"]
myst_enable_extensions = _BOOK["parse"]["myst_enable_extensions"]
myst_dmath_double_inline = True
nb_execution_mode = _BOOK["execute"]["execute_notebooks"]
html_theme = "sphinx_book_theme"
html_sourcelink_suffix = ""
numfig = True

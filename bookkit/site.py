"""Sphinx extension: what needs an address on the web, and is hidden while CITATION.cff has none.

`repository-code` brings buttons of the repository (edit, issue) and of what runs it elsewhere
(Colab, Codespaces); `url`, where the book is published, brings canonical links and previews with a
picture. Open Graph knows no relative addresses: without `url` a page has a title and a description.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from sphinx.application import Sphinx
from sphinx.config import Config

from gegcore.errors import ConfigError
from gegcore.storage import write_text

BRANCH = "main"
COLAB = "notebooks/lab/colab.ipynb"
_ADDRESS = re.compile(r"https://[\w.-]+(/[\w.~/-]*)?")
_NEEDS_ADDRESS = re.compile(
    r'<meta (?:property="og:(?:url|image)[^"]*"|name="twitter:[^"]*")[^>]*>\n?'
)
# Pages of the build -> the notebooks that they were executed from.
_SOURCES = (
    (re.compile(r"/book/generated/runs/[^/?]+\.ipynb"), "/notebooks/03_train.ipynb"),
    (re.compile(r"/book/generated/"), "/notebooks/"),
)
_START = '<meta http-equiv="refresh" content="0; url={page}" />\n'


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", configure)
    app.connect("html-page-context", finish, priority=900)  # after the theme's buttons
    app.connect("build-finished", write_start)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def addresses(folder: Path) -> tuple[str, str]:
    """Addresses of the repository and of the published book in a CITATION.cff; "" for none.

    Raises:
        ConfigError: one is no address; templates write them into pages as they are.
    """
    file = folder / "CITATION.cff"
    cited = yaml.safe_load(file.read_text(encoding="utf-8"))
    found = [str(cited.get(name) or "").rstrip("/") for name in ("repository-code", "url")]
    for address in filter(None, found):
        if not _ADDRESS.fullmatch(address):
            raise ConfigError(f"{file}: '{address}' is no address", "write it as https://...")
    return found[0], found[1]


def configure(app: Sphinx, config: Config) -> None:
    """Give the theme and Open Graph the addresses that there are."""
    repository, book = addresses(Path(app.srcdir))
    buttons = ("use_repository_button", "use_edit_page_button", "use_issues_button")
    options: dict[str, Any] = dict.fromkeys(buttons, bool(repository))
    if repository:
        options |= {"repository_url": repository, "repository_branch": BRANCH}
    config.html_theme_options = {**config.html_theme_options, **options}
    if book:
        config.html_baseurl = config.ogp_site_url = f"{book}/"


def launchers(repository: str) -> list[dict[str, str]]:
    """Buttons of services that run a repository of GitHub; none for other hosts."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", repository)
    if not found:
        return []
    services = {
        "Colab": f"https://colab.research.google.com/github/{found[1]}/blob/{BRANCH}/{COLAB}",
        "Codespaces": f"https://codespaces.new/{found[1]}",
    }
    look = {"type": "link", "icon": "fas fa-play"}
    return [
        {**look, "text": name, "tooltip": f"Run it on {name}", "url": url}
        for name, url in services.items()
    ]


def finish(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Edit notebooks, not pages of the build; add launchers; no previews without an address."""
    repository, book = addresses(Path(app.srcdir))
    if not book:
        context["metatags"] = _NEEDS_ADDRESS.sub("", context.get("metatags", ""))
    header = context.get("header_buttons", [])
    for button in [*header, *(each for group in header for each in group.get("buttons", []))]:
        if repository and button.get("url", "").startswith(repository):
            for built, source in _SOURCES:
                button["url"] = built.sub(source, button["url"])
    if buttons := launchers(repository):
        group = {"type": "group", "tooltip": "Run it elsewhere", "icon": "fas fa-rocket"}
        header.insert(0, {**group, "buttons": buttons, "label": "launch-buttons"})


def write_start(app: Sphinx, error: Exception | None) -> None:
    """`index.html` leads to the first page, as Jupyter Book has it."""
    start = Path(app.outdir) / "index.html"
    if error is None and app.builder.name == "html" and not start.exists():
        write_text(start, _START.format(page=app.builder.get_target_uri(app.config.root_doc)))

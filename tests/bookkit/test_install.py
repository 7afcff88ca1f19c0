"""What uv is told so that it finds what pip would, and what is left to pip."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from bookkit import install


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Commands that were called; all of them go well and say nothing."""
    calls: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return subprocess.CompletedProcess(command, 0, str(tmp_path), "")

    monkeypatch.setattr(subprocess, "run", run)
    for name in ("INDEX", "DEFAULT_INDEX", "INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS"):
        monkeypatch.delenv(f"UV_{name}", raising=False)
    for name in ("SSL_CERT_FILE", "ALL_PROXY", "UV_HTTP_TIMEOUT", "UV_INSECURE_HOST"):
        monkeypatch.delenv(name, raising=False)
    return calls


def with_pip_told(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    told = {name.replace("_", "-"): value for name, value in settings.items()}
    monkeypatch.setattr(install, "pip_settings", lambda: told)


def test_indexes_of_pip_are_indexes_of_uv(
    said: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_pip_told(
        monkeypatch,
        index_url="http://one/simple",
        extra_index_url="\nhttp://two/simple\nhttp://three/simple",
        find_links="/wheels /more",
        trusted_host="one",
        cert="/certificates.pem",
        timeout="180",
        cache_dir="/of/no/interest",
    )
    found = install.uv_settings("uv", tmp_path)
    assert found == {
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_INDEX_URL": "http://one/simple",
        "UV_EXTRA_INDEX_URL": "http://two/simple http://three/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INSECURE_HOST": "one",
        "SSL_CERT_FILE": "/certificates.pem",
        "UV_HTTP_TIMEOUT": "180",
    }
    monkeypatch.setenv("UV_INDEX_URL", "http://uv/simple")
    assert install.uv_settings("uv", tmp_path) == {"UV_PYTHON_DOWNLOADS": "never"}


@pytest.mark.parametrize("name", ["no_binary", "only_binary", "no_index", "constraint", "pre"])
def test_what_uv_does_not_know_is_left_to_pip(
    said: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    with_pip_told(monkeypatch, **{name: "1"})
    assert install.uv_settings("uv", tmp_path) is None
    install.install(tmp_path, "uv", again=False)
    assert said[-2][1:4] == ["-m", "pip", "install"] and said[-1][1:4] == ["-m", "pip", "check"]


def test_without_uv_pip_installs_the_same(said: list[list[str]], tmp_path: Path) -> None:
    install.install(tmp_path, None, again=False)
    by_pip = said[0]
    install.install(tmp_path, "uv", again=False)
    by_uv = next(call for call in said if call[:3] == ["uv", "pip", "install"])
    assert by_pip[1:4] == ["-m", "pip", "install"]
    what = ["--constraint", "constraints.txt", "--editable", *install.PACKAGES]
    assert by_pip[-len(what) :] == by_uv[-len(what) :] == what


def test_the_last_word_of_pips_settings_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        ":env:.index-url='http://variable'\nglobal.index-url='http://file'\n"
        "global.timeout='10'\ninstall.timeout='20'\ndownload.timeout='30'\n"
    )
    answer = subprocess.CompletedProcess([], 0, lines, "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    assert install.pip_settings() == {"index-url": "http://variable", "timeout": "20"}


def test_variables_of_pip_count_where_there_is_no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = subprocess.CompletedProcess([], 1, "", "No module named pip")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: nothing)
    for name in [name for name in install.os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "http://it's/simple")
    assert install.pip_settings() == {"extra-index-url": "http://it's/simple"}

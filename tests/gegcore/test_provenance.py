"""Code digests follow imports and ignore what does not change behaviour."""

from __future__ import annotations

from pathlib import Path

import pytest

from gegcore import provenance
from gegcore.errors import ConfigError
from gegcore.provenance import code_digest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of somebody else's, as one that a profile names."""
    folder = tmp_path / "theirs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.py").write_text(
        '"""Doc."""\nfrom theirs.sub import b\n\ndef f():\n    return b.X\n'
    )
    (folder / "sub" / "__init__.py").write_text("")
    (folder / "sub" / "b.py").write_text("from gegcore import gap\nX = 1\n")
    (folder / "c.py").write_text("Y = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_digest_follows_imports(package: Path) -> None:
    before = code_digest("theirs.a")
    (package / "c.py").write_text("Y = 2\n")
    assert code_digest("theirs.a") == before
    (package / "sub" / "b.py").write_text("from gegcore import gap\nX = 2  # changed\n")
    assert code_digest("theirs.a") != before


def test_digest_follows_what_a_package_uses_of_gegcore(package: Path) -> None:
    assert {"theirs.a", "theirs.sub.b", "gegcore.gap", "gegcore.errors"} <= set(
        provenance._closure(("theirs.a",))
    )


def test_digest_ignores_comments_and_docstrings(package: Path) -> None:
    before = code_digest("theirs.a")
    (package / "a.py").write_text(
        '"""Other words."""\n# why\nfrom theirs.sub import b\n'
        'def f():\n    """New."""\n    return b.X\n'
    )
    assert code_digest("theirs.a") == before


def test_unknown_module_is_an_error() -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        code_digest("gegcore.nowhere")


def test_the_book_does_not_decide_about_training() -> None:
    """A change of a page must not make trained runs stale."""
    training = provenance._closure(("gegcore.experiment.train",))
    assert "gegcore.training.loop" in training
    assert not {name for name in training if name.split(".")[0] in ("bookkit", "emoji_scenes")}

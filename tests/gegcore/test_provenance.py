"""Code digests follow imports and ignore what does not change behaviour."""

from __future__ import annotations

from pathlib import Path

import pytest

from gegcore import provenance
from gegcore.errors import ConfigError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "gegcore"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.py").write_text(
        '"""Doc."""\nfrom gegcore.sub import b\n\ndef f():\n    return b.X\n'
    )
    (folder / "sub" / "__init__.py").write_text("")
    (folder / "sub" / "b.py").write_text("X = 1\n")
    (folder / "c.py").write_text("Y = 1\n")
    monkeypatch.setattr(provenance, "PACKAGE", folder)
    return folder


def test_digest_follows_imports(package: Path) -> None:
    before = provenance.code_digest("gegcore.a")
    (package / "c.py").write_text("Y = 2\n")
    assert provenance.code_digest("gegcore.a") == before
    (package / "sub" / "b.py").write_text("X = 2  # changed\n")
    assert provenance.code_digest("gegcore.a") != before


def test_digest_ignores_comments_and_docstrings(package: Path) -> None:
    before = provenance.code_digest("gegcore.a")
    (package / "a.py").write_text(
        '"""Other words."""\n# why\nfrom gegcore.sub import b\n'
        'def f():\n    """New."""\n    return b.X\n'
    )
    assert provenance.code_digest("gegcore.a") == before


def test_unknown_module_is_an_error() -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        provenance.code_digest("gegcore.nowhere")


def test_pages_do_not_decide_about_training() -> None:
    """A change of the report package must not make trained runs stale."""
    training = provenance._closure(("gegcore.experiment.train",))
    assert not [path for path in training if "report" in path.parts]
    assert provenance.PACKAGE / "training" / "loop.py" in training

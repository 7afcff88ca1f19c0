"""Code digests follow imports and ignore what does not change what is computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gegcore.code_digest import code_digest, code_digests, modules_of
from gegcore.errors import ConfigError


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
    assert list(code_digests("theirs.a")) == [
        "gegcore.gap",
        "theirs.a",
        "theirs.sub",
        "theirs.sub.b",
    ]
    (package / "a.py").write_text("from .sub import b as other\nfrom . import c\n")
    assert {"theirs.c", "theirs.sub.b"} < code_digests("theirs.a").keys()


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
    training = code_digests("gegcore.experiment.train")
    assert "gegcore.training.loop" in training
    assert not {name for name in training if name.split(".")[0] in ("bookkit", "emoji_scenes")}


SPEAKS = """
from gegcore.errors import DataError
from gegcore.progress import track
_FIX = "lower the learning rate"
_USED = "a b"

def check(values, kind: str = Field("x", description="what it is")):
    what = f"{len(values)} values"
    for value in track(values, "counting"):
        if value < 0:
            raise DataError(what, _FIX)
    print("done", len(values))
    return values[0], _USED
"""


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ("lower the", "raise the", False),
        ("what it is", "what it was", False),
        (' values"', ' numbers"', False),
        ("counting", "reading", False),
        ("done", "ready", False),
        ("a b", "a c", True),
        ("value < 0", "value <= 0", True),
        ("values[0]", "values[1]", True),
        ('Field("x"', 'Field("y"', True),
        ("track(values,", "track(values[1:],", True),
        ("raise DataError", "raise ValueError", True),
    ],
)
def test_what_code_says_does_not_count(
    package: Path, before: str, after: str, counts: bool
) -> None:
    (package / "a.py").write_text(SPEAKS)
    digest = code_digest("theirs.a")
    assert before in SPEAKS
    (package / "a.py").write_text(SPEAKS.replace(before, after))
    assert (code_digest("theirs.a") != digest) == counts


def test_a_table_to_choose_from_does_not_count(package: Path) -> None:
    """Neither a line more in it, nor what it lists; what builds from it does."""
    table = package / "registry.py"
    table.write_text(
        "from theirs import c\nTABLE = {'c': c}\ndef build(x):\n    return TABLE[x]()\n"
    )
    (package / "a.py").write_text("from theirs.registry import build\n")
    before = code_digests("theirs.a")
    assert before.keys() == {"theirs.a", "theirs.registry"}
    table.write_text(table.read_text().replace("{", "{'d': 1, "))
    assert code_digests("theirs.a") == before
    table.write_text(table.read_text().replace("()", "(1)"))
    assert code_digests("theirs.a") != before


def test_modules_of_what_somebody_typed_are_not_looked_for() -> None:
    class Typed:
        __module__ = "__main__"

    assert modules_of(Typed(), code_digest, Path) == ["gegcore.code_digest", "pathlib"]

"""Examples are used as their readers use them: by a profile of their own, from the root."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gegcore.profiles import Profile, load_profile

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def profile_of(
    smoke_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Profile]:
    """The smoke profile, its prepared data included, and some lines of YAML on top."""
    monkeypatch.syspath_prepend(ROOT)

    def load(lines: str, name: str = "smoke") -> Profile:
        path = tmp_path / "mine.yaml"
        path.write_text(f"extends: smoke\nname: {name}\n{lines}\n", encoding="utf-8")
        return load_profile(str(path))

    return load

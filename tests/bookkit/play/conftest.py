"""The smallest world, prepared, in a project folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gegcore.materials import Materials
from gegcore.profiles import load_profile


@pytest.fixture(scope="module")
def materials(
    smoke_artifacts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Materials]:
    home = tmp_path_factory.mktemp("home")
    (home / "artifacts").symlink_to(smoke_artifacts)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("GEGCORE_HOME", str(home))
        yield Materials.of(load_profile("smoke"))

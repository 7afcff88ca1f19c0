"""Records of run folders whose files a test has written itself."""

from __future__ import annotations

from typing import Any

from gegcore.profiles import Profile
from gegcore.runs import EVALUATED, TRAINED, RunFolder


def write_records(
    run: RunFolder, profile: Profile, model: str, objective: str, **training: Any
) -> None:
    """Both stages are finished, with the files that are there."""
    key = {"settings": profile.settings(model, objective), "code": {}}
    names = sorted(path.name for path in run.path.iterdir() if path.suffix != ".safetensors")
    scores = [name for name in names if name.split(".")[0] not in ("log", "config", "samples")]
    run.write_record(TRAINED, {"key": key, **training}, {*names} - {*scores})
    run.write_record(EVALUATED, {"key": key}, [*scores, TRAINED])

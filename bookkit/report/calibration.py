"""A red flag over numbers of a CLIP that does not measure as it is known to."""

from __future__ import annotations

from collections.abc import Collection

from gegcore.metrics.calibration import described
from gegcore.profiles import Profile
from gegcore.runs import RunFolder


def red_flag(profile: Profile, runs: Collection[RunFolder]) -> str:
    """What is wrong, in Markdown; "" where all have passed, or the profile asks for nothing."""
    if not profile.calibration:
        return ""
    found = [run.calibration() for run in runs]
    failed = next((each for each in found if each and not each["passed"]), None)
    if failed is None and all(found):
        return ""
    why = described(failed) if failed else "the calibration of CLIP was not made"
    return (
        f"\N{TRIANGULAR FLAG ON POST} **Red flag: {why}. R@K and GEG of these runs must not be "
        "compared with published ones.**"
    )

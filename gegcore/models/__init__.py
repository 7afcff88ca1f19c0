"""The captioners, one file an architecture, and the factory that builds them."""

from gegcore.data.features import InputSizes
from gegcore.models.captioner import Captioner, Memory, State, shift_right
from gegcore.models.registry import ARCHITECTURES, build_captioner

__all__ = [
    "ARCHITECTURES",
    "Captioner",
    "InputSizes",
    "Memory",
    "State",
    "build_captioner",
    "shift_right",
]

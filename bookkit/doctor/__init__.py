"""What works on this machine, and how to mend what does not: `gegcore doctor`.

Every check stands alone and imports what it looks at by itself: this package loads, and says so,
when PyTorch, Java or a file is broken.
"""

from bookkit.doctor.check import Check, Finding, Result, examine, healthy
from bookkit.doctor.checks import CHECKS

__all__ = ["CHECKS", "Check", "Finding", "Result", "examine", "healthy"]

"""Memory that nobody holds any more goes back to the system.

glibc keeps blocks of up to 32 MiB that are freed below the top of its heap, and as much as 64 MiB at the top, for
allocations to come. Where arrays of two formats come and go, of sizes that do not fit into what others have left, this
is nearly as much again as they take: of 10⁷ parameters in float32 two copies. Other C libraries give large blocks back
of themselves.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any


def give_back() -> None:
    """Give free pages of the C library's heap back to the system, where that is glibc; takes some milliseconds."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], Any] | None:
    """`malloc_trim` (glibc 2.8 on); None elsewhere."""
    try:
        found: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library; Windows has no CDLL(None)
        return None
    return found

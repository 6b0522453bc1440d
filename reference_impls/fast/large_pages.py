"""Arrays in memory whose pages are as large as the system has.

A processor remembers where some thousand pages of memory lie, and looks up the others. Of the usual 4 KiB the arrays of
half a million weights fill more pages than that, of 2 MiB a handful. NumPy asks for large pages (on Linux, by madvise)
where an array has 4 MiB or more, and these have less. So many of them are cut from one piece of at least that size.
"""

import math
from typing import Any

import numpy as np

from reference_impls.layers.layer import Array

PIECE = 4 << 20  # bytes
LINE = 64  # bytes: what the processor reads at once, and the width of its widest vectors


class LargePages:
    """Where to cut arrays from; a piece lives as long as any array that was cut from it."""

    def __init__(self) -> None:
        self._left = np.empty(0, np.uint8)

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """As ``np.empty``; the array begins with a line."""
        size = math.prod(shape) * dtype.itemsize
        whole_lines = -(-size // LINE) * LINE
        if whole_lines > len(self._left):
            piece = np.empty(max(PIECE, whole_lines) + LINE, np.uint8)
            self._left = piece[-piece.ctypes.data % LINE :]
        array, self._left = self._left[:size], self._left[whole_lines:]
        return array.view(dtype).reshape(shape)

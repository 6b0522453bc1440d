"""The maximum of 2×2 windows, in the strips of ``convolution``, and the way back.

The textbook (``reference_impls.layers.MaxPool2d``) gives a window's cotangent to its first largest element, row by row.

1. The maximum of four is that of two pairs: first of the columns in each row, then of the two rows. Each is one
   call of ``maximum`` of two views. In both, the first wins a tie, and so does the first of the four.
2. Two masks say who won: ``left >= right`` of each row, ``top >= bottom`` of each window. The backward needs no more.
3. The loser gets what the winner leaves: ``d_bottom = d - d_top`` is d or 0 exactly.
"""

from typing import Any

import numpy as np

from reference_impls.layers.layer import Array


class PairPool:
    """The pool of arrays (strips, rows, channels, columns, batch), rows and columns even."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Allocate for inputs of ``shape``."""
        strips, rows, channels, columns, batch = shape
        self._row_maxima = np.empty((strips, rows, channels, columns // 2, batch), dtype)
        self._left_won = np.empty(self._row_maxima.shape, np.bool_)
        self._top_won = np.empty((strips, rows // 2, channels, columns // 2, batch), np.bool_)

    def forward(self, z: Array, out: Array) -> None:
        """Write the maxima into ``out``, (strips, rows / 2, channels, columns / 2, batch)."""
        left, right = z[:, :, :, ::2], z[:, :, :, 1::2]
        np.greater_equal(left, right, out=self._left_won)
        np.maximum(left, right, out=self._row_maxima)
        top, bottom = self._row_maxima[:, ::2], self._row_maxima[:, 1::2]
        np.greater_equal(top, bottom, out=self._top_won)
        np.maximum(top, bottom, out=out)

    def backward(self, dout: Array, dz: Array) -> None:
        """Write the gradient of the latest input into ``dz``, of its shape."""
        rows = self._row_maxima  # not needed any more: now their gradient
        top, bottom = rows[:, ::2], rows[:, 1::2]
        np.multiply(dout, self._top_won, out=top)
        np.subtract(dout, top, out=bottom)
        left, right = dz[:, :, :, ::2], dz[:, :, :, 1::2]
        np.multiply(rows, self._left_won, out=left)
        np.subtract(rows, left, out=right)

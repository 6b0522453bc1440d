"""Sliding windows over images: im2col, which cuts them out, and col2im, its adjoint, which adds them up again.

The window for the output at (p, q) starts at row ``p * stride`` and column ``q * stride`` of the padded image
and takes every ``dilation``-th element from there. At kernel position (i, j) it holds

``windows[n, c, i, j, p, q] = padded[n, c, p * stride + i * dilation, q * stride + j * dilation]``

Cutting only repeats elements, so it is linear; its adjoint adds every element of ``windows`` to where it came
from, so that ``sum(cut(x) * w) = sum(x * add(w))`` for all images x and windows w.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from reference_impls.layers.arguments import Pair, integer_pair
from reference_impls.layers.layer import Array


@dataclass(frozen=True)
class Windows:
    """Where the windows lie; each field is a pair, for rows and columns.

    Attributes:
        kernel: the number of elements of a window.
        stride: the distance between windows.
        padding: how many rows and columns are added on each side of the image.
        dilation: the distance between the elements of a window.
    """

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    @classmethod
    def checked(cls, owner: str, kernel: object, stride: object, padding: object, dilation: object = 1) -> Self:
        """Return windows from integers or pairs.

        Raises:
            TypeError: an argument is neither an integer nor a pair of integers.
            ValueError: a kernel, stride or dilation below 1, or a padding below 0.
        """
        return cls(
            integer_pair(owner, "kernel", kernel, least=1),
            integer_pair(owner, "stride", stride, least=1),
            integer_pair(owner, "padding", padding, least=0),
            integer_pair(owner, "dilation", dilation, least=1),
        )

    @property
    def extent(self) -> Pair:
        """The rows and columns from a window's first element to its last."""
        rows, columns = (d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        return rows, columns

    def check_fit(self, owner: str, x: Array) -> None:
        """ValueError unless a window fits into the padded image ``x`` (batch, channels, rows, columns)."""
        padded = tuple(size + 2 * p for size, p in zip(x.shape[2:], self.padding, strict=True))
        if any(window > size for window, size in zip(self.extent, padded, strict=True)):
            raise ValueError(
                f"{owner}: x has shape {x.shape}, with padding {self.padding} its images have size {padded}, and a "
                f"window spans {self.extent}; pass larger images, more padding or a smaller kernel"
            )

    def pad(self, x: Array, value: float = 0.0) -> Array:
        """Return ``x`` with ``value`` around each image; x itself where there is no padding."""
        if self.padding == (0, 0):
            return x
        padded = np.full(self._padded_shape(x.shape), value, x.dtype)
        self._inside(padded)[...] = x
        return padded

    def cut(self, padded: Array, *, writeable: bool = False) -> Array:
        """Return all windows as a view of padded images, (batch, channels, *kernel, *output size)."""
        every = np.lib.stride_tricks.sliding_window_view(padded, self.extent, axis=(2, 3), writeable=writeable)
        (down, right), (apart_down, apart_right) = self.stride, self.dilation
        chosen: Array = every[:, :, ::down, ::right, ::apart_down, ::apart_right]
        return chosen.transpose(0, 1, 4, 5, 2, 3)

    def add(self, windows: Array, shape: tuple[int, ...]) -> Array:
        """Return the adjoint of padding with zeros and cutting: fresh images of ``shape``, of the windows' dtype."""
        # float16 is added up in float32, as everywhere.
        padded = np.zeros(self._padded_shape(shape), np.promote_types(windows.dtype, np.float32))
        places = self.cut(padded, writeable=True)
        for i, j in np.ndindex(*self.kernel):
            # Windows overlap, but at one kernel position no two of them hold the same element.
            places[:, :, i, j] += windows[:, :, i, j]
        return np.ascontiguousarray(self._inside(padded), dtype=windows.dtype)

    def _padded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        batch, channels, rows, columns = shape
        return batch, channels, rows + 2 * self.padding[0], columns + 2 * self.padding[1]

    def _inside(self, padded: Array) -> Array:
        (top, left), (rows, columns) = self.padding, padded.shape[2:]
        return padded[:, :, top : rows - top, left : columns - left]

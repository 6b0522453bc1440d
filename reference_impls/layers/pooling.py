"""MaxPool2d and AvgPool2d: each window of a channel becomes its largest element, or its mean."""

from typing import Any

import numpy as np

from reference_impls.layers.arguments import Pair, cotangent_array, image_batch
from reference_impls.layers.layer import Array, Layer, Saved
from reference_impls.layers.windows import Windows


class _Pool2d(Layer[Saved]):
    """What the pools share: their windows, which never lie in the padding alone."""

    def __init__(self, kernel: int | Pair, *, stride: int | Pair | None = None, padding: int | Pair = 0) -> None:
        """Choose the windows.

        Args:
            kernel: the size of a window: an integer, or a pair for rows and columns.
            stride: the distance between windows; None for the kernel's size, so that they tile the image.
            padding: rows and columns added on each side; at most half of the kernel, as in torch.

        Raises:
            TypeError: an argument is neither an integer nor a pair of integers.
            ValueError: a kernel or stride below 1, or a padding below 0 or above half of the kernel.
        """
        super().__init__()
        name = type(self).__name__
        self.windows = Windows.checked(name, kernel, kernel if stride is None else stride, padding)
        if any(2 * p > k for p, k in zip(self.windows.padding, self.windows.kernel, strict=True)):
            raise ValueError(
                f"{name}: padding is {self.windows.padding}, the kernel {self.windows.kernel}; pass a padding of at "
                "most half of the kernel"
            )

    def _images(self, x: Array) -> Array:
        x = image_batch(type(self).__name__, x)
        self.windows.check_fit(type(self).__name__, x)
        return x


class MaxPool2d(_Pool2d[tuple[Array, tuple[int, ...], np.dtype[Any]]]):
    """``out = max(window)``, so ``dx`` gives each window's cotangent to the element that was its largest.

    Among equal elements it is the first, row by row, as in torch: the whole cotangent goes there. Padding
    counts as -inf, so it is never the largest. nan is larger than any number, so it passes through.
    """

    def forward(self, x: Array) -> Array:
        """Return the maxima, (batch, channels, output rows, output columns).

        Args:
            x: float16/32/64, (batch, channels, rows, columns). The output size is as in ``Conv2d.forward``.

        Raises:
            TypeError: x is no float array.
            ValueError: another number of axes, or images smaller than a window.
        """
        x = self._images(x)
        windows = self.windows.cut(self.windows.pad(x, -np.inf))
        out = windows[:, :, 0, 0].copy()
        winner = np.zeros(out.shape, _smallest_integer(self.windows))
        for position, (i, j) in enumerate(np.ndindex(*self.windows.kernel)):
            element = windows[:, :, i, j]
            larger = (element > out) | np.isnan(element)
            np.maximum(out, element, out=out)
            # Positions rise, so the latest that was larger is the greatest. Several times faster than np.where.
            np.maximum(winner, larger * winner.dtype.type(position), out=winner)
        self._save((winner, x.shape, x.dtype))
        return out

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx``, of the input's shape and dtype, for a cotangent of the output's shape.

        Raises:
            RuntimeError: called before forward.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        winner, x_shape, dtype = self._saved_by_forward()
        cotangent = cotangent_array("MaxPool2d", cotangent, winner.shape, dtype)
        positions = np.arange(np.prod(self.windows.kernel), dtype=winner.dtype).reshape(*self.windows.kernel, 1, 1)
        chosen = winner[:, :, np.newaxis, np.newaxis] == positions
        dwindows = np.where(chosen, cotangent[:, :, np.newaxis, np.newaxis], dtype.type(0))
        return self.windows.add(dwindows, x_shape)


class AvgPool2d(_Pool2d[tuple[Array, tuple[int, ...], tuple[int, ...], np.dtype[Any]]]):
    """``out = sum(window) / count``, so ``dx`` gives ``cotangent / count`` to each element of the window.

    ``count`` is the kernel's size, padding included, as in torch; with ``count_include_pad=False`` it is the
    number of the window's elements that lie in the image.
    """

    def __init__(
        self,
        kernel: int | Pair,
        *,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        count_include_pad: bool = True,
    ) -> None:
        """Choose the windows, as for ``MaxPool2d``, and whether padding counts as elements."""
        super().__init__(kernel, stride=stride, padding=padding)
        self.count_include_pad = count_include_pad

    def forward(self, x: Array) -> Array:
        """Return the means; argument, shapes and errors as in ``MaxPool2d.forward``."""
        x = self._images(x)
        total = self._sums(self.windows.pad(x.astype(np.promote_types(x.dtype, np.float32), copy=False)))
        count = np.asarray(np.prod(self.windows.kernel))
        if not self.count_include_pad:
            count = self._sums(self.windows.pad(np.ones((1, 1, *x.shape[2:]))))
        count = count.astype(total.dtype)
        self._save((count, x.shape, total.shape, x.dtype))
        return np.asarray(total / count, dtype=x.dtype)

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx``; shapes, dtypes and errors as in ``MaxPool2d.backward``."""
        count, x_shape, out_shape, dtype = self._saved_by_forward()
        cotangent = cotangent_array("AvgPool2d", cotangent, out_shape, dtype)
        share = (cotangent / count)[:, :, np.newaxis, np.newaxis]
        dwindows = np.broadcast_to(share, (*out_shape[:2], *self.windows.kernel, *out_shape[2:]))
        return self.windows.add(dwindows, x_shape).astype(dtype, copy=False)

    def _sums(self, padded: Array) -> Array:
        windows = self.windows.cut(padded)
        total = np.zeros_like(windows[:, :, 0, 0])
        for i, j in np.ndindex(*self.windows.kernel):
            total += windows[:, :, i, j]
        return total


def _smallest_integer(windows: Windows) -> np.dtype[Any]:
    """That holds every position in a window: comparisons of small integers are fast."""
    rows, columns = windows.kernel
    return np.min_scalar_type(rows * columns - 1)

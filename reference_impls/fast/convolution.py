"""A convolution by a few matrix products, without im2col: activations lie as (rows, channels, columns, batch).

The textbook (``reference_impls.layers.Conv2d``), for filters W (filters, channels, k, k), stride 1 and no padding:

``z[n, f, y, q] = sum over c, i, j of W[f, c, i, j] * x[n, c, y + i, q + j]``

im2col copies every x to k² places, so that this becomes one product. Instead:

1. Store x as (rows, channels, columns, batch). The k rows y ... y + k - 1 that output row y needs then lie one behind
   the other: they are a matrix X_y of (k * channels * columns, batch), without any copy, and so for each y.
2. ``z_y = B @ X_y``, where z_y is (filters * output columns, batch) and the matrix B has W on its diagonals,
   ``B[(f, q), (i, c, q + j)] = W[f, c, i, j]`` and 0 elsewhere: B is banded, and the same for every row y.
3. Of each row of B only k in ``columns`` are not zero. So cut the image into vertical strips of ``width`` output
   columns, each with the ``width + k - 1`` columns it needs. B shrinks to (filters * width, k * channels * (width + k
   - 1)), is the same for every strip too, and k in ``width + k - 1`` are not zero. Only the columns where strips
   overlap are copied. A narrow strip multiplies fewer zeros, a wide one makes larger and so faster products.
4. The gradient of B is ``dB = sum over strips and rows of dz_y @ X_y.T``, computed as its transpose ``X_y @ dz_y.T``.
   B repeats W, so dW sums the diagonals of dB: ``dW[f, c, i, j] = sum over q of dB[(f, q), (i, c, q + j)]``.
5. The gradient of x: its row y was read by the output rows y - k + 1 ... y, at kernel rows k - 1 ... 0. With k - 1 rows
   of zeros above and below dz this is the product of step 2 again, ``dx_y = C @ D_y``: D_y is the k rows of dz from y
   on, counted with the zeros, and ``C[(c, q + j), (k - 1 - i, f, q)] = W[f, c, i, j]``. Strips that overlap add up.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from reference_impls.layers.layer import Array


class StripConvolution:
    """The convolution of one batch size. In its arrays the axes are (strips, rows, channels, columns, batch).

    Attributes:
        dz: the gradient of the output, to be filled before ``gradient_of_filters`` and ``gradient_of_input``.
    """

    def __init__(
        self, filters: int, channels: int, kernel: int, size: int, width: int, batch: int, dtype: np.dtype[Any]
    ) -> None:
        """Allocate all memory for square images.

        Args:
            filters, channels, kernel: W is (filters, channels, kernel, kernel).
            size: the rows and columns of an image.
            width: the output columns of a strip; divides ``size - kernel + 1``.
            batch: the number of images.
            dtype: of everything.
        """
        k, out = kernel, size - kernel + 1
        strips, wide = out // width, width + kernel - 1
        self.kernel = k
        self._x = np.empty((strips, size, channels, wide, batch), dtype)
        self._z = np.empty((strips, out, filters, width, batch), dtype)
        padded_dz = np.zeros((strips, out + 2 * (k - 1), filters, width, batch), dtype)
        self.dz = padded_dz[:, k - 1 : k - 1 + out]
        self._dx_of_strips = np.empty_like(self._x)
        self._dx = np.empty((size, channels, size, batch), dtype)
        self._band = np.zeros((filters, width, k, channels, wide), dtype)
        # Transposed: as rows there are many more of (k, channels, wide) than of (filters, width), which suits a BLAS.
        self._dband = np.empty((k, channels, wide, filters, width), dtype)
        self._dband_of_rows = np.empty((strips, out, k * channels * wide, filters * width), dtype)
        self._flipped = np.empty((channels, wide, k, filters, width), dtype)
        self._x_rows, self._dz_rows = _consecutive_rows(self._x, k), _consecutive_rows(padded_dz, k)

    def forward(self, x: Array, W: Array) -> Array:
        """Return the output without a bias, (strips, output rows, filters, width, batch), in memory that stays.

        Args:
            x: (rows, channels, columns, batch).
            W: (filters, channels, kernel, kernel).
        """
        np.copyto(self._x, self._overlapping(x))
        _diagonals(self._band)[...] = W.transpose(0, 2, 1, 3)[:, np.newaxis]
        np.matmul(_matrix(self._band), self._x_rows, out=_rows_as_vectors(self._z))
        return self._z

    def gradient_of_filters(self, out: Array) -> None:
        """Write dW into ``out``, of W's shape."""
        dz = _rows_as_vectors(self.dz)
        np.matmul(self._x_rows, dz.swapaxes(-1, -2), out=self._dband_of_rows)
        np.add.reduce(self._dband_of_rows.reshape(-1, self._dband.size), axis=0, out=self._dband.reshape(-1))
        np.add.reduce(_diagonals(self._dband.transpose(3, 4, 0, 1, 2)), axis=1, out=out.transpose(0, 2, 1, 3))

    def gradient_of_input(self) -> Array:
        """Return dx for the filters of the latest forward, (rows, channels, columns, batch), in memory that stays."""
        np.copyto(self._flipped, self._band[:, :, ::-1].transpose(3, 4, 2, 0, 1))
        np.matmul(_matrix(self._flipped), self._dz_rows, out=_rows_as_vectors(self._dx_of_strips))
        self._dx.fill(0)
        for strip, dx in zip(self._overlapping(self._dx), self._dx_of_strips, strict=True):
            np.add(strip, dx, out=strip)
        return self._dx

    def _overlapping(self, image: Array) -> Array:
        """The strips of (rows, channels, columns, batch) as a view, (strips, rows, channels, wide, batch)."""
        strips, *shape = self._x.shape
        width = self._z.shape[3]
        return as_strided(image, (strips, *shape), (width * image.strides[2], *image.strides))


def _consecutive_rows(array: Array, k: int) -> Array:
    """Every k consecutive rows of each strip as one matrix (k * channels * columns, batch), all without a copy."""
    strips, rows, channels, columns, batch = array.shape
    shape = (strips, rows - k + 1, k * channels * columns, batch)
    return as_strided(array, shape, (array.strides[0], array.strides[1], array.strides[3], array.strides[4]))


def _rows_as_vectors(array: Array) -> Array:
    """(strips, rows, channels, columns, batch) as (strips, rows, channels * columns, batch); only a view is right."""
    strips, rows, channels, columns, batch = array.shape
    return as_strided(
        array,
        (strips, rows, channels * columns, batch),
        (array.strides[0], array.strides[1], array.strides[3], array.strides[4]),
    )


def _matrix(band: Array) -> Array:
    """The contiguous array with its first two axes as rows and the others as columns."""
    return band.reshape(band.shape[0] * band.shape[1], -1)


def _diagonals(band: Array) -> Array:
    """The view (filters, width, k, channels, k) of the elements (f, q, i, c, q + j) of a band."""
    filters, width, k, channels, wide = band.shape
    by_filter, by_q, by_i, by_c, by_column = band.strides
    return as_strided(
        band, (filters, width, k, channels, wide - width + 1), (by_filter, by_q + by_column, by_i, by_c, by_column)
    )

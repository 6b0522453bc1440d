"""An affine layer that leaves out the inputs that are zero in a whole batch.

In a batch of 100 images of MNIST a third of the pixels are dark in every image. From ``z = x @ W + b`` and
``dW = x.T @ dz``:

1. A column of x that is zero adds nothing to z, and its row of dW is zero. Both products may do without it, and what
   they compute is the same up to the order of sums, as long as W and dz are finite.
2. To pick the other columns of x and rows of W is to copy them, which costs about what it saves. But let the inputs
   that are seldom zero come first, as ``seldom_zero_first`` sorts them once. Most of what is needed then lies in one
   piece, the head, and needs no copy: ``x[:, :dense] @ W[:dense]``.
3. Behind the head few columns are not zero. These, the tail, are picked: ``z += x[:, tail] @ W[tail]``.
4. Most rows of dW behind the head are zero as they were: see ``sparse_rows``, which spares the optimiser too.
5. The bias is one more row of W in the tail, that of an input which is always 1. So ``+ b`` and its gradient, the sum
   of dz, come with the products of the tail.
"""

import numpy as np

from reference_impls.fast.large_pages import LargePages
from reference_impls.fast.sparse_rows import SparseRows
from reference_impls.layers.layer import Array


def seldom_zero_first(x: Array, batch: int) -> tuple[Array, int]:
    """Return an order of the inputs, and how many of them will seldom be zero in a whole batch.

    ``x[:, order]`` are the examples to train with, and to test with too: row i of the first layer's W then belongs to
    input ``order[i]``. To a fully connected network one order is as good as another.

    Args:
        x: examples, (rows, inputs), of any real dtype.
        batch: how many examples come in a batch, drawn at random.

    Returns:
        integers (inputs,), those of the inputs first that are not zero most often; and how many of these are zero in
        less than one batch of four.

    Raises:
        ValueError: x has other than two axes, or no row; the batch has none.
    """
    x = np.asarray(x)
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(
            f"seldom_zero_first: x has shape {x.shape}; pass (rows, inputs), such as images.reshape(len(images), -1)"
        )
    if batch < 1:
        raise ValueError(f"seldom_zero_first: batch is {batch!r}; pass the number of examples in a batch, at least 1")
    often = np.count_nonzero(x, axis=0)
    zero_in_a_batch = (1 - often / len(x)) ** batch
    return np.argsort(-often, kind="stable"), int(np.count_nonzero(zero_in_a_batch < 1 / 4))


class SparseAffine:
    """The layer for one batch size. Its ``dW`` is the array of the ``SparseRows`` that it was made with."""

    def __init__(self, rows: int, gradient: SparseRows, pages: LargePages, scratch: Array) -> None:
        """Allocate in ``pages`` for x (rows, inputs), where ``gradient`` is that of W (inputs, units).

        ``scratch`` (rows, units) is overwritten by every forward.
        """
        inputs, units = gradient.array.shape
        dense, dtype = gradient.dense, gradient.array.dtype
        longest = inputs - dense + 1
        self._gradient, self._dense = gradient, dense
        self._bits = np.empty(inputs - dense, f"u{dtype.itemsize}")
        self._z_of_tail = scratch
        self._x_memory = pages.empty((rows * longest,), dtype)
        self._W_memory = pages.empty((longest, units), dtype)
        self._dW_memory = pages.empty((longest, units), dtype)
        self._tail, self._x_tail = np.empty(0, np.intp), self._x_memory

    def forward(self, x: Array, W: Array, b: Array, out: Array) -> None:
        """As ``Affine.forward``."""
        tail = self._tail = self._not_zero(x)
        n = len(tail) + 1
        x_tail = self._x_tail = self._x_memory[: len(x) * n].reshape(len(x), n)
        W_tail = self._W_memory[:n]
        x_tail[:, 0] = 1
        x_tail[:, 1:] = x.take(tail, axis=1)
        W_tail[0] = b
        W.take(tail, axis=0, out=W_tail[1:], mode="clip")  # the default mode copies `out` first
        np.matmul(x[:, : self._dense], W[: self._dense], out=out)
        np.add(out, np.matmul(x_tail, W_tail, out=self._z_of_tail), out=out)

    def gradients(self, x: Array, dz: Array, dW: Array, db: Array) -> None:
        """As ``Affine.gradients``; the rows of ``dW`` that belong to columns of zeros are zero."""
        np.matmul(x[:, : self._dense].T, dz, out=self._gradient.head)
        d_tail = np.matmul(self._x_tail.T, dz, out=self._dW_memory[: len(self._tail) + 1])
        self._gradient.put(self._tail, d_tail[1:])
        db[...] = d_tail[0]

    def _not_zero(self, x: Array) -> Array:
        """The inputs behind the head that are not zero in some row."""
        # Read as integers, which are quick to join; only 0.0 has no bit (-0.0 has one, and is multiplied).
        np.bitwise_or.reduce(x[:, self._dense :].view(self._bits.dtype), axis=0, out=self._bits)
        (tail,) = self._bits.nonzero()
        tail += self._dense
        return tail

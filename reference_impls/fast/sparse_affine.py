"""An affine layer that leaves out the inputs that are zero in a whole batch.

In a batch of 100 images of MNIST a third of the pixels are dark in every image. From ``z = x @ W + b`` and
``dW = x.T @ dz``:

1. A column of x that is zero adds nothing to z, and its row of dW is zero. Both products may do without it, and what
   they compute is the same up to the order of sums, as long as W and dz are finite.
2. To pick the other columns of x and rows of W is to copy them, which costs about what it saves. But let the inputs
   that are seldom zero come first, as ``SeldomZeroFirst`` sorts them once. Most of what is needed then lies in one
   piece, the head, and needs no copy: ``x[:, :dense] @ W[:dense]``.
3. Behind the head few numbers are not zero. Their columns and their rows, the tail, are picked:
   ``z[rows] += x[rows, columns] @ W[columns]`` and ``dW[columns] = x[rows, columns].T @ dz[rows]``.
4. Most rows of dW behind the head are zero as they were: see ``sparse_rows``, which spares the optimiser too.
"""

import numpy as np

from reference_impls.fast.large_pages import LargePages
from reference_impls.fast.seldom_zero import Batch
from reference_impls.fast.sparse_rows import SparseRows
from reference_impls.layers.layer import Array


class SparseAffine:
    """The layer for one batch size. Its ``dW`` is the array of the ``SparseRows`` that it was made with."""

    def __init__(self, rows: int, gradient: SparseRows, pages: LargePages, scratch: Array) -> None:
        """Allocate in ``pages`` for x (rows, inputs), where ``gradient`` is that of W (inputs, units).

        ``scratch`` (rows, units) is overwritten by every forward.
        """
        inputs, units = gradient.array.shape
        dense, dtype = gradient.dense, gradient.array.dtype
        self._gradient, self._dense = gradient, dense
        self._in_columns, self._in_rows = Places(inputs - dense), Places(rows)
        self._ones = np.ones(rows, dtype)
        self._z_of_tail = scratch
        self._x_memory = pages.empty((rows * (inputs - dense),), dtype)
        self._W_memory = pages.empty((inputs - dense, units), dtype)
        self._dW_memory = pages.empty((inputs - dense, units), dtype)
        self._picked = pages.empty((rows, units), dtype)

    def forward(self, x: Array | Batch, W: Array, b: Array, out: Array) -> None:
        """As ``Affine.forward``; what is no batch with a head as wide as W's is cut here."""
        if not isinstance(x, Batch) or x.head.shape[1] != self._dense:
            x = Batch.of(np.asarray(x), self._dense)
        self._head = x.head
        np.matmul(x.head, W[: self._dense], out=out)
        np.add(out, b, out=out)
        x_tail = self._x_tail = self._tail_of(x)
        rows, columns = x_tail.shape
        # The default mode of `take` copies `out` first.
        W_tail = W.take(self._columns, axis=0, out=self._W_memory[:columns], mode="clip")
        z = np.matmul(x_tail, W_tail, out=self._z_of_tail[:rows])
        np.add(z, out.take(self._rows, axis=0, out=self._picked[:rows], mode="clip"), out=z)
        out[self._rows] = z

    def gradients(self, x: Array | Batch, dz: Array, dW: Array, db: Array) -> None:
        """As ``Affine.gradients``; the rows of ``dW`` that belong to columns of zeros are zero."""
        np.matmul(self._head.T, dz, out=self._gradient.head)
        rows, columns = self._x_tail.shape
        dz_tail = dz.take(self._rows, axis=0, out=self._picked[:rows], mode="clip")
        self._gradient.put(self._columns, np.matmul(self._x_tail.T, dz_tail, out=self._dW_memory[:columns]))
        np.matmul(self._ones, dz, out=db)

    def _tail_of(self, x: Batch) -> Array:
        """The rows and columns behind the head that are not zero; ``_rows`` and ``_columns`` are which."""
        self._rows, row = self._in_rows.of(x.row)
        columns, column = self._in_columns.of(x.column)
        self._columns = columns + self._dense
        shape = len(self._rows), len(columns)
        x_tail = self._x_memory[: shape[0] * shape[1]].reshape(shape)
        x_tail.fill(0)
        x_tail[row, column] = x.value
        return x_tail


class Places:
    """``np.unique(numbers, return_inverse=True)`` for integers from 0 to ``size``: by marks, without a sort."""

    def __init__(self, size: int) -> None:
        self._is_there = np.zeros(size, np.bool_)
        self._place = np.empty(size, np.intp)
        self._counted = np.arange(size)

    def of(self, numbers: Array) -> tuple[Array, Array]:
        """Return which there are, sorted; and for each of ``numbers`` its place among these."""
        self._is_there[numbers] = True
        (there,) = self._is_there.nonzero()
        self._is_there[there] = False
        self._place[there] = self._counted[: len(there)]
        return there, self._place[numbers]

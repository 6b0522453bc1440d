"""Examples whose inputs that are seldom zero come first, and of which it is known where the others are not zero.

A layer that leaves out inputs which are zero in a whole batch (``sparse_affine``) must know which these are. To look
for them is to read all of the batch from memory. But examples are seen in every epoch. So they are looked at once: of
every example the inputs that are seldom zero are kept as they are, the head, and of the others those that are not
zero, one after another. Behind the head of a batch of 100 images of MNIST these are some 30 numbers, of 27,000.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_impls.layers.arguments import integer
from reference_impls.layers.layer import Array


@dataclass(frozen=True)
class Batch:
    """Examples, (rows, inputs), of which the zeros behind the first inputs are not kept; ``np.asarray`` writes them.

    Attributes:
        head: the first inputs, (rows, dense).
        row, column, value: where the others are not zero, and what is there, (numbers,) each; the first column behind
            the head is 0.
        shape: that of the whole.
    """

    head: Array
    row: Array
    column: Array
    value: Array
    shape: tuple[int, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the examples."""
        return self.head.dtype

    @classmethod
    def of(cls, x: Array, dense: int) -> "Batch":
        """Return ``x``, (rows, inputs), of which the first ``dense`` inputs are the head: a view."""
        row, column = x[:, dense:].nonzero()
        return cls(x[:, :dense], row, column, x[row, dense + column], x.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("a Batch does not keep its zeros: write them into a new array, as np.asarray(batch) does")
        whole = np.zeros(self.shape, dtype or self.dtype)
        dense = self.head.shape[1]
        whole[:, :dense] = self.head
        whole[self.row, dense + self.column] = self.value
        return whole


class SeldomZeroFirst:
    """``SeldomZeroFirst(x, batch=100)[rows]`` is a batch of the examples x, with their inputs in another order.

    To a fully connected network one order is as good as another: row i of the first layer's W then belongs to input
    ``order[i]``, and whatever else the network is to see must be sorted likewise, ``x_test[:, order]``.

    Attributes:
        order: integers (inputs,), those of the inputs first that are not zero most often.
        dense: how many of these are zero in less than half of the batches, if these are drawn at random.
    """

    order: Array
    dense: int

    def __init__(self, x: Array, batch: int) -> None:
        """Sort the inputs, and keep a copy.

        Args:
            x: examples, (rows, inputs), of any real dtype.
            batch: how many examples come in a batch.

        Raises:
            TypeError: ``batch`` is no integer.
            ValueError: x has other than two axes, or no row; the batch has none.
        """
        x = np.asarray(x)
        if x.ndim != 2 or len(x) == 0:
            raise ValueError(
                f"SeldomZeroFirst: x has shape {x.shape}; pass (rows, inputs), such as images.reshape(len(images), -1)"
            )
        wanted = "the number of examples in a batch, at least 1"
        if integer("SeldomZeroFirst", "batch", batch, wanted) < 1:
            raise ValueError(f"SeldomZeroFirst: batch is {batch!r}; pass {wanted}")
        often = np.count_nonzero(x, axis=0)
        self.order = np.argsort(-often, kind="stable")
        self.dense = int(np.count_nonzero((1 - often / len(x)) ** batch < 1 / 2))
        whole = Batch.of(x.take(self.order, axis=1), self.dense)
        self._head = np.ascontiguousarray(whole.head)
        self._head.flags.writeable = False
        self._row, self._column, self._value = whole.row, whole.column, whole.value
        self._first = self._row.searchsorted(np.arange(len(x) + 1))  # of the numbers of each row

    def __len__(self) -> int:
        return len(self._head)

    def __getitem__(self, rows: slice | Array) -> Batch:
        """Return those examples; after a slice, the head is a view, read-only.

        Args:
            rows: a slice, or an array of integers or bools, as an array takes it.

        Raises:
            TypeError: it is a single number, which makes no batch.
            IndexError: as for an array.
        """
        head = self._head[rows]
        if head.ndim != 2:
            raise TypeError(f"SeldomZeroFirst: rows is {rows!r}; pass a slice or an array of integers, such as [5]")
        if isinstance(rows, slice) and rows.step in (None, 1):
            start, stop, _ = rows.indices(len(self))
            numbers: Any = slice(self._first[start], self._first[max(start, stop)])
            row = self._row[numbers] - start
        else:
            row, numbers = self._numbers_of(np.arange(len(self))[rows])
        return Batch(head, row, self._column[numbers], self._value[numbers], (len(head), len(self.order)))

    def _numbers_of(self, rows: Array) -> tuple[Array, Array]:
        """Of these rows, one after another: the row in the batch and the place of every number."""
        first, end = self._first[rows], self._first[rows + 1]
        count = end - first
        row = np.arange(len(rows)).repeat(count)
        return row, np.arange(len(row)) + (end - count.cumsum())[row]

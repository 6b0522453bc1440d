"""An array that is zero in most of its rows behind the first few: the gradient of a layer with inputs of zeros.

To write the zeros again at every backward, and to subtract them in every step, is most of what is left to be saved.
So who writes remembers which rows are not zero, and whoever reads may ask. That holds as long as nobody else writes:
the array cannot be written to but through this.
"""

from typing import Any

import numpy as np

from reference_impls.layers.layer import Array


class SparseRows:
    """A gradient's array (rows, units), from now on read-only.

    Attributes:
        array: all of it, true zeros included.
        dense: how many of the first rows may hold anything.
        tail: which of the others do, integers.
        rows: what stands at ``tail``, without the zeros between.
        head: the first rows, to be written to.
    """

    array: Array
    dense: int
    tail: Array
    rows: Array
    head: Array
    _written: Array

    def __init__(self, array: Array, dense: int) -> None:
        """Take over ``array``, which is filled with zeros."""
        array.fill(0)
        self.__setstate__({"array": array, "dense": dense, "tail": np.empty(0, np.intp)})

    def put(self, tail: Array, rows: Array) -> None:
        """Let ``rows`` stand at ``tail``, and zeros in all others behind the head; they are kept, not copied."""
        self._written[self.tail] = 0
        self._written[tail] = rows
        self.tail, self.rows = tail, rows

    def __getstate__(self) -> dict[str, Any]:
        # Copies of views would no longer be views of the copies.
        return {"array": self.array, "dense": self.dense, "tail": self.tail}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.array, self.dense, self.tail = state["array"], state["dense"], state["tail"]
        self.rows = self.array[self.tail]
        self.array.flags.writeable = True
        self._written = self.array[:]
        self.head = self._written[: self.dense]
        self.array.flags.writeable = False

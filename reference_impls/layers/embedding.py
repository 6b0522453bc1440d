"""Embedding: a table of rows, looked up by number."""

import numpy as np

from reference_impls.layers.arguments import cotangent_array, float_array, integer, real_array
from reference_impls.layers.layer import Array, Layer


class Embedding(Layer[tuple[Array, Array]]):
    """``out[i] = W[indices[i]]``, so ``dW[k]`` is the sum of ``cotangent[i]`` over all i with ``indices[i] = k``.

    A row that is looked up twice gets both cotangents; one that is not, zero. The row ``padding_idx``, if
    there is one, gets gradient 0 whatever was looked up, as in torch, so that an optimizer leaves it alone.
    """

    def __init__(self, W: Array, padding_idx: int | None = None) -> None:
        """Keep the very array ``W`` of shape (rows, features), float16, float32 or float64.

        Raises:
            TypeError: W is no float array, or padding_idx no integer.
            ValueError: W is no matrix, or padding_idx no row of it.
        """
        super().__init__()
        W = float_array("Embedding", "W", W)
        if W.ndim != 2:
            raise ValueError(f"Embedding: W has shape {W.shape}; pass a matrix of shape (rows, features)")
        if padding_idx is not None:
            padding_idx = integer("Embedding", "padding_idx", padding_idx, "an integer or None")
            if not 0 <= padding_idx < len(W):
                raise ValueError(f"Embedding: padding_idx is {padding_idx}; pass a row from 0 to {len(W) - 1}")
        self.params = {"W": W}
        self.padding_idx = padding_idx

    def forward(self, indices: Array) -> Array:
        """Return the rows, of shape (*indices.shape, features) and W's dtype.

        Args:
            indices: integers of any shape, from 0 to rows - 1.

        Raises:
            TypeError: indices are no array of integers.
            ValueError: an index is no row (the message names the first).
        """
        W = self.params["W"]
        indices = _row_numbers(indices, len(W))
        self._save((indices, W))
        return W[indices]

    def backward(self, cotangent: Array) -> None:
        """Fill ``grads``, for a cotangent of the output's shape; integers have no gradient to return.

        Raises:
            RuntimeError: called before forward.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        indices, W = self._saved_by_forward()
        cotangent = cotangent_array("Embedding", cotangent, (*indices.shape, W.shape[1]), W.dtype)
        # float16 is added up in float32; dW[indices] += cotangent would keep the last of equal indices alone.
        dW = np.zeros(W.shape, np.promote_types(W.dtype, np.float32))
        np.add.at(dW, indices, cotangent)
        if self.padding_idx is not None:
            dW[self.padding_idx] = 0
        self.grads = {"W": dW.astype(W.dtype, copy=False)}


def _row_numbers(indices: Array, rows: int) -> Array:
    array = real_array("Embedding", "indices", indices)
    if array.dtype.kind not in "iu":
        raise TypeError(f"Embedding: indices have dtype {array.dtype}; pass indices.astype(np.int64)")
    outside = (array < 0) | (array >= rows)
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"Embedding: index {array[place]} at {place} is no row of W; pass indices from 0 to {rows - 1}"
        )
    return array

"""MatMul and Transpose: matrices, or stacks of them, on the last two axes."""

from typing import TYPE_CHECKING

import numpy as np

from reference_impls.autograd.function import Cotangents, Function
from reference_impls.autograd.operations.shapes import summed_to
from reference_impls.layers.layer import Array

if TYPE_CHECKING:
    from reference_impls.autograd.variable import Variable


class MatMul(Function):
    """``out = x @ y``, so ``dx = cotangent @ y.T`` and ``dy = x.T @ cotangent``."""

    def forward(self, *arrays: Array) -> Array:
        """Return x (..., n, k) @ y (..., k, m), of shape (..., n, m); the axes in front broadcast.

        Raises:
            ValueError: an input has less than two axes, or their lengths do not fit.
        """
        x, y = arrays
        if x.ndim < 2 or y.ndim < 2:
            raise ValueError(
                f"MatMul: shapes {x.shape} and {y.shape}; pass matrices: a row as x.reshape(1, -1), a column as "
                "x.reshape(-1, 1)"
            )
        return np.asarray(x @ y)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx and dy, summed over broadcast axes."""
        x, y = self.inputs
        return summed_to(cotangent @ y.T, x.shape), summed_to(x.T @ cotangent, y.shape)


class Transpose(Function):
    """``out = x`` with its last two axes swapped, so ``dx = cotangent`` with them swapped back."""

    def forward(self, *arrays: Array) -> Array:
        """Return the transposed matrix or stack of matrices, as a copy; ValueError below two axes."""
        (x,) = arrays
        if x.ndim < 2:
            raise ValueError(f"Transpose: shape {x.shape}; pass a matrix: a row as x.reshape(1, -1)")
        return np.swapaxes(x, -1, -2).copy()

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        return (cotangent.T,)

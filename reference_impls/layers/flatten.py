"""Flatten: images become rows of features."""

import math
from typing import Any

import numpy as np

from reference_impls.layers.arguments import cotangent_array, float_array
from reference_impls.layers.layer import Array, Layer


class Flatten(Layer[tuple[tuple[int, ...], np.dtype[Any]]]):
    """``out[n] = x[n]`` as one row, so ``dx[n] = cotangent[n]`` in x's own shape."""

    def forward(self, x: Array) -> Array:
        """Return x, float16/32/64 of shape (batch, ...), as a fresh array (batch, features).

        Raises:
            TypeError: x is no float array.
            ValueError: x has no batch axis.
        """
        x = float_array("Flatten", "x", x)
        if x.ndim == 0:
            raise ValueError("Flatten: x has shape (), which has no batch axis; pass x.reshape(1, 1)")
        self._save((x.shape, x.dtype))
        return x.reshape(_row_shape(x.shape)).copy()

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx`` in x's shape and dtype, for a cotangent of shape (batch, features).

        Raises:
            RuntimeError: called before forward.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        shape, dtype = self._saved_by_forward()
        return cotangent_array("Flatten", cotangent, _row_shape(shape), dtype).reshape(shape).copy()


def _row_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    # Not (batch, -1), which an empty batch leaves undecided.
    return shape[0], math.prod(shape[1:])

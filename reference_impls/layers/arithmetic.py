"""Add and Mul: two inputs, NumPy broadcasting, one gradient for each input."""

from typing import Any

import numpy as np

from reference_impls.layers.arguments import cotangent_array, float_array, is_array, is_python_number
from reference_impls.layers.layer import Array, Layer
from reference_impls.layers.summation import sum_to_shape


class Add(Layer[tuple[Array, Array]]):
    """``out = x + y``, so ``dx = cotangent`` and ``dy = cotangent``, each summed to its own input's shape."""

    def forward(self, x: Array | float, y: Array | float) -> Array:
        """Return ``x + y``.

        Args:
            x, y: float16/32/64 arrays whose shapes broadcast, or Python numbers. A Python number takes the
                other input's dtype (float64 beside another Python number).

        Returns:
            An array of the broadcast shape, of the wider of the two dtypes.

        Raises:
            TypeError: an input is no float array or Python number.
            ValueError: the shapes do not broadcast.
        """
        x, y = _operands("Add", x, y)
        self._save((x, y))
        return np.asarray(np.add(x, y, dtype=_output_dtype(x, y)))

    def backward(self, cotangent: Array | float) -> tuple[Array, Array]:
        """Return ``(dx, dy)``, each with its input's shape and dtype, for a cotangent of the output's shape.

        Raises:
            RuntimeError: called before forward.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        x, y = self._saved_by_forward()
        cotangent = _checked_cotangent("Add", cotangent, x, y)
        return sum_to_shape(cotangent, x.shape, x.dtype), sum_to_shape(cotangent, y.shape, y.dtype)


class Mul(Layer[tuple[Array, Array]]):
    """``out = x * y``, so ``dx = cotangent * y``, ``dy = cotangent * x``, summed to the input's shape.

    Python numbers and 0-d arrays are as welcome as arrays; ``forward`` and ``backward`` always return arrays.
    """

    def forward(self, x: Array | float, y: Array | float) -> Array:
        """Return ``x * y``; arguments, result and errors as in ``Add.forward``."""
        x, y = _operands("Mul", x, y)
        self._save((x, y))
        return np.asarray(np.multiply(x, y, dtype=_output_dtype(x, y)))

    def backward(self, cotangent: Array | float) -> tuple[Array, Array]:
        """Return ``(dx, dy)``; shapes, dtypes and errors as in ``Add.backward``."""
        x, y = self._saved_by_forward()
        cotangent = _checked_cotangent("Mul", cotangent, x, y)
        dx = sum_to_shape(np.asarray(cotangent * y), x.shape, x.dtype)
        dy = sum_to_shape(np.asarray(cotangent * x), y.shape, y.dtype)
        return dx, dy


def _operands(owner: str, x: Array | float, y: Array | float) -> tuple[Array, Array]:
    arrays = _operand(owner, "x", x, beside=y), _operand(owner, "y", y, beside=x)
    try:
        np.broadcast_shapes(arrays[0].shape, arrays[1].shape)
    except ValueError:
        raise ValueError(
            f"{owner}: x has shape {arrays[0].shape}, y has shape {arrays[1].shape}, which do not broadcast; "
            "pass shapes that, aligned at the last axis, are equal or 1"
        ) from None
    return arrays


def _operand(owner: str, name: str, value: Array | float, *, beside: object) -> Array:
    if is_python_number(value):
        dtype = np.asarray(beside).dtype if is_array(beside) else np.dtype(np.float64)
        # Beside an integer array: that array is the error to report, not this number.
        value = np.asarray(value, dtype=dtype if dtype.kind == "f" else np.float64)
    return float_array(owner, name, value)


def _output_dtype(x: Array, y: Array) -> np.dtype[Any]:
    # By dtypes alone: NumPy 1 would let a 0-d array give way to the other array's dtype.
    return np.promote_types(x.dtype, y.dtype)


def _checked_cotangent(owner: str, cotangent: Array | float, x: Array, y: Array) -> Array:
    return cotangent_array(owner, cotangent, np.broadcast_shapes(x.shape, y.shape), _output_dtype(x, y))

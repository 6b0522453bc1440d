"""ReLU, LeakyReLU, Sigmoid and Tanh: one input of any shape, applied element by element."""

from typing import Any

import numpy as np

from reference_impls.layers.arguments import cotangent_array, float_array, real_number
from reference_impls.layers.layer import Array, Layer


class ReLU(Layer[tuple[Array, np.dtype[Any]]]):
    """``out = max(x, 0)``, so ``dx = cotangent`` where ``x > 0`` and 0 elsewhere.

    At the kink, ``x = 0``, the gradient is 0; nan passes through forward, and its cotangent through backward,
    all as in torch. Only a mask is kept, so the input may be overwritten before backward.
    """

    def forward(self, x: Array) -> Array:
        """Return ``max(x, 0)`` for a float16/32/64 array of any shape; TypeError for anything else."""
        x = float_array("ReLU", "x", x)
        # x <= 0 and not ~(x > 0): nan is not blocked.
        blocked = np.asarray(x <= 0)
        self._save((blocked, x.dtype))
        return np.asarray(np.maximum(x, x.dtype.type(0)))

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx``, of the input's shape and dtype, for a cotangent of that shape.

        Raises:
            RuntimeError: called before forward.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        blocked, dtype = self._saved_by_forward()
        cotangent = cotangent_array("ReLU", cotangent, blocked.shape, dtype)
        # Not cotangent * mask, which makes nan of inf * 0.
        return np.where(blocked, dtype.type(0), cotangent)


class LeakyReLU(Layer[tuple[Array, np.dtype[Any]]]):
    """``out = x`` where ``x > 0`` and ``slope * x`` elsewhere, so ``dx = cotangent`` or ``slope * cotangent``.

    At the kink, ``x = 0``, the gradient is the slope's, as in torch. Maas, Hannun & Ng (2013).
    """

    def __init__(self, slope: float = 0.01) -> None:
        """Choose the slope on the left; TypeError if it is no number, ValueError if negative or not finite."""
        super().__init__()
        self.slope = real_number("LeakyReLU", "slope", slope, low=0.0)

    def forward(self, x: Array) -> Array:
        """Return the output for a float16/32/64 array of any shape; TypeError for anything else."""
        x = float_array("LeakyReLU", "x", x)
        right = np.asarray(x > 0)
        self._save((right, x.dtype))
        return np.where(right, x, x.dtype.type(self.slope) * x)

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx``; shapes, dtypes and errors as in ``ReLU.backward``."""
        right, dtype = self._saved_by_forward()
        cotangent = cotangent_array("LeakyReLU", cotangent, right.shape, dtype)
        return np.where(right, cotangent, dtype.type(self.slope) * cotangent)


class Sigmoid(Layer[Array]):
    """``out = 1 / (1 + exp(-x))``, so ``dx = cotangent * (1 - out) * out``.

    The output is accurate in both tails and never overflows. The gradient is accurate in the left tail; in
    the right one ``1 - out`` cancels, and is 0 once ``out`` has rounded to 1, as in torch.
    """

    def forward(self, x: Array) -> Array:
        """Return the sigmoid of a float16/32/64 array of any shape; TypeError for anything else."""
        out = sigmoid(float_array("Sigmoid", "x", x))
        self._save(out)
        return out

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx``; shapes, dtypes and errors as in ``ReLU.backward``."""
        out = self._saved_by_forward()
        cotangent = cotangent_array("Sigmoid", cotangent, out.shape, out.dtype)
        return np.asarray(cotangent * (1 - out) * out, dtype=out.dtype)


class Tanh(Layer[Array]):
    """``out = tanh(x)``, so ``dx = cotangent * (1 - out**2)``.

    In both tails ``1 - out**2`` cancels, and is 0 once ``out`` has rounded to ±1, as in torch.
    """

    def forward(self, x: Array) -> Array:
        """Return ``tanh(x)`` for a float16/32/64 array of any shape; TypeError for anything else."""
        x = float_array("Tanh", "x", x)
        out = np.asarray(np.tanh(x))
        self._save(out)
        return out

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx``; shapes, dtypes and errors as in ``ReLU.backward``."""
        out = self._saved_by_forward()
        cotangent = cotangent_array("Tanh", cotangent, out.shape, out.dtype)
        return np.asarray(cotangent * (1 - out * out), dtype=out.dtype)


def sigmoid(x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))`` as an array of x's shape and float dtype, accurate in both tails."""
    # exp of a negative number only: 1 / (1 + e^-x) on the right, e^x / (1 + e^x) on the left.
    small = np.exp(-np.abs(x))
    out = np.where(x < 0, small, x.dtype.type(1)) / (1 + small)
    # NumPy makes 0-d results scalars (and NumPy 1 makes them float64).
    return np.asarray(out, dtype=x.dtype)

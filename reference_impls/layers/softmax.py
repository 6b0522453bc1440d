"""Softmax and LogSoftmax: each row of numbers becomes probabilities, or their logarithms."""

import numpy as np

from reference_impls.layers.arguments import cotangent_array, float_array, integer
from reference_impls.layers.layer import Array, Layer
from reference_impls.layers.summation import sum_over

AN_AXIS = "an integer such as -1"


class Softmax(Layer[Array]):
    """``out = exp(x) / sum(exp(x))`` along one axis, so ``dx = out * (cotangent - sum(cotangent * out))``.

    Large numbers, such as 1e4, do not overflow.
    """

    def __init__(self, axis: int = -1) -> None:
        """Choose the axis along which the output sums to 1."""
        super().__init__()
        self.axis = integer("Softmax", "axis", axis, AN_AXIS)

    def forward(self, x: Array) -> Array:
        """Return the softmax of a float16/32/64 array that has the axis.

        Raises:
            TypeError: x is no float array.
            ValueError: x has no such axis.
        """
        x = _array_with_axis("Softmax", x, self.axis)
        # The factor exp(-max) in numerator and denominator cancels, and no exponential exceeds 1.
        exponentials = np.exp(x - _largest(x, self.axis))
        out: Array = exponentials / sum_over(exponentials, self.axis, keepdims=True)
        self._save(out)
        return out

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx``, of the input's shape and dtype, for a cotangent of that shape.

        Raises:
            RuntimeError: called before forward.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        out = self._saved_by_forward()
        cotangent = cotangent_array("Softmax", cotangent, out.shape, out.dtype)
        along_output = sum_over(cotangent * out, self.axis, keepdims=True)
        dx: Array = out * (cotangent - along_output)
        return dx


class LogSoftmax(Layer[Array]):
    """``out = x - log(sum(exp(x)))`` along one axis, so ``dx = cotangent - exp(out) * sum(cotangent)``.

    Accurate where the softmax itself rounds to 0, and without overflow.
    """

    def __init__(self, axis: int = -1) -> None:
        """Choose the axis along which ``exp(out)`` sums to 1."""
        super().__init__()
        self.axis = integer("LogSoftmax", "axis", axis, AN_AXIS)

    def forward(self, x: Array) -> Array:
        """Return the logarithm of the softmax; argument and errors as in ``Softmax.forward``."""
        out = log_softmax(_array_with_axis("LogSoftmax", x, self.axis), self.axis)
        self._save(out)
        return out

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx``; shapes, dtypes and errors as in ``Softmax.backward``."""
        out = self._saved_by_forward()
        cotangent = cotangent_array("LogSoftmax", cotangent, out.shape, out.dtype)
        dx: Array = cotangent - np.exp(out) * sum_over(cotangent, self.axis, keepdims=True)
        return dx


def log_softmax(x: Array, axis: int) -> Array:
    """Return ``log(softmax(x))`` along ``axis``, of x's shape and float dtype."""
    # log softmax(x) = x - m - log(sum(exp(x - m))) for any m; with m = max(x) no exponential exceeds 1.
    shifted = x - _largest(x, axis)
    with np.errstate(divide="ignore"):  # the sum is 0 for an axis of length 0 alone, and at least 1 else
        log_p: Array = shifted - np.log(sum_over(np.exp(shifted), axis, keepdims=True))
    return log_p


def _largest(x: Array, axis: int) -> Array:
    # The initial value is for an axis of length 0, which has no largest element.
    return np.asarray(np.max(x, axis=axis, keepdims=True, initial=-np.inf))


def _array_with_axis(owner: str, x: Array, axis: int) -> Array:
    x = float_array(owner, "x", x)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{owner}: x has shape {x.shape}, which has no axis {axis}; pass x with that axis")
    return x

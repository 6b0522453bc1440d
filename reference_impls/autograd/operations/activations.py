"""ReLU, Sigmoid, Tanh: one input of any shape, element by element."""

from typing import TYPE_CHECKING

import numpy as np

from reference_impls.autograd.function import Cotangents, Function
from reference_impls.layers.layer import Array

if TYPE_CHECKING:
    from reference_impls.autograd.variable import Variable


class Blocked(Function):
    """``out = x``, but 0 where ``blocked``; so ``dx = cotangent``, but 0 there. Linear, and its own adjoint."""

    def __init__(self, blocked: Array) -> None:
        """Keep the mask, of the input's shape."""
        self._blocked = blocked

    def forward(self, *arrays: Array) -> Array:
        """Return x with zeros where it is blocked."""
        (x,) = arrays
        # Not x * mask, which makes nan of inf * 0.
        return np.where(self._blocked, x.dtype.type(0), x)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        return (Blocked(self._blocked)(cotangent),)


class ReLU(Function):
    """``out = max(x, 0)``, so ``dx = cotangent`` where ``x > 0`` and 0 elsewhere, at the kink too, as in torch."""

    def forward(self, *arrays: Array) -> Array:
        """Return max(x, 0); nan stays nan."""
        (x,) = arrays
        self._blocked = np.asarray(x <= 0)
        return np.where(self._blocked, x.dtype.type(0), x)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        return (Blocked(self._blocked)(cotangent),)


class Sigmoid(Function):
    """``out = 1 / (1 + exp(-x))``, so ``dx = cotangent * (1 - out) * out``."""

    def forward(self, *arrays: Array) -> Array:
        """Return the sigmoid, which never overflows."""
        (x,) = arrays
        # exp of a negative number only: 1 / (1 + e^-x) on the right, e^x / (1 + e^x) on the left.
        small = np.exp(-np.abs(x))
        return np.asarray(np.where(x < 0, small, x.dtype.type(1)) / (1 + small))

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        return (cotangent * (1.0 - self.output) * self.output,)


class Tanh(Function):
    """``out = tanh(x)``, so ``dx = cotangent * (1 - out**2)``."""

    def forward(self, *arrays: Array) -> Array:
        """Return tanh(x)."""
        (x,) = arrays
        return np.asarray(np.tanh(x))

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        return (cotangent * (1.0 - self.output * self.output),)

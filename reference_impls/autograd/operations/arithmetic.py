"""Add, Sub, Mul, Div, Neg, Square, Pow, Exp: element by element; the first four broadcast their inputs."""

from typing import TYPE_CHECKING

import numpy as np

from reference_impls.autograd.function import Cotangents, Function
from reference_impls.autograd.operations.shapes import summed_to
from reference_impls.layers.arguments import is_python_number
from reference_impls.layers.layer import Array

if TYPE_CHECKING:
    from reference_impls.autograd.variable import Variable


class Add(Function):
    """``out = x + y``, so ``dx = cotangent`` and ``dy = cotangent``."""

    def forward(self, *arrays: Array) -> Array:
        """Return x + y."""
        x, y = arrays
        return np.asarray(x + y)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx and dy, summed over broadcast axes."""
        x, y = self.inputs
        return summed_to(cotangent, x.shape), summed_to(cotangent, y.shape)


class Sub(Function):
    """``out = x - y``, so ``dx = cotangent`` and ``dy = -cotangent``."""

    def forward(self, *arrays: Array) -> Array:
        """Return x - y."""
        x, y = arrays
        return np.asarray(x - y)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx and dy, summed over broadcast axes."""
        x, y = self.inputs
        return summed_to(cotangent, x.shape), summed_to(-cotangent, y.shape)


class Mul(Function):
    """``out = x * y``, so ``dx = cotangent * y`` and ``dy = cotangent * x``."""

    def forward(self, *arrays: Array) -> Array:
        """Return x * y."""
        x, y = arrays
        return np.asarray(x * y)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx and dy, summed over broadcast axes."""
        x, y = self.inputs
        return summed_to(cotangent * y, x.shape), summed_to(cotangent * x, y.shape)


class Div(Function):
    """``out = x / y``, so ``dx = cotangent / y`` and ``dy = -cotangent * out / y``."""

    def forward(self, *arrays: Array) -> Array:
        """Return x / y."""
        x, y = arrays
        return np.asarray(x / y)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx and dy, summed over broadcast axes."""
        x, y = self.inputs
        dx = cotangent / y
        return summed_to(dx, x.shape), summed_to(-dx * self.output, y.shape)


class Neg(Function):
    """``out = -x``, so ``dx = -cotangent``."""

    def forward(self, *arrays: Array) -> Array:
        """Return -x."""
        (x,) = arrays
        return np.asarray(-x)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        return (-cotangent,)


class Square(Function):
    """``out = x**2``, so ``dx = cotangent * 2 * x``."""

    def forward(self, *arrays: Array) -> Array:
        """Return x**2."""
        (x,) = arrays
        return np.asarray(x * x)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        (x,) = self.inputs
        return (cotangent * (2.0 * x),)


class Pow(Function):
    """``out = x**c`` for a constant c, so ``dx = cotangent * c * x**(c - 1)``; 0 for ``c = 0``, as in torch."""

    def __init__(self, exponent: float) -> None:
        """Keep the exponent; TypeError if it is no Python number."""
        if not is_python_number(exponent):
            raise TypeError(
                f"Pow: the exponent is a {type(exponent).__name__}; pass a Python int or float, as in x ** 3"
            )
        self.exponent = exponent

    def forward(self, *arrays: Array) -> Array:
        """Return x**c; of a negative x and a fractional c it is nan."""
        (x,) = arrays
        return np.asarray(np.power(x, x.dtype.type(self.exponent)))

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        if self.exponent == 0:
            return (cotangent * 0.0,)  # and not 0 * x**-1, which is nan at x = 0
        (x,) = self.inputs
        return (cotangent * (float(self.exponent) * x ** (self.exponent - 1)),)


class Exp(Function):
    """``out = exp(x)``, so ``dx = cotangent * out``."""

    def forward(self, *arrays: Array) -> Array:
        """Return exp(x)."""
        (x,) = arrays
        return np.asarray(np.exp(x))

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        return (cotangent * self.output,)

"""Sum, Broadcast, SumTo, Reshape, Copy: the same numbers in another shape. Sums and broadcasts are adjoint."""

from typing import TYPE_CHECKING

import numpy as np

from reference_impls.autograd.function import Cotangents, Function
from reference_impls.layers.layer import Array
from reference_impls.layers.summation import sum_over, sum_to_shape

if TYPE_CHECKING:
    from reference_impls.autograd.variable import Variable


class Copy(Function):
    """``out = x``, so ``dx = cotangent``; in memory of its own."""

    def forward(self, *arrays: Array) -> Array:
        """Return a copy of the one input."""
        (x,) = arrays
        return np.array(x)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return the cotangent."""
        return (cotangent,)


class Reshape(Function):
    """``out = x.reshape(shape)``, so ``dx = cotangent.reshape(x.shape)``."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Keep the new shape; one length may be -1."""
        self.shape = shape

    def forward(self, *arrays: Array) -> Array:
        """Return the one input in the new shape, as a copy; ValueError if it has another number of elements."""
        (x,) = arrays
        return x.reshape(self.shape).copy()

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        (x,) = self.inputs
        return (Reshape(x.shape)(cotangent),)


class Sum(Function):
    """``out = sum of x over some axes``, so ``dx = cotangent``, repeated along them."""

    def __init__(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> None:
        """Choose the axes, None for all; ``keepdims`` leaves each of them in the shape with length 1."""
        self.axis = axis
        self.keepdims = keepdims

    def forward(self, *arrays: Array) -> Array:
        """Return the sum of the one input; float16 is added up in float32."""
        (x,) = arrays
        # Found once with keepdims, which is the shape that backward broadcasts from.
        self._kept = sum_over(x, self.axis, keepdims=True).shape
        return sum_over(x, self.axis, keepdims=self.keepdims)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        (x,) = self.inputs
        return (Broadcast(x.shape)(Reshape(self._kept)(cotangent)),)


class Broadcast(Function):
    """``out = x``, repeated to ``shape`` by NumPy's rules, so ``dx = cotangent``, summed where x was repeated."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Keep the shape to broadcast to."""
        self.shape = shape

    def forward(self, *arrays: Array) -> Array:
        """Return the one input broadcast, as an ordinary array; ValueError if its shape does not allow it."""
        (x,) = arrays
        return np.broadcast_to(x, self.shape).copy()

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        (x,) = self.inputs
        return (SumTo(x.shape)(cotangent),)


class SumTo(Function):
    """``out = x``, summed to ``shape``: the adjoint of Broadcast, so ``dx = cotangent``, broadcast back."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Keep the shape to sum to, from which the input's can be reached by broadcasting."""
        self.shape = shape

    def forward(self, *arrays: Array) -> Array:
        """Return the sum; ValueError if ``shape`` does not broadcast to the input's."""
        (x,) = arrays
        try:
            fits = np.broadcast_shapes(self.shape, x.shape) == x.shape
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"SumTo: shape {self.shape} does not broadcast to {x.shape}, the input's; pass a shape whose "
                f"lengths, aligned on the right, are those of {x.shape} or 1"
            )
        return sum_to_shape(x, self.shape, x.dtype)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        (x,) = self.inputs
        return (Broadcast(x.shape)(cotangent),)


def summed_to(x: "Variable", shape: tuple[int, ...]) -> "Variable":
    """Return x itself where it has the shape, else ``SumTo(shape)(x)``."""
    return x if x.shape == shape else SumTo(shape)(x)

"""The operations that the functions of the bank are made of, each in the array's own library: NumPy or torch.

NumPy has complex numbers of 80 bits, which the truth needs, and no bfloat16; torch has it the other way round. What is
ordered or compared is the real part: on real arrays that is the array itself.
"""

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

Array = Any
"""A NumPy array or a torch tensor."""


def _library(x: Array) -> ModuleType:
    """NumPy, or torch, which is then loaded already."""
    return np if isinstance(x, np.ndarray | np.generic) else sys.modules["torch"]


def _elementwise(name: str) -> Callable[[Array], Array]:
    def operation(x: Array) -> Array:
        return getattr(_library(x), name)(x)

    operation.__name__ = name
    return operation


exp, log, sqrt = _elementwise("exp"), _elementwise("log"), _elementwise("sqrt")
sin, cos, tanh = _elementwise("sin"), _elementwise("cos"), _elementwise("tanh")
real = _elementwise("real")


def sign(x: Array) -> Array:
    """The sign of the real part, as a real array."""
    return _library(x).sign(real(x))


def floor(x: Array) -> Array:
    """The real part rounded down, in x's own dtype."""
    return _library(x).floor(real(x)) + 0 * x


def prod(x: Array) -> Array:
    """The product along the last axis."""
    return _library(x).prod(x, -1)


def where(condition: Array, chosen: Array, otherwise: Array) -> Array:
    """One or the other, elementwise; either may be a number."""
    return _library(condition).where(condition, chosen, otherwise)


def concatenate(parts: Sequence[Array]) -> Array:
    """One-dimensional arrays one behind the other."""
    return np.concatenate(parts) if _library(parts[0]) is np else sys.modules["torch"].cat(list(parts))


def largest(x: Array) -> Array:
    """The largest real part along the last axis, which is kept."""
    return _library(x).amax(real(x), -1, keepdims=True)


def order(x: Array) -> Array:
    """The indices that sort the real parts."""
    return _library(x).argsort(real(x))


def constants(values: np.ndarray, x: Array) -> Array:
    """Constants in x's precision, so that float32 stays float32."""
    if _library(x) is np:
        return values.astype(np.real(x).dtype)
    return sys.modules["torch"].tensor(values, dtype=x.dtype)

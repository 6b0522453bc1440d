"""The vector space of named arrays, each in its own library and on its own device.

A checker needs very little of an array library: its floating format, its values as one float64 vector, and the
way back. `Library` is that little; `NumPy` is here, and every adapter for another library brings its own. Vectors
are one-dimensional float64 arrays of the library, so `+ - * / @ abs()` and `.sum()` are the library's own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = Any
"""An array of some library: its type is known to its `Library` only."""

Arrays = Mapping[str, Array]
"""Named arrays: a point (primal), a tangent, a cotangent or gradients."""

Vector = Any
"""A one-dimensional float64 array of some library."""

FloatVector = npt.NDArray[np.float64]


EXPONENT_BITS = 0x7FF0000000000000
"""The exponent of a float64: with its other bits cleared a number becomes the power of two below it."""


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: `digits` of significand (the implicit one counted), least normal exponent."""

    name: str
    digits: int
    least_exponent: int

    @property
    def unit_roundoff(self) -> float:
        """u = 2^-digits: the largest relative error of one rounding to nearest."""
        return 2.0**-self.digits

    @property
    def smallest_subnormal(self) -> float:
        """The spacing of the numbers around zero."""
        return 2.0 ** (self.least_exponent - self.digits + 1)


FORMATS = {
    "float64": Format("float64", 53, -1022),
    "float32": Format("float32", 24, -126),
    "float16": Format("float16", 11, -14),
    "bfloat16": Format("bfloat16", 8, -126),
}


class Library(Protocol):
    """What the core asks of an array library."""

    name: str

    def dtype(self, array: Array) -> str:
        """The dtype's name without the library's prefix, such as "float32"."""

    def device(self, array: Array) -> str:
        """The device's name, such as "cpu" or "cuda:0"."""

    def shape(self, array: Array) -> tuple[int, ...]:
        """The shape as plain integers."""

    def copy(self, array: Array) -> Array:
        """A fresh array with the same values that shares no memory with `array`."""

    def identical(self, one: Array, other: Array) -> bool:
        """Whether two arrays have the same dtype, shape and bits (NaN equals the same NaN)."""

    def vector(self, array: Array) -> Vector:
        """The elements in row-major order, as a fresh float64 vector on the array's device."""

    def concatenate(self, vectors: list[Vector]) -> Vector:
        """The vectors one behind the other (at least one is given)."""

    def shaped(self, vector: Vector, like: Array) -> Array:
        """A fresh array of `like`'s shape, dtype and device with the vector's elements, rounded to its dtype."""

    def place(self, values: FloatVector, like: Array) -> Vector:
        """NumPy values as a vector on `like`'s device."""

    def moved(self, array: Array, tangent: Array, t: float) -> Array:
        """A fresh array + t·tangent, in the array's own dtype."""

    def widened(self, array: Array) -> Array:
        """A fresh float64 array with the same values, shape and device."""

    def numpy(self, vector: Vector) -> FloatVector:
        """A vector's values in NumPy."""

    def spacing(self, magnitude: Vector, form: Format) -> Vector:
        """The unit in the last place, in `form`, of numbers of this magnitude (elementwise; exact)."""

    def sign(self, vector: Vector) -> Vector:
        """−1, 0 or 1 elementwise."""

    def maximum(self, vector: Vector, other: Any) -> Vector:
        """The larger of each element and `other` (a vector or a number)."""

    def round(self, vector: Vector) -> Vector:
        """Rounded to integers, ties to even."""

    def median(self, vector: Vector) -> float:
        """A median of the elements."""


class NumPy:
    """The NumPy side of `Library`."""

    name = "numpy"

    def dtype(self, array: Array) -> str:
        return str(np.asarray(array).dtype.name)

    def device(self, array: Array) -> str:
        return "cpu"

    def shape(self, array: Array) -> tuple[int, ...]:
        return tuple(np.shape(array))

    def copy(self, array: Array) -> Array:
        return np.array(array, copy=True, order="C", subok=False)

    def identical(self, one: Array, other: Array) -> bool:
        one, other = np.asarray(one), np.asarray(other)
        return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())

    def vector(self, array: Array) -> Vector:
        return np.array(array, dtype=np.float64).reshape(-1)

    def concatenate(self, vectors: list[Vector]) -> Vector:
        return np.concatenate(vectors)

    def shaped(self, vector: Vector, like: Array) -> Array:
        like = np.asarray(like)
        return np.array(vector.reshape(like.shape), dtype=like.dtype)

    def place(self, values: FloatVector, like: Array) -> Vector:
        return values

    def moved(self, array: Array, tangent: Array, t: float) -> Array:
        return np.asarray(array + np.asarray(tangent).dtype.type(t) * tangent)

    def widened(self, array: Array) -> Array:
        return np.array(array, dtype=np.float64)

    def numpy(self, vector: Vector) -> FloatVector:
        return np.asarray(vector, dtype=np.float64)

    def spacing(self, magnitude: Vector, form: Format) -> Vector:
        power = (np.asarray(magnitude, np.float64).view(np.int64) & EXPONENT_BITS).view(
            np.float64
        )  # 2^⌊log₂ magnitude⌋
        return np.maximum(power, 2.0**form.least_exponent) * 2.0 ** (1 - form.digits)

    def sign(self, vector: Vector) -> Vector:
        return np.sign(vector)

    def maximum(self, vector: Vector, other: Any) -> Vector:
        return np.maximum(vector, other)

    def round(self, vector: Vector) -> Vector:
        return np.rint(vector)

    def median(self, vector: Vector) -> float:
        return float(np.median(vector)) if len(vector) else 0.0


def inner(one: Vector, other: Vector) -> float:
    """The inner product ⟨one, other⟩ of two vectors, accumulated in float64."""
    return float(one @ other)


def norm(vector: Vector) -> float:
    """The Euclidean norm ‖vector‖₂; scaled, so that it neither overflows nor underflows."""
    largest = float(abs(vector).max()) if len(vector) else 0.0
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    scaled = vector / largest
    return largest * math.sqrt(inner(scaled, scaled))


def root_mean_square(vector: Vector) -> float:
    """‖vector‖₂ / √n, and 0 for an empty vector."""
    return norm(vector) / math.sqrt(len(vector)) if len(vector) else 0.0

"""The vector space of named arrays, each in its own library and on its own device.

A checker needs very little of an array library: its floating format, its values as one float64 vector, and the
way back. `Library` is that little; `NumPy` is here, and every adapter for another library brings its own. Vectors
are one-dimensional float64 arrays of the library, so `+ - * / @ abs()` and `.sum()` are the library's own.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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
IntVector = npt.NDArray[np.int64]

STRIDED = "every second element of a wider array"
"""A layout with a storage offset and strides that are not the usual ones, all at once."""
STRIDE_0, ROW_AGAIN = "a stride of 0 along every axis", "a stride of 0 along the first axis"
"""Layouts of numbers that repeat: all of them, as `y.sum().backward()` sends, and the rows."""


LEAST_SQUARE = 1e-200  # below this a sum of squares may have lost digits to underflow

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

    @property
    def half(self) -> bool:
        """Whether it has fewer digits than float32."""
        return self.digits < FORMATS["float32"].digits


FORMATS = {
    "float64": Format("float64", 53, -1022),
    "float32": Format("float32", 24, -126),
    "float16": Format("float16", 11, -14),
    "bfloat16": Format("bfloat16", 8, -126),
}


class Library(Protocol):
    """What the core asks of an array library."""

    name: str

    def owns(self, value: Any) -> bool:
        """Whether `value` is an array of this library (for NumPy, numbers with a dtype too)."""

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

    def flat(self, array: Array) -> Array:
        """The elements in row-major order in their own dtype; shares memory with a contiguous `array`."""

    def blank(self, like: Array, form: Format | None = None) -> Array:
        """A fresh contiguous array of `like`'s shape and device, not yet filled; in this format or `like`'s dtype."""

    def concatenate(self, vectors: list[Vector]) -> Vector:
        """The vectors one behind the other (at least one is given)."""

    def shaped(self, vector: Vector, like: Array) -> Array:
        """A fresh array of `like`'s shape, dtype and device with the vector's elements, rounded to its dtype."""

    def place(self, values: FloatVector, like: Array) -> Vector:
        """NumPy values as a vector on `like`'s device."""

    def moved(self, array: Array, tangent: Array, t: float, into: Array | None = None) -> Array:
        """array + t·tangent, in the array's own dtype: fresh, or in the memory of `into`, which may be the tangent."""

    def stacked(self, arrays: Sequence[Array]) -> Array:
        """Arrays of one shape along a new first axis."""

    def widened(self, array: Array) -> Array:
        """A fresh float64 array with the same values, shape and device."""

    def numpy(self, vector: Vector) -> FloatVector:
        """A vector's values in NumPy."""

    def exact(self, array: Array) -> npt.NDArray[Any]:
        """The array in NumPy, bit for bit; where NumPy has no such dtype (bfloat16), its bits as integers."""

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

    def layouts(self, array: Array) -> dict[str, Array]:
        """Fresh arrays with the same values in other memory layouts, by name; those that differ from the usual one."""

    def expanded(self, array: Array) -> dict[str, Array]:
        """The first element of `array`, and its first row where it has several, repeated by strides of 0 in memory of
        the array's size; by what the layout is called, empty for a single element."""

    def rows(self, array: Array, order: IntVector) -> Array:
        """A fresh array of these rows (along the first axis)."""

    def overlap(self, one: Array, other: Array) -> bool:
        """Whether two arrays share memory."""


class NumPy:
    """The NumPy side of `Library`."""

    name = "numpy"

    def owns(self, value: Any) -> bool:
        return isinstance(value, np.ndarray | np.generic | float)

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

    def flat(self, array: Array) -> Array:
        return np.asarray(array).reshape(-1)

    def blank(self, like: Array, form: Format | None = None) -> Array:
        like = np.asarray(like)
        return np.empty(like.shape, like.dtype if form is None else form.name)

    def concatenate(self, vectors: list[Vector]) -> Vector:
        return np.concatenate(vectors)

    def shaped(self, vector: Vector, like: Array) -> Array:
        like = np.asarray(like)
        return np.array(vector.reshape(like.shape), dtype=like.dtype)

    def place(self, values: FloatVector, like: Array) -> Vector:
        return values

    def moved(self, array: Array, tangent: Array, t: float, into: Array | None = None) -> Array:
        step = np.asarray(tangent).dtype.type(t)
        if into is None:
            return np.asarray(array + step * tangent)
        np.multiply(tangent, step, out=into)
        return np.add(array, into, out=into).view()

    def stacked(self, arrays: Sequence[Array]) -> Array:
        return np.stack(arrays)

    def widened(self, array: Array) -> Array:
        return np.array(array, dtype=np.float64)

    def numpy(self, vector: Vector) -> FloatVector:
        return np.asarray(vector, dtype=np.float64)

    def exact(self, array: Array) -> npt.NDArray[Any]:
        return np.asarray(array)

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
        if not len(vector):
            return 0.0
        middle = float(np.median(vector))  # of an even number the mean of two, whose sum may overflow
        return middle if math.isfinite(middle) else float(np.quantile(vector, 0.5, method="lower"))

    def layouts(self, array: Array) -> dict[str, Array]:
        a = np.asarray(array)
        fixed = a.copy()
        fixed.flags.writeable = False
        found = {"read-only": fixed}
        if a.ndim and a.size > 1:
            beside = np.concatenate([-a, a, -a], axis=-1)  # what lies around the view scales with it
            apart = np.stack([a, -a], axis=-1).reshape(*a.shape[:-1], -1)
            flipped = np.flip(a).copy()
            strided = np.flip(np.stack([-np.flip(a), np.flip(a)], axis=-1).reshape(*a.shape[:-1], -1)[..., 1::2])
            strided.flags.writeable = False
            found |= {
                "a slice of a wider array": beside[..., a.shape[-1] : 2 * a.shape[-1]],
                "every second element": apart[..., ::2],
                "negative strides": np.flip(flipped),
                STRIDED: strided,
            }
        if sum(side > 1 for side in a.shape) > 1:
            found["transposed"] = np.array(a, order="F")
        return found

    def expanded(self, array: Array) -> dict[str, Array]:
        a, found = np.array(array, order="C"), {}
        if a.size > 1:
            found[STRIDE_0] = np.broadcast_to(a.reshape(-1)[:1], a.shape)
        if a.size > 1 and a.ndim > 1 and len(a) > 1:
            found[ROW_AGAIN] = np.broadcast_to(a[:1], a.shape)
        return found

    def rows(self, array: Array, order: IntVector) -> Array:
        return np.asarray(array)[order]

    def overlap(self, one: Array, other: Array) -> bool:
        return bool(np.shares_memory(one, other))


def inner(one: Vector, other: Vector) -> float:
    """The inner product ⟨one, other⟩ of two vectors, accumulated in float64."""
    return float(one @ other)


def norm(vector: Vector) -> float:
    """The Euclidean norm ‖vector‖₂; scaled where its square would overflow or underflow."""
    with np.errstate(over="ignore"):
        square = inner(vector, vector)
    if LEAST_SQUARE < square < math.inf:
        return math.sqrt(square)
    largest = float(abs(vector).max()) if len(vector) else 0.0
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    scaled = vector / largest
    return largest * math.sqrt(inner(scaled, scaled))


def root_mean_square(vector: Vector) -> float:
    """‖vector‖₂ / √n, and 0 for an empty vector."""
    return norm(vector) / math.sqrt(len(vector)) if len(vector) else 0.0


def copies_of(library: Library, arrays: Arrays) -> dict[str, Array]:
    """The arrays in memory of their own."""
    return {name: library.copy(array) for name, array in arrays.items()}


# -- whole arrays, block by block: a large one must not be copied to float64 at once ------------------------------

BLOCK = 2**18  # elements: 2 MiB of float64, which a core's cache holds


def blocks(count: int) -> Iterator[slice]:
    """The slices that cut `count` elements into blocks."""
    return (slice(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK))


def built(library: Library, like: Array, block_of: Callable[[slice], Array], into: Array | None = None) -> Array:
    """An array of `like`'s shape and dtype from its blocks (vectors, or arrays of `like`'s dtype).

    It is fresh, or if it has several blocks in the memory of `into`: contiguous, of that shape, and of a dtype that may
    be another.
    """
    count = math.prod(library.shape(like))
    if count <= BLOCK:
        return library.shaped(block_of(slice(0, count)), like)
    whole = library.blank(like) if into is None else into
    flat = library.flat(whole)
    for block in blocks(count):
        flat[block] = block_of(block)
    return whole


def in_blocks(library: Library, *arrays: Array) -> Iterator[tuple[Vector, ...]]:
    """Arrays of one shape as float64 vectors, block by block."""
    count = math.prod(library.shape(arrays[0]))
    if 0 < count <= BLOCK:
        yield tuple(library.vector(array) for array in arrays)
        return
    flats = [library.flat(array) for array in arrays]
    for block in blocks(count):
        yield tuple(library.vector(flat[block]) for flat in flats)


def inner_of(library: Library, one: Array, other: Array) -> float:
    """⟨one, other⟩ of two arrays of one shape, accumulated in float64."""
    return sum((inner(a, b) for a, b in in_blocks(library, one, other)), 0.0)


def norm_of(library: Library, array: Array) -> float:
    """‖array‖₂."""
    return math.hypot(*(norm(values) for (values,) in in_blocks(library, array)))


def norm_of_difference(library: Library, one: Array, other: Array) -> float:
    """‖one − other‖₂ of two arrays of one shape."""
    return math.hypot(*(norm(a - b) for a, b in in_blocks(library, one, other)))


def root_mean_square_of(library: Library, array: Array) -> float:
    """‖array‖₂ / √n, and 0 for an empty array."""
    count = math.prod(library.shape(array))
    return norm_of(library, array) / math.sqrt(count) if count else 0.0


def norm_of_product(library: Library, one: Array, other: Array) -> float:
    """‖one ∘ other‖₂ of two arrays of one shape."""
    return math.hypot(*(norm(a * b) for a, b in in_blocks(library, one, other)))


def is_finite(library: Library, array: Array) -> bool:
    """Whether every element is a number."""
    return all(bool((abs(values) < math.inf).all()) for (values,) in in_blocks(library, array))

"""A block of an array that follows its axes, and how a person calls it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from gradcheck_kit.space import FloatVector

Range = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """The elements whose index on every axis lies in that axis's range [first, end).

    Attributes:
        shape: of the whole array.
        ranges: one for each axis.
    """

    shape: tuple[int, ...]
    ranges: tuple[Range, ...]

    @staticmethod
    def whole(shape: tuple[int, ...]) -> "Box":
        """All of an array."""
        return Box(shape, tuple((0, length) for length in shape))

    @staticmethod
    def element(shape: tuple[int, ...], index: tuple[int, ...]) -> "Box":
        """One element."""
        return Box(shape, tuple((i, i + 1) for i in index))

    @staticmethod
    def around(mask: npt.NDArray[np.bool_]) -> "Box":
        """The smallest block that holds every true element of a mask; there is at least one."""
        along = [
            np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis))) for axis in range(mask.ndim)
        ]
        return Box(mask.shape, tuple((int(true[0]), int(true[-1]) + 1) for true in along))

    @property
    def size(self) -> int:
        return math.prod(end - first for first, end in self.ranges)

    @property
    def first_index(self) -> tuple[int, ...]:
        return tuple(first for first, _ in self.ranges)

    def length(self, axis: int) -> int:
        first, end = self.ranges[axis]
        return end - first

    def long_axes(self) -> list[int]:
        """The axes on which more than one index is left, the longest first."""
        axes = [axis for axis in range(len(self.ranges)) if self.length(axis) > 1]
        return sorted(axes, key=self.length, reverse=True)

    def within(self, axis: int, first: int, end: int) -> "Box":
        """The part with the indices [first, end) on one axis, counted in the whole array."""
        return replace(self, ranges=(*self.ranges[:axis], (first, end), *self.ranges[axis + 1 :]))

    def slices(self) -> tuple[slice, ...]:
        return tuple(slice(first, end) for first, end in self.ranges)

    def mask(self) -> FloatVector:
        """1 inside and 0 outside, in row-major order."""
        return self.ramp(None, [1.0])

    def ramp(self, axis: int | None, levels: list[float] | FloatVector) -> FloatVector:
        """Along one axis of the box the given levels, one an index; 0 outside."""
        weights = np.zeros(self.shape)
        along = np.ones(len(self.shape), dtype=int)
        if axis is not None:
            along[axis] = len(levels)
        weights[self.slices()] = np.reshape(levels, along) if self.shape else levels[0]
        return weights.reshape(-1)

    def holds(self, index: tuple[int, ...]) -> bool:
        return all(first <= i < end for i, (first, end) in zip(index, self.ranges, strict=True))

    def indices(self) -> Iterator[tuple[int, ...]]:
        """Every index, in row-major order."""
        return product(*(range(first, end) for first, end in self.ranges))

    def random_index(self, generator: np.random.Generator) -> tuple[int, ...]:
        return tuple(int(generator.integers(first, end)) for first, end in self.ranges)

    def joined(self, other: "Box") -> "Box | None":
        """The block that both make up, if they do: neighbours on one axis and alike on the others."""
        differing = [axis for axis, (a, b) in enumerate(zip(self.ranges, other.ranges, strict=True)) if a != b]
        if len(differing) != 1:
            return None
        axis = differing[0]
        (first, middle), (start, end) = sorted((self.ranges[axis], other.ranges[axis]))
        return self.within(axis, first, end) if middle == start else None

    # -- words ----------------------------------------------------------------------------------------------------

    def describe(self, name: str) -> str:
        """In words and, where it is not plain from them, as one would index it."""
        if self.size == math.prod(self.shape):
            return f"all of {name}" if self.shape and self.size > 1 else name
        if self.size == 1:
            return f"{name}[{', '.join(map(str, self.first_index))}]"
        limited = [axis for axis, length in enumerate(self.shape) if self.length(axis) < length]
        words = ", ".join(self._on_axis(axis) for axis in limited)
        return f"{words} of {name}, {name}[{', '.join(map(_sliced, self.ranges, self.shape))}]"

    def _on_axis(self, axis: int) -> str:
        (first, end), length = self.ranges[axis], self.shape[axis]
        one, many, suffix = self._axis_words(axis)
        if end - first == 1:
            return f"the last {one}{suffix}" if end == length else f"{one} {first}{suffix}"
        if first == 1 and end == length:
            return f"all but the first {one}{suffix}"
        if first == 0 and end == length - 1:
            return f"all but the last {one}{suffix}"
        if end == length:
            return f"the {many} from {first} on{suffix}"
        return f"{many} {first} to {end - 1}{suffix}"

    def _axis_words(self, axis: int) -> tuple[str, str, str]:
        if len(self.shape) == 1:
            return "element", "elements", ""
        if len(self.shape) == 2:
            return (("row", "rows", ""), ("column", "columns", ""))[axis]
        return "slice", "slices", f" on axis {axis}"


def _sliced(bounds: Range, length: int) -> str:
    first, end = bounds
    if end - first == 1 and length > 1:
        return str(first)
    return f"{first or ''}:{end if end < length else ''}"

"""Where the values of one array lie: what a differentiable function takes, and how far from its kinks.

Elements are drawn by Hypothesis's own numbers, unmapped, and arrays are computed from them as a whole: shrinking then
ends with few, equal, short numbers.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradcheck_kit.exploration.axes import Axes, Axis, axes
from gradcheck_kit.subject import UsageError

NDArray = npt.NDArray[Any]
Shape = tuple[int, ...]
Elements = st.SearchStrategy[float]
BOUND = 8.0  # of a number that is drawn for no domain in particular
LEAST = 2.0**-10  # of one that is not zero: far below, squares underflow and nothing can be resolved
GAP = 0.25


@dataclass(frozen=True)
class Domain:
    """One array to be drawn: its axes and where its values lie.

    Attributes:
        name: of the domain.
        axes: of the array.
        values: shape and number of classes → a strategy of float64 or int64 arrays of that shape.
    """

    name: str
    axes: Axes
    values: Callable[[Shape, int], st.SearchStrategy[NDArray]]


def regular(*lengths: Axis) -> Domain:
    """Multiples of 1/4, none of them zero, no two equal: off the kinks of |x|, ReLU, max and sorting.

    What `points` draws for a plain tuple of axes. It shrinks to 0.25, 0.5, 0.75, …
    """
    return Domain("regular", axes(*lengths), _distinct)


def anywhere(*lengths: Axis, bound: float = BOUND) -> Domain:
    """Numbers up to `bound`, with zeros and ties: for functions without kinks, or to meet them."""
    _expect(LEAST < bound < math.inf, f"anywhere: bound={bound!r}; pass a number above {LEAST}")
    signed = st.one_of(st.just(0.0), st.floats(LEAST, bound), st.floats(-bound, -LEAST))
    return _elementwise("anywhere", lengths, signed)


def away_from(*lengths: Axis, kinks: Sequence[float] = (0.0,), gap: float = GAP, bound: float = BOUND) -> Domain:
    """Numbers at least `gap` away from every kink, at most `bound` in size; elements may be equal."""
    cuts = sorted(float(kink) for kink in kinks)
    ends = [-bound, *(end for kink in cuts for end in (kink - gap, kink + gap)), bound]
    open_parts = [(low, high) for low, high in zip(ends[::2], ends[1::2], strict=True) if low < high]
    _expect(
        gap > 0.0 and bool(open_parts), f"away_from: kinks={kinks!r} with gap={gap!r} leave nothing up to {bound!r}"
    )
    simplest_first = sorted(open_parts, key=lambda part: (max(part[0], -part[1], 0.0), part[1] <= 0.0))
    return _elementwise("away from kinks", lengths, st.one_of([st.floats(*part) for part in simplest_first]))


def positive(*lengths: Axis, low: float = 0.125, high: float = BOUND) -> Domain:
    """Numbers from `low` to `high`, for logarithms, roots and variances."""
    _expect(0.0 < low < high < math.inf, f"positive: low={low!r}, high={high!r}; pass 0 < low < high")
    return _elementwise("positive", lengths, st.floats(low, high))


def unit_interval(*lengths: Axis, margin: float = 0.0625) -> Domain:
    """Numbers inside (0, 1), at least `margin` from both ends."""
    _expect(0.0 < margin < 0.5, f"unit_interval: margin={margin!r}; pass a number between 0 and 0.5")
    return _elementwise("unit interval", lengths, st.floats(margin, 1.0 - margin))


def simplex(*lengths: Axis) -> Domain:
    """Positive numbers whose sum over the last axis is 1, such as probabilities; it shrinks to equal ones."""
    _expect(bool(lengths), "simplex() has no axis to sum over; pass one, such as simplex('n', 'm')")

    def values(shape: Shape, _: int) -> st.SearchStrategy[NDArray]:
        return _filled(shape, st.floats(0.125, 4.0)).map(lambda a: a / a.sum(axis=-1, keepdims=True))

    return Domain("simplex", axes(*lengths), values)


def symmetric_positive_definite(*lengths: Axis) -> Domain:
    """Symmetric matrices A Aᵀ/n + 1, n being the last length: ("b", "n") is (b, n, n). It shrinks to the unit."""
    _expect(bool(lengths), "symmetric_positive_definite() has no size; pass one, such as 'n'")

    def values(shape: Shape, _: int) -> st.SearchStrategy[NDArray]:
        elements = st.one_of(st.just(0.0), st.floats(LEAST, 4.0), st.floats(-4.0, -LEAST))
        return _filled(shape, elements).map(_definite)

    return Domain("symmetric positive definite", axes(*lengths, lengths[-1]), values)


def labels(*lengths: Axis, below: Axis) -> Domain:
    """Integers from 0 to `below` - 1, a number or the name of an axis."""
    return Domain("labels", axes(*lengths, below=below), _integers)


def repeated_indices(*lengths: Axis, below: Axis) -> Domain:
    """As `labels`, and in every array of two or more elements two are equal: a scatter must add, not overwrite."""
    return Domain("repeated indices", axes(*lengths, below=below), _repeated)


def one_hot(*lengths: Axis) -> Domain:
    """Floating-point rows along the last axis that are 1 in one place and 0 in the others."""
    _expect(bool(lengths), "one_hot() has no axis of classes; pass one, such as one_hot('n', 'm')")

    def values(shape: Shape, _: int) -> st.SearchStrategy[NDArray]:
        return _integers(shape[:-1], shape[-1]).map(lambda chosen: np.eye(shape[-1])[chosen])

    return Domain("one-hot", axes(*lengths), values)


def of_axes(given: Axes) -> Domain:
    """The domain that `gk.axes(...)` describes."""
    if given.below is not None:
        return Domain("labels", given, _integers)
    low, high = given.within
    if not math.isfinite(low) and not math.isfinite(high):
        return Domain("regular", given, _distinct)
    ends = (low + (high - low) / 16.0, high - (high - low) / 16.0)
    if not math.isfinite(high - low):
        ends = (low + GAP, low + BOUND) if math.isfinite(low) else (high - BOUND, high - GAP)
    return Domain("within", given, lambda shape, _: _filled(shape, st.floats(*ends)))


def _elementwise(name: str, lengths: tuple[Axis, ...], elements: Elements) -> Domain:
    return Domain(name, axes(*lengths), lambda shape, _: _filled(shape, elements))


def _filled(shape: Shape, elements: Elements) -> st.SearchStrategy[NDArray]:
    return hnp.arrays(np.float64, shape, elements=elements)


def _distinct(shape: Shape, _: int) -> st.SearchStrategy[NDArray]:
    most = max(16, math.prod(shape))  # twice as many numbers as are needed
    numbers = st.one_of(st.integers(1, most), st.integers(-most, -1))
    return hnp.arrays(np.int64, shape, elements=numbers, unique=True).map(lambda whole: np.asarray(GAP * whole))


def _integers(shape: Shape, classes: int) -> st.SearchStrategy[NDArray]:
    return hnp.arrays(np.int64, shape, elements=st.integers(0, max(classes, 1) - 1))


@st.composite
def _repeated(draw: st.DrawFn, shape: Shape, classes: int) -> NDArray:
    chosen = draw(_integers(shape, classes))
    flat = chosen.reshape(-1)
    if len(flat) > 1:
        first = draw(st.integers(0, len(flat) - 2))
        flat[first + 1] = flat[first]
    return flat.reshape(shape)


def _definite(factors: NDArray) -> NDArray:
    size = factors.shape[-1]
    product: NDArray = factors @ np.swapaxes(factors, -1, -2) / max(size, 1)
    symmetric: NDArray = (product + np.swapaxes(product, -1, -2)) / 2.0 + np.eye(size)
    return symmetric


def _expect(meant: bool, message: str) -> None:
    if not meant:
        raise UsageError(message)

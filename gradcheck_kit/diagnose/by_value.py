"""Is the backward wrong exactly where the input has a property that a wrong branch would ask for?"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradcheck_kit.diagnose.evidence import Cause, Values
from gradcheck_kit.locate import Location, OfInput

Mask = npt.NDArray[np.bool_]

FEW = 3  # elements with the property that must all be wrong
COINCIDENCE = 20  # equally large sets of elements among which the wrong ones are the one with the property …
COINCIDENCE_OF_VALUES = 100  # … which of values there are several, and thresholds
SEPARATING = 2  # elements sampled on the poorer side of a threshold …
BEYOND = 4  # … and elements there in all, since it may lie anywhere between two of them
SIDES = 3  # elements on either side of zero
REACH = 0.1  # of the elements must lie on either side of a threshold
FLAT = 0.25  # of the least derivative where the backward is right: below, the function is flat where it is wrong


@dataclass(frozen=True)
class Surroundings:
    """The arrays that a cause may be read from.

    Attributes:
        gradient, primal: of the input under suspicion.
        integers: the integer inputs, by name.
    """

    gradient: Values
    primal: Values
    integers: dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Property:
    """What a wrong branch may ask for: the cause it would be, the elements that have it, and those that have not.

    Between the two there may be elements of which it is not known. `coincidence` is how rarely, at least, a set as
    large as this one is just this one.
    """

    cause: Cause
    having: Mask
    lacking: Mask
    coincidence: int = COINCIDENCE


def by_value(place: Location, measured: OfInput, around: Surroundings, generator: np.random.Generator) -> Cause | None:
    """The property that all wrong elements have and no right one has; None where there is none, or several."""
    properties = [p for p in _properties(place, around) if p.having.any() and p.lacking.any()]
    matches = [p.cause for p in properties if wrong_where(p, place, measured, generator)]
    return matches[0] if len({cause.slug for cause in matches}) == 1 else None


def _properties(place: Location, around: Surroundings) -> Iterator[Property]:
    x = around.primal
    negative = Cause("wrong-where-negative", "backward is wrong exactly where the input is negative")
    positive = Cause("wrong-where-positive", "backward is wrong exactly where the input is positive")
    if min((x < 0).sum(), (x >= 0).sum()) >= SIDES:
        yield Property(negative, x < 0, x >= 0, COINCIDENCE_OF_VALUES)
    if min((x > 0).sum(), (x <= 0).sum()) >= SIDES:
        yield Property(positive, x > 0, x <= 0, COINCIDENCE_OF_VALUES)
    yield from _magnitudes(place, x)
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    tied = (counts > 1)[inverse].reshape(x.shape)
    yield Property(Cause("wrong-at-ties", "backward is wrong exactly where two elements are equal"), tied, ~tied)
    for name, integers in around.integers.items():
        repeated = _repeated(integers, x.shape)
        words = f"backward is wrong exactly where {name} repeats an index: it overwrites instead of accumulating"
        yield Property(Cause("overwritten-not-accumulated", words), repeated, ~repeated)


def _magnitudes(place: Location, x: Values) -> Iterator[Property]:
    """Magnitudes that part the wrong elements measured from the right ones."""
    wrong = [abs(float(x[e.index])) for e in place.elements if e.wrong]
    right = [abs(float(x[e.index])) for e in place.elements if not e.wrong]
    if min(len(wrong), len(right)) < SEPARATING:
        return
    size, many = abs(x), COINCIDENCE_OF_VALUES
    if max(right) < min(wrong):
        found = Property(_of_large(place, max(right), min(wrong)), size >= min(wrong), size <= max(right), many)
    elif max(wrong) < min(right):
        words = f"backward is wrong where the input is small: wrong up to {max(wrong):.3g}, right from {min(right):.3g}"
        found = Property(Cause("wrong-where-small", words), size <= max(wrong), size >= min(right), many)
    else:
        return
    sides = min(int(found.having.sum()), int(found.lacking.sum()))
    if sides >= max(BEYOND, REACH * size.size):
        yield found


def _of_large(place: Location, right: float, wrong: float) -> Cause:
    """Wrong for large inputs: where the function is flat there and not elsewhere, it is where it saturates."""
    where = f"right up to {right:.3g}, wrong from {wrong:.3g}"
    there = [abs(e.numeric) for e in place.elements if e.wrong]
    elsewhere = [abs(e.numeric) for e in place.elements if not e.wrong]
    if max(there) <= FLAT * min(elsewhere):
        return Cause("wrong-where-saturated", f"backward is wrong where the function saturates: {where} in magnitude")
    return Cause("wrong-where-large", f"backward is wrong where the input is large: {where}")


def _repeated(integers: npt.NDArray[np.int64], shape: tuple[int, ...]) -> Mask:
    """The elements whose index on the first axis occurs more than once; none where these are no indices."""
    if not shape or integers.size < 2 or integers.min() < -shape[0] or integers.max() >= shape[0]:
        return np.zeros(shape, dtype=bool)
    counts = np.bincount(np.mod(integers.reshape(-1), shape[0]), minlength=shape[0])
    return np.broadcast_to((counts > 1).reshape(-1, *[1] * (len(shape) - 1)), shape)


def wrong_where(asked: Property, place: Location, measured: OfInput, generator: np.random.Generator) -> bool:
    """Whether the elements with a property, and no others, are wrong."""
    if any(not asked.having[e.index] if e.wrong else not asked.lacking[e.index] for e in place.elements):
        return False
    if not _no_coincidence(asked.having, asked.coincidence):
        return False
    if place.complete:
        wrong = np.zeros(asked.having.shape, dtype=bool)
        for box in place.boxes:
            wrong[box.slices()] = True
        return bool((wrong == asked.having).all())
    if not measured.of(asked.lacking.reshape(-1).astype(np.float64)).right:
        return False
    inside = np.flatnonzero(asked.having)
    drawn = generator.choice(inside, size=min(FEW, inside.size), replace=False)
    ask = [tuple(int(i) for i in np.unravel_index(position, asked.having.shape)) for position in drawn]
    return all(measured.alone(index).wrong for index in ask)


def _no_coincidence(mask: Mask, least: int) -> bool:
    """Whether a set as large as this one would rarely be just this one; where it is made of slices, these count."""
    rows = mask.reshape(mask.shape[0], -1) if mask.ndim else mask.reshape(1, 1)
    units = rows[:, 0] if bool((rows == rows[:, :1]).all()) else mask
    return math.comb(units.size, int(units.sum())) >= least

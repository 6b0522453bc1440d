"""Which of two gradients that should be equal are further apart than rounding explains?

Two ways to the same gradient (another memory layout, another order of rows) may sum in another order. What that changes
is measured where it matters: by how much the gradient moves when every element of the cotangent moves by its last
digit, which draws all roundings of the backward anew.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradcheck_kit.checks.examination import Examination, Gradients
from gradcheck_kit.differences.probe import at_dithered_point, dithered
from gradcheck_kit.space import Array, Arrays, norm_of, norm_of_difference

FACTOR = 32.0  # the bugs looked for change a gradient by about its own size
DITHERS, MORE = 2, 8
"""More are drawn only before two gradients are told apart: two may round well by chance. A gradient through a
normalisation of two rows, zero but for rounding, moved by 1e-5 under 38 of 40 dithers, under the others by 1e-7."""
SATURATED = 0.25  # of ‖u‖·‖y‖/√n: 8 roundings of terms u·y that cancel however large x is; 2.9 over 2,000 softmaxes


Way = Callable[[Arrays, Arrays], Gradients]


@dataclass(frozen=True)
class Place:
    """Where two gradients were asked for.

    Attributes:
        point: the primal.
        cotangents: u; the noise is measured around it.
        inputs: whether the two ways differ in how the inputs are laid out, so that the forward too rounds otherwise;
            the noise is then measured with the inputs dithered as well.
        other: (point, cotangents) → gradients the second way, where that computes otherwise: another layout or order
            may round badly where the usual one happens to round well.
        accuracy: two gradients count as equal if they differ by no more than this part of their size, whatever the
            noise: dithers do not move an error of approximation.
    """

    point: Arrays
    cotangents: Arrays
    inputs: bool = False
    other: Way | None = None
    accuracy: float = 0.0


def differing(examination: Examination, one: Gradients, other: Gradients, place: Place) -> dict[str, float]:
    """The inputs whose two gradients differ by more than rounding explains: distance ÷ bound, above 1.

    The distance is Euclidean over the whole array; it is ∞ where the shapes differ or one is not finite. The bound is
    `FACTOR` times the largest of a unit roundoff of the gradient's size, of ‖u‖·‖y‖/‖x‖ (its size where nothing
    cancels), and the measured noise; and some roundings of ‖u‖·‖y‖/√n (n elements), which is how y·(u − Σuy) rounds
    where softmax saturates, unmoved by dithers. A missing gradient is the zero that it claims.
    """
    ground = _ground(examination, place)
    # Measured once: either may be what a backward returned, and the next call may write to it.
    apart = {n: _distance(examination, one.get(n), other.get(n), size, place.accuracy) for n, size in ground.items()}
    suspects = {n: ratio for n, distance in apart.items() if not (ratio := _ratio(*distance)) <= 1.0}
    usual, noise = examination.pulled, dict.fromkeys(ground, 0.0)
    for way, purpose, count in (
        (usual, "dithers", DITHERS),
        (usual, "more dithers", MORE),
        (place.other, "dithers the other way", MORE),
    ):
        if way is None or not any(math.isfinite(ratio) for ratio in suspects.values()):
            break
        moved = _noise(examination, place, way, examination.aside(purpose), count)
        noise = {n: max(noise[n], moved[n]) for n in noise}
        suspects = {n: ratio for n in suspects if not (ratio := _ratio(*apart[n], noise[n])) <= 1.0}
    return suspects


def outputs_differ(examination: Examination, one: Arrays, other: Arrays) -> bool:
    """Whether any output differs by more than another order of summation explains (`FACTOR` units of roundoff)."""
    return one.keys() != other.keys() or any(_ratio(*_distance(examination, one[n], other[n], 0.0)) > 1.0 for n in one)


def _ground(examination: Examination, place: Place) -> dict[str, float]:
    library = examination.library
    u, y = (
        math.hypot(*(norm_of(library, array) for array in arrays.values()))
        for arrays in (place.cotangents, examination.outputs)
    )
    ground = {}
    for name in examination.subject.differentiable:
        x = place.point[name]
        saturated = SATURATED / math.sqrt(max(examination.elements(x), 1))
        ground[name] = u * y * max(1.0 / (norm_of(library, x) or 1.0), saturated)
    return ground


def _distance(
    examination: Examination, one: Array | None, other: Array | None, ground: float, accuracy: float = 0.0
) -> tuple[float, float]:
    """How far apart two gradients are, and the error that their size alone explains."""
    library, form = examination.library, examination.coarsest
    given = [array for array in (one, other) if array is not None]
    if not given:
        return 0.0, 0.0
    counts = [math.prod(library.shape(array)) for array in given]
    if counts[0] != counts[-1]:
        return math.inf, 0.0
    apart = norm_of_difference(library, *given) if len(given) == 2 else norm_of(library, given[0])
    if not math.isfinite(apart):
        return math.inf, 0.0
    own = max(norm_of(library, array) for array in given)
    least = 2.0**form.least_exponent * math.sqrt(counts[0])
    return apart, max(form.unit_roundoff * max(own, ground), accuracy * own / FACTOR, least)


def _ratio(apart: float, rounding: float, noise: float = 0.0) -> float:
    return apart / (FACTOR * max(rounding, noise)) if 0.0 < apart < math.inf else apart


def _noise(
    examination: Examination, place: Place, way: Way, generator: np.random.Generator, count: int
) -> dict[str, float]:
    """How far each gradient moves under `count` dithers."""
    library, noise = examination.library, dict.fromkeys(examination.subject.differentiable, 0.0)
    base = way(place.point, place.cotangents)
    for _ in range(count):
        moved = {name: dithered(library, generator, u) for name, u in place.cotangents.items()}
        pulled = partial(_swapped, way, moved)
        again = at_dithered_point(library, generator, place.point, pulled) if place.inputs else pulled(place.point)
        for name in noise:
            here, there = base.get(name), again.get(name)
            if here is not None and there is not None:
                noise[name] = max(noise[name], norm_of_difference(library, here, there))
    return noise


def _swapped(way: Way, cotangents: Arrays, point: Arrays) -> Gradients:
    return way(point, cotangents)

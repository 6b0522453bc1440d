"""Which directions are probed: tangents that let no element hide and no element drown.

Components are ± a magnitude in [1/2, 1], never small: a lone wrong element is then never missed for the draw's sake
(a Gaussian component is near zero too often), and the many magnitudes keep two opposite errors from cancelling (as
they do in half of all draws of plain signs).
"""

import math
from collections.abc import Callable, Collection
from enum import Enum
from typing import TypeVar

import numpy as np

from gradcheck_kit.space import (
    BLOCK,
    FORMATS,
    Array,
    Arrays,
    FloatVector,
    Library,
    Vector,
    blocks,
    built,
    norm,
    root_mean_square_of,
)

Result = TypeVar("Result")

Scale = Vector | float
"""How far each element moves at step 1, or one number for all."""

NUDGE = 2.0**-8
ULP = 1.5  # times the unit roundoff and |x|: between 3/4 and 3/2 of a unit in the last place


class Kind(Enum):
    """PLAIN random signs; ALIGNED with the gradient's signs, so that no error cancels, ten times sharper on constant
    factors; EQUALISED by the gradient's magnitude, so that a huge element hides no small one."""

    PLAIN = "plain"
    ALIGNED = "aligned"
    EQUALISED = "equalised"


def part_of(scale: Scale, block: slice) -> Scale:
    """The block of a scale."""
    return scale if isinstance(scale, float) else scale[block]


def signed_uniform(generator: np.random.Generator, count: int) -> FloatVector:
    """`count` numbers ±w with w uniform on [1/2, 1]."""
    drawn = generator.random(count, dtype=np.float32).astype(np.float64) - 0.5  # 2^24 levels are plenty
    return drawn + np.copysign(0.5, drawn)


def pass_over(generator: np.random.Generator, count: int) -> None:
    """Draw what `signed_uniform` would, and let it go: what is drawn next is the same."""
    for block in blocks(count):
        generator.random(block.stop - block.start, dtype=np.float32)


def scale_of(library: Library, array: Array, per_element: bool) -> Scale:
    """How far each element is moved at step 1: the root-mean-square of the array, or each element's own size."""
    whole = root_mean_square_of(library, array) or 1.0
    if not per_element:
        return whole
    own = abs(library.vector(array))
    return own + (own == 0) * whole


def random_tangent(library: Library, generator: np.random.Generator, like: Array, scale: Scale | None = None) -> Array:
    """A direction whose components are ± half to the whole of `scale`, or else of the element, where a zero stays."""
    return built(library, like, components_drawn_by(library, generator, like, scale))


def components_drawn_by(
    library: Library, generator: np.random.Generator, like: Array, scale: Scale | None = None
) -> Callable[[slice], Vector]:
    """What draws such a direction, block by block: each once, in order."""
    flat = library.flat(like)

    def drawn(block: slice) -> Vector:
        size = library.vector(flat[block]) if scale is None else part_of(scale, block)
        return size * library.place(signed_uniform(generator, block.stop - block.start), like)

    return drawn


def tangent(
    library: Library,
    generator: np.random.Generator,
    kind: Kind,
    array: Array,
    gradient: Vector,
    scale: Scale,
    typical: float,
) -> Vector:
    """A direction in the space of `array`, not yet on its lattice.

    Args:
        gradient: the analytic gradient at the point, which two of the kinds look at.
        scale: the size of each component, as from `scale_of`.
        typical: the size of a typical gradient, as from `typical_size`.
    """
    drawn = scale * library.place(signed_uniform(generator, len(gradient)), array)
    if kind is Kind.ALIGNED:
        sign = library.sign(gradient)
        return abs(drawn) * sign + (sign == 0) * drawn
    if kind is Kind.EQUALISED:
        return drawn * at_most_typical(library, gradient, typical)
    return drawn


def expected_size(library: Library, kind: Kind, gradient: Array, scale: Scale, typical: float) -> float:
    """About ‖gradient ∘ tangent‖ for a tangent still to be drawn."""
    flat, parts = library.flat(gradient), []
    for block in blocks(len(flat)):
        g = library.vector(flat[block])
        weighted = g * part_of(scale, block)
        parts.append(norm(weighted * at_most_typical(library, g, typical) if kind is Kind.EQUALISED else weighted))
    return math.hypot(*parts)


def typical_size(library: Library, array: Array) -> float:
    """A median of the elements' magnitudes; of a large array, of enough of them."""
    flat = library.flat(array)
    return library.median(abs(library.vector(flat[:: 1 + len(flat) // BLOCK])))


def at_most_typical(library: Library, values: Vector, typical: float) -> Vector:
    """Factors ≤ 1 that bring every larger value down to the typical size; 1 where that is 0."""
    return typical / library.maximum(abs(values), typical) if typical > 0.0 else 0.0 * values + 1.0


def dithered(library: Library, generator: np.random.Generator, array: Array, into: Array | None = None) -> Array:
    """Every element moved by about one unit in the last place, up or down at random; zeros, which are exact, stay.

    Fresh, or where it is large in the memory of `into`, which may be `array` itself.
    """
    step = ULP * FORMATS[library.dtype(array)].unit_roundoff
    either = np.array([-step, step])
    flat = library.flat(array)

    def moved(block: slice) -> Vector:
        values = library.vector(flat[block])
        ups = np.unpackbits(np.frombuffer(generator.bytes(len(values) // 8 + 1), np.uint8), count=len(values))
        return values + values * library.place(either[ups], array)

    return built(library, array, moved, into)


def at_dithered_point(
    library: Library,
    generator: np.random.Generator,
    point: Arrays,
    evaluate: Callable[[Arrays], Result],
    names: Collection[str] | None = None,
    lent: Arrays | None = None,
) -> Result:
    """What `evaluate` gives where the arrays of `point` have moved by a unit in the last place.

    They move at random, or where that cannot be evaluated, as beyond an upper edge of the domain (p = 1), towards zero.

    Args:
        names: which arrays move, by default all of floating point.
        lent: arrays of `point` whose memory the moved ones may take; `evaluate` puts them back, also when it raises.
    """
    floating = {n: array for n, array in point.items() if library.dtype(array) in FORMATS}
    moving = {n: array for n, array in floating.items() if names is None or n in names}
    into = lent or {}
    try:
        return evaluate({**point, **{n: dithered(library, generator, a, into.get(n)) for n, a in moving.items()}})
    except Exception:  # whatever the user's own code raises there; a budget that is spent raises again below
        return evaluate({**point, **{n: towards_zero(library, a) for n, a in moving.items()}})


def towards_zero(library: Library, array: Array) -> Array:
    """Every element one unit in the last place nearer to zero: a dither that an upper edge of the domain allows."""
    flat, form = library.flat(array), FORMATS[library.dtype(array)]

    def moved(block: slice) -> Vector:
        values = library.vector(flat[block])
        return values - library.sign(values) * library.spacing(abs(values), form)

    return built(library, array, moved)


def nudged(library: Library, generator: np.random.Generator, array: Array) -> Array:
    """Every element moved by a random part of 2^-8 of the array's size: off a kink that it sat on."""
    flat, size = library.flat(array), NUDGE * (root_mean_square_of(library, array) or 1.0)

    def moved(block: slice) -> Vector:
        values = library.vector(flat[block])
        return values + library.place(signed_uniform(generator, len(values)), array) * size

    return built(library, array, moved)


def shrunk(library: Library, generator: np.random.Generator, array: Array) -> Array:
    """Every element a random 1/16 to 1/8 nearer to zero: another point, in the same region."""
    flat = library.flat(array)

    def moved(block: slice) -> Vector:
        values = library.vector(flat[block])
        drawn = abs(library.place(signed_uniform(generator, len(values)), array))
        return values * (1.0 - drawn / 8)

    return built(library, array, moved)

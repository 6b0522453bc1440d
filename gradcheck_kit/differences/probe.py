"""Which directions are probed: tangents that let no element hide and no element drown.

Components are ± a magnitude in [1/2, 1], never small: a lone wrong element is then never missed for the draw's sake
(a Gaussian component is near zero too often), and the many magnitudes keep two opposite errors from cancelling (as
they do in half of all draws of plain signs).
"""

from enum import Enum

import numpy as np

from gradcheck_kit.space import FORMATS, Array, FloatVector, Library, Vector, norm, root_mean_square

NUDGE = 2.0**-8
ULP = 1.5  # times the unit roundoff and |x|: between 3/4 and 3/2 of a unit in the last place


class Kind(Enum):
    """PLAIN random signs; ALIGNED with the gradient's signs, so that no error cancels, ten times sharper on constant
    factors; EQUALISED by the gradient's magnitude, so that a huge element hides no small one."""

    PLAIN = "plain"
    ALIGNED = "aligned"
    EQUALISED = "equalised"


def signed_uniform(generator: np.random.Generator, count: int) -> FloatVector:
    """`count` numbers ±w with w uniform on [1/2, 1]."""
    drawn = generator.random(count, dtype=np.float32).astype(np.float64) - 0.5  # 2^24 levels are plenty
    return drawn + np.copysign(0.5, drawn)


def scale_of(library: Library, array: Array, per_element: bool) -> Vector | float:
    """How far each element is moved at step 1: the root-mean-square of the array, or each element's own size."""
    values = library.vector(array)
    whole = root_mean_square(values) or 1.0
    if not per_element:
        return whole
    own = abs(values)
    return own + (own == 0) * whole


def tangent(
    library: Library,
    generator: np.random.Generator,
    kind: Kind,
    array: Array,
    gradient: Vector,
    scale: Vector,
) -> Vector:
    """A direction in the space of `array`, not yet on its lattice.

    Args:
        gradient: the analytic gradient at the point, which two of the kinds look at.
        scale: the size of each component, as from `scale_of`.
    """
    drawn = scale * library.place(signed_uniform(generator, len(gradient)), array)
    if kind is Kind.ALIGNED:
        sign = library.sign(gradient)
        return abs(drawn) * sign + (sign == 0) * drawn
    if kind is Kind.EQUALISED:
        return drawn * at_most_typical(library, gradient)
    return drawn


def expected_size(library: Library, kind: Kind, gradient: Vector, scale: Vector | float) -> float:
    """About ‖gradient ∘ tangent‖ for a tangent still to be drawn."""
    return norm(gradient * scale * at_most_typical(library, gradient) if kind is Kind.EQUALISED else gradient * scale)


def at_most_typical(library: Library, values: Vector) -> Vector:
    """Factors ≤ 1 that bring every larger value down to the median size; 1 where the median is 0."""
    magnitude = abs(values)
    typical = library.median(magnitude)
    return typical / library.maximum(magnitude, typical) if typical > 0.0 else 0.0 * values + 1.0


def dithered(library: Library, generator: np.random.Generator, array: Array) -> Array:
    """Every element moved by about one unit in the last place, up or down at random; zeros, which are exact, stay."""
    values = library.vector(array)
    ups = np.unpackbits(np.frombuffer(generator.bytes(len(values) // 8 + 1), np.uint8), count=len(values))
    step = ULP * FORMATS[library.dtype(array)].unit_roundoff
    either = np.array([-step, step])
    return library.shaped(values + values * library.place(either[ups], array), array)


def towards_zero(library: Library, array: Array) -> Array:
    """Every element one unit in the last place nearer to zero: a dither that an upper edge of the domain allows."""
    values = library.vector(array)
    step = library.sign(values) * library.spacing(abs(values), FORMATS[library.dtype(array)])
    return library.shaped(values - step, array)


def nudged(library: Library, generator: np.random.Generator, array: Array) -> Array:
    """Every element moved by a random part of 2^-8 of the array's size: off a kink that it sat on."""
    values = library.vector(array)
    drawn = library.place(signed_uniform(generator, len(values)), array)
    return library.shaped(values + drawn * (NUDGE * (root_mean_square(values) or 1.0)), array)


def shrunk(library: Library, generator: np.random.Generator, array: Array) -> Array:
    """Every element a random 1/16 to 1/8 nearer to zero: another point, in the same region."""
    values = library.vector(array)
    drawn = abs(library.place(signed_uniform(generator, len(values)), array))
    return library.shaped(values * (1.0 - drawn / 8), array)

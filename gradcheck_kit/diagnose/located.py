"""What the wrong elements have in common, once they are known."""

import numpy as np

from gradcheck_kit.diagnose.by_value import Surroundings, by_value
from gradcheck_kit.diagnose.evidence import MATCH, Cause
from gradcheck_kit.diagnose.in_a_triangle import in_a_triangle
from gradcheck_kit.diagnose.one_triangle import one_triangle
from gradcheck_kit.diagnose.repeated import repeated
from gradcheck_kit.locate import Location, OfInput
from gradcheck_kit.locate.box import Box
from gradcheck_kit.locate.contributions import Element

FEW = 3  # wrong elements that must have something in common


def diagnose_located(
    place: Location, measured: OfInput, around: Surroundings, generator: np.random.Generator
) -> Cause | None:
    """The cause that the wrong elements point to, or None.

    Args:
        place: where they are, and the elements that were measured.
        measured: to ask whether all of the mismatch lies where a property holds.
        around: the arrays at the point.
        generator: draws elements with the property.
    """
    if not place.wrong:
        return None
    triangle = one_triangle(place, measured, around)
    if triangle is not None:
        return triangle
    found = None
    if not place.everywhere:
        ask = place, measured, around, generator
        found = in_a_triangle(*ask) or by_value(*ask)
    return found or _zero(place, measured, around) or _repeated(place, measured, around) or _in_common(place)


def _zero(place: Location, measured: OfInput, around: Surroundings) -> Cause | None:
    """All of a block is zero, or should be."""
    if place.everywhere or not place.complete:
        return None
    if all(bool((around.gradient[box.slices()] == 0.0).all()) for box in place.boxes):
        return Cause("zero-slice", "backward returns zero there, and the derivative is not zero")
    if len(place.boxes) <= FEW and all(_should_be_zero(box, measured) for box in place.boxes):
        return Cause("should-be-zero", "the function does not depend on these elements, to within what was measured")
    return None


def _repeated(place: Location, measured: OfInput, around: Surroundings) -> Cause | None:
    """One wrong block made of slices that are copies of another."""
    if len(place.boxes) != 1 or place.mixed or place.everywhere or not place.complete:
        return None
    return repeated(place.boxes[0], around.gradient, measured.name)


def _should_be_zero(box: Box, measured: OfInput) -> bool:
    reading, analytic = measured.of(box.mask()), measured.analytic(box.mask())
    return abs(analytic - reading.difference) <= MATCH * reading.bound


def _in_common(place: Location) -> Cause | None:
    """One factor between backward and derivative in every element that was measured of one wrong block."""
    wrong = place.wrong
    if len(place.boxes) != 1 or place.everywhere or not place.complete or len(wrong) < FEW:
        return None
    if any(e.numeric == 0.0 or e.analytic == 0.0 for e in wrong):
        return None
    sharpest = min(wrong, key=lambda e: e.error / abs(e.numeric))
    factor = sharpest.analytic / sharpest.numeric
    allowed = MATCH * max(1.0, abs(factor))
    if not all(abs(e.analytic - factor * e.numeric) <= allowed * (e.error + _share(sharpest, e)) for e in wrong):
        return None
    if abs(factor + 1.0) <= allowed * sharpest.error / abs(sharpest.numeric):
        return Cause("sign-flip", "backward has the wrong sign there")
    return Cause("constant-factor", f"backward is {factor:.10g} times the derivative there")


def _share(sharpest: Element, other: Element) -> float:
    """What the doubt in the factor makes of another element."""
    return sharpest.error / abs(sharpest.numeric) * abs(other.numeric)

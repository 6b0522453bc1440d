"""Has a backward gone through fewer digits than it returns?"""

from collections.abc import Sequence

import numpy as np

from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.diagnose.evidence import Cause
from gradcheck_kit.space import FORMATS, FloatVector, Format

SLUG = "low-precision"
FEW = 4  # elements that a coincidence can reach
SHORT = 3  # digits that a number may have for many reasons
MOST = 64.0  # an error in units of a format's roundoff: roundings add up
LEAST = 2.0**-12  # and cancel along a direction


def low_precision(strikes: Sequence[Measurement], name: str) -> Cause | None:
    """A discrepancy of the size of a coarser format's rounding, and gradients that hold no more digits than that.

    The backward is asked with a cotangent of ±1, which adds no digits of its own.
    """
    asked = strikes[-1].round
    library = asked.examination.library
    if library.dtype(asked.backward.gradients[name]) != "float64":
        return None
    relative = max(s.seen.comparison.discrepancy / (s.seen.comparison.scale or 1.0) for s in strikes)
    likely = formats_of_error(relative, FORMATS["float64"])
    if not likely:
        return None
    signs = {n: library.shaped(library.sign(library.vector(u)), u) for n, u in asked.backward.cotangents.items()}
    g = library.numpy(library.vector(asked.pulled(signs)[name]))
    shown = next((form for form in likely if holds_no_more_than(g, form)), None)
    if shown is None:
        return None
    words = f"backward's numbers have the digits of {shown.name}: an intermediate is not in float64"
    return Cause(SLUG, words)


def formats_of_error(relative: float, own: Format) -> list[Format]:
    """The formats coarser than `own` whose rounding makes a relative error of this size, the coarsest first."""
    coarser = [form for form in FORMATS.values() if form.digits < own.digits]
    found = [form for form in coarser if LEAST <= relative / form.unit_roundoff <= MOST]
    return sorted(found, key=lambda form: form.digits)


def holds_no_more_than(values: FloatVector, form: Format) -> bool:
    """Whether every element has at most the format's digits, though enough of them use several."""
    several = int((rounded(values, SHORT) != values).sum())
    return bool((rounded(values, form.digits) == values).all()) and several >= FEW


def rounded(values: FloatVector, digits: int) -> FloatVector:
    """Every element to the nearest number of so many binary digits."""
    mantissa, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.rint(np.ldexp(mantissa, digits)), exponent - digits))

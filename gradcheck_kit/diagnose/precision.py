"""Has a backward in float64 gone through fewer digits?"""

from collections.abc import Sequence

import numpy as np

from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.diagnose.evidence import Cause
from gradcheck_kit.space import FORMATS, FloatVector

FORMATS_BELOW = ("float32", "float16", "bfloat16")
FEW = 4  # elements that a coincidence can reach
AROUND = 64.0  # the discrepancy, in units of that format's roundoff, either way


def low_precision(strikes: Sequence[Measurement], name: str) -> Cause | None:
    """A discrepancy of the size of a coarser format's rounding, and gradients that hold no more digits than that.

    The backward is asked with a cotangent of ±1, which adds no digits of its own.
    """
    asked = strikes[-1].round
    library = asked.examination.library
    if library.dtype(asked.backward.gradients[name]) != "float64":
        return None
    relative = max(s.seen.comparison.discrepancy / (s.seen.comparison.scale or 1.0) for s in strikes)
    likely = [f for f in FORMATS_BELOW if relative <= AROUND * FORMATS[f].unit_roundoff]
    if not likely or relative < FORMATS["float32"].unit_roundoff / AROUND**2:
        return None
    signs = {n: library.shaped(library.sign(library.vector(u)), u) for n, u in asked.backward.cotangents.items()}
    g = library.vector(asked.pulled(signs)[name])
    shown = next((f for f in likely if _holds_no_more_than(library.numpy(g), f)), None)
    if shown is None:
        return None
    return Cause("low-precision", f"backward's numbers have the digits of {shown}: an intermediate is not in float64")


def _holds_no_more_than(values: FloatVector, form: str) -> bool:
    """Whether every element has at most the format's digits, though enough of them use several."""
    mantissa, _ = np.frexp(values[values != 0.0])
    scaled = np.ldexp(mantissa, FORMATS[form].digits)
    coarse = np.ldexp(mantissa, 3)
    return bool((scaled == np.rint(scaled)).all()) and int((coarse != np.rint(coarse)).sum()) >= FEW

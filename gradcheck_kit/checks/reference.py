"""Can the forward be evaluated in float64, and is it then still the same function?

The derivative of a float64 forward is known a million times better than that of a float32 one; the backward, in its own
precision, is then judged against it with its own measured rounding.
"""

from collections.abc import Mapping

import numpy as np

from gradcheck_kit.checks.casting import casts_inside
from gradcheck_kit.checks.examination import Reference, widened
from gradcheck_kit.space import Array, Library, norm
from gradcheck_kit.subject import BudgetSpentError, Forward, Subject, in_words

SAME_FUNCTION = 0.1  # a larger relative difference is no rounding: overflow, another random stream, another branch
FLOAT64 = "float64"


def in_float64(
    subject: Subject,
    outputs: Mapping[str, Array],
    forward: Forward,
    generator: np.random.Generator,
    name: str = FLOAT64,
) -> Reference | str:
    """The reference that `forward` is for the subject, or why it is none.

    Args:
        subject: whose inputs are widened.
        outputs: the subject's own outputs at its point.
        forward: takes every floating-point array as float64.
        generator: for the directions in which it is moved, to see whether it casts inside.
        name: what reports call it.
    """
    library = subject.library
    try:
        wide = dict(forward(widened(library, subject.point)))
    except BudgetSpentError:
        raise
    except Exception as error:
        return f"its forward does not take float64 ({in_words(error, 80)})"
    reference = Reference(name, forward, wide, library)
    difference = _difference(library, outputs, wide)
    if difference is None and casts_inside(subject, reference, generator):
        difference = "its forward casts to fewer digits inside, so that in float64 it is a staircase"
    return difference or reference


def _difference(library: Library, outputs: Mapping[str, Array], wide: Mapping[str, Array]) -> str | None:
    """What tells the outputs in float64 from those of the same function in the subject's own precision."""
    if wide.keys() != outputs.keys():
        return "its forward returns other outputs for float64 inputs"
    for key, native in outputs.items():
        if library.dtype(wide[key]) != FLOAT64:
            return f"its forward returns {library.dtype(wide[key])} for float64 inputs"
        here, there = library.vector(native), library.vector(wide[key])
        if len(here) != len(there):
            return "its forward returns another shape for float64 inputs"
        if not norm(here - there) <= SAME_FUNCTION * norm(there):
            return "its forward is another function in float64"
    return None

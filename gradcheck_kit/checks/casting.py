"""Does a forward in float64 really work in float64, or does it cast to fewer digits inside and back again?

Such a forward is a staircase: a step far below the digits that it keeps changes nothing, or, where an element sits on
an edge, far too much; a step above them changes it as it should. A float64 derivative of it is worth nothing.
"""

import copy
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gradcheck_kit.checks.examination import Examination, Reference, widened
from gradcheck_kit.differences.probe import components_drawn_by
from gradcheck_kit.space import FORMATS, Array, Library, Vector, built
from gradcheck_kit.subject import BudgetSpentError, Subject

FINE_STEP = 2.0**-36  # of each element: far below the 2^-24 of float32, far above the 2^-53 of float64
COARSE_STEP = 16.0  # units of roundoff of the subject's own format: above the stairs of a cast to that or to float32
ORDINARY = 2.0**-33  # changes of all outputs by less than this of themselves need no second look
VISIBLE = 2.0**-46  # of an output: a change expected to be smaller than this may be lost in float64 itself
FACTOR = 2.0  # how far two slopes of a smooth function may be apart, curvature between the steps included


def keeps_no_more(examination: Examination, name: str) -> bool:
    """Whether the forward itself, fed in float64, keeps only the digits of a coarser format of this input.

    A backward of no more digits is then all that can be asked of it.
    """
    subject = replace(examination.subject, differentiable=(name,))
    # The outputs in float64 too: those of the subject's own format are rounded, which looks like stairs.
    outputs = examination.outputs_at(widened(subject.library, subject.point))
    if outputs is None:
        return False
    own = Reference("forward", subject.forward, outputs, subject.library)
    coarser = [form.unit_roundoff for form in FORMATS.values() if form.unit_roundoff > FINE_STEP]
    return any(casts_inside(subject, own, examination.aside("casting"), roundoff) for roundoff in coarser)


def casts_inside(
    subject: Subject, reference: Reference, generator: np.random.Generator, roundoff: float | None = None
) -> bool:
    """Whether most outputs that should follow a small step do not, at the cost of one forward, or two in doubt.

    An output that no step changes (floor, one-hot, a dead unit) says nothing, nor does one that jumps by the same at
    both steps, nor one whose change float64 itself would lose (1e8 + x²).

    Args:
        roundoff: of the format that it may cast to, by default the subject's own.
    """
    library, again = subject.library, copy.deepcopy(generator)
    fine = _changes(reference, subject, generator, FINE_STEP)
    if fine is None:
        return False
    here = {name: abs(library.vector(y)) for name, y in reference.outputs.items()}
    if all(bool(((fine[name] > 0) & (fine[name] <= ORDINARY * here[name])).all()) for name in fine):
        return False
    own = max(FORMATS[library.dtype(subject.point[name])].unit_roundoff for name in subject.differentiable)
    step = COARSE_STEP * (roundoff or own)
    coarse = _changes(reference, subject, again, step)  # in the same direction
    if coarse is None:
        return False
    votes = [_votes(fine[name], coarse[name], here[name], FINE_STEP / step) for name in fine]
    asked, void = (sum(vote[i] for vote in votes) for i in (0, 1))
    return 2 * void > asked


def _votes(fine: Vector, coarse: Vector, here: Vector, ratio: float) -> tuple[int, int]:
    """How many outputs can tell, and how many of these do not change at the fine step as the coarse one promises."""
    expected = coarse * ratio
    jumps = (fine >= coarse / FACTOR) & (fine > 0)
    asked = (expected > VISIBLE * here) & ~jumps
    void = asked & ((fine < expected / FACTOR) | (fine > expected * FACTOR))
    return int(asked.sum()), int(void.sum())


def _changes(
    reference: Reference, subject: Subject, generator: np.random.Generator, step: float
) -> Mapping[str, Vector] | None:
    """|f(x + step·v) − f(x)| by output for a random v; None where that is not defined."""
    library = reference.library
    still = {name: array for name, array in subject.point.items() if name not in subject.differentiable}
    moved = {name: _moved(library, generator, subject.point[name], step) for name in subject.differentiable}
    try:
        with np.errstate(all="ignore"):
            outputs = reference.forward({**subject.point, **reference.widened(still), **moved})
    except BudgetSpentError:
        raise
    except Exception:
        return None  # beyond the edge of the domain many functions raise
    changes = {}
    for name, y in reference.outputs.items():
        there = library.vector(outputs[name]) if name in outputs else None
        if there is None or len(there) != len(library.vector(y)):
            return None
        changes[name] = abs(there - library.vector(y))
    return changes


def _moved(library: Library, generator: np.random.Generator, array: Array, step: float) -> Array:
    """`array` in float64, moved by `step` along a random direction that is drawn block by block and not kept."""
    wide, flat = library.blank(array, FORMATS["float64"]), library.flat(array)
    drawn = components_drawn_by(library, generator, array)
    return built(library, wide, lambda block: library.moved(library.vector(flat[block]), drawn(block), step), wide)

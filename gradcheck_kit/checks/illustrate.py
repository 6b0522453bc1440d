"""The numbers to draw of an input that did not pass, measured once the verdict stands."""

import math

import numpy as np

from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.differences.estimate import Obstacle
from gradcheck_kit.differences.line import Line
from gradcheck_kit.illustration import Illustration, Ladder, Profile
from gradcheck_kit.locate.heat import heat_map, rounded
from gradcheck_kit.space import FloatVector, Vector, root_mean_square
from gradcheck_kit.subject import BudgetSpentError

LONGEST = 14  # rungs of the ladder that is drawn
TIMES = 17  # of a profile
NEAR = 2.0**-5  # how far it reaches, relative to the input
BENT = (Obstacle.KINK, Obstacle.JUMP)


@np.errstate(all="ignore")  # a step may leave the domain
def illustrated(measured: Measurement, wrong: bool) -> Illustration | None:
    """The pictures of the one input that was measured: some 30 evaluations, and at most 64 more where it is wrong.

    None where the budget does not reach.
    """
    ((name, _),) = measured.tangents.items()
    try:
        ladder = _ladder(measured)
        heat = heat_map(measured) if wrong else None
        profile = _profile(measured) if measured.estimate.obstacle in BENT else None
    except BudgetSpentError:
        return None
    return Illustration(name, ladder, heat, profile)


def illustrated_kink(
    examination: Examination, name: str, element: tuple[int, ...], output: tuple[str, Vector], gradient: float
) -> Illustration | None:
    """The function beside a kink: one element of an input moves, one element of an output is seen.

    Args:
        examination: of the subject at its point.
        name, element: the input and the index that moves, as far as the input's root mean square at step 1.
        output: a name, and the cotangent that is 1 at the element seen and 0 elsewhere.
        gradient: the backward's, of that output by that element.
    """
    subject, library = examination.subject, examination.library
    like = subject.point[name]
    reach = root_mean_square(library.vector(like)) or 1.0
    weights = np.zeros(math.prod(library.shape(like)))
    weights[int(np.ravel_multi_index(element, library.shape(like))) if element else 0] = reach
    tangents = {name: library.shaped(library.place(weights, like), like)}
    line = Line(library, subject.forward, subject.point, tangents, dict([output]))
    try:
        centre = line.sample(0.0)
        return (
            None if centre is None else Illustration(name, profile=_along(line, centre, NEAR, slope=gradient * reach))
        )
    except BudgetSpentError:
        return None


def _ladder(measured: Measurement) -> Ladder:
    """From the largest step down to where rounding has eaten all digits: below the lattice of the stencil x itself is
    rounded, as in any plain difference."""
    line = measured.round.line(measured.tangents)
    scheme = measured.round.place.coarsest(measured.tangents)
    ratio = 2.0 ** math.ceil(scheme.form.digits / LONGEST)
    rungs = math.floor(scheme.form.digits / math.log2(ratio))
    steps = tuple(scheme.largest_step / ratio**k for k in range(rungs))
    differences = []
    for h in steps:
        up, down = line.sample(h), line.sample(-h)
        differences.append(None if up is None or down is None else _finite(float((up - down).sum()) / (2.0 * h)))
    estimate = measured.estimate
    error = rounded(estimate.error)
    return Ladder(steps, tuple(differences), _finite(measured.seen.comparison.analytic), _finite(estimate.value), error)


def _profile(measured: Measurement) -> Profile | None:
    """The output that bends most, or the sum where none is known to."""
    line = measured.round.line(measured.tangents)
    scheme = measured.round.place.coarsest(measured.tangents)
    centre = line.sample(0.0)
    if centre is None:
        return None
    kinked = measured.estimate.kinked
    position = slice(kinked[0].position, kinked[0].position + 1) if kinked else slice(None)
    return _along(line, centre, scheme.first_step, position)


def _along(
    line: Line, centre: FloatVector, reach: float, position: slice = slice(None), slope: float | None = None
) -> Profile:
    times = tuple(float(t) for t in np.linspace(-reach, reach, TIMES))
    values = []
    for t in times:
        sampled = line.sample(t)
        values.append(None if sampled is None else rounded(float((sampled - centre)[position].sum())))
    return Profile(times, tuple(values), None if slope is None else rounded(slope))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

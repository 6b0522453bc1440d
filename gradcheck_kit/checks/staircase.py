"""Is a mismatch the backward's, or does the forward move in steps, as where it computes in fewer digits inside?

What such a forward computes has another slope along its steps, zero most often, than over many of them, and the
backward is meant for the latter. So a derivative that contradicts a backward is measured again as in the formats of
fewer digits: with longer steps, and noise from a wider cluster, in which the forward's own steps are noise.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.differences.estimate import Estimate, Obstacle
from gradcheck_kit.differences.extrapolation import size
from gradcheck_kit.differences.ladder import differentiate
from gradcheck_kit.differences.line import Line
from gradcheck_kit.differences.scheme import SCHEMES
from gradcheck_kit.space import FloatVector
from gradcheck_kit.verdict import CLEAR_MARGIN

TREAD = 2.0**-8  # steps of float16 and of wider formats are shorter than this part of the input
NEAR = 0.25  # of the discrepancy: what is that near the measured derivative over a tread too has no steps on the way
SEPARABLE = 1e-5  # of the slope: derivatives in float32 tell no less apart
MOST = 0.5  # of the outputs: so many move at once in a staircase, and few where a kink is near
SHARP = 2.0 / 3.0  # of the digits: a step is sought to so many binary places of the scale, far above its last ones
PLACES = 4  # over the last so many halvings a slope has become a sixteenth, a root a quarter, and a step has stayed
STAYED = 0.5


@dataclass(frozen=True)
class Staircase:
    """What a forward that moves in steps is, seen from further away.

    Attributes:
        step: how far its steps move it, as a part of its values.
        numeric, error: its derivative over longer steps, and a bound on the error of that; None where there is none to
            be had, but no output moves at all in small steps, and most do in longer ones.
    """

    step: float
    numeric: float | None = None
    error: float | None = None


def seen_from_afar(at: Measurement) -> Staircase | None:
    """The staircase that a forward is, where the measured derivative that contradicts a backward is its alone.

    One that is continuous is none, however its slope changes beside a kink or in ripples: the backward is wrong there.
    """
    line = at.round.line(at.tangents)
    found = _fitting(line, at)
    return found if found is not None and _jumps(line, at) else None


def _fitting(line: Line, at: Measurement) -> Staircase | None:
    """The staircase that would explain the mismatch, were there a step."""
    compared = at.seen.comparison
    if compared.discrepancy <= SEPARABLE * max(compared.slope, compared.scale):
        return None
    centre = line.weighted(at.round.place.outputs)
    if centre is None or (at.round.look.reach == 1.0 and _is_straight(line, at)):
        return None
    if at.round.look.reach > 1.0:  # the edge of the domain leaves no room for longer steps to both sides
        return _of_one_step(line, at, centre)
    for name in ("float32", "float16", "bfloat16"):
        estimate = _estimated(line, at, name, centre)
        if estimate is None or not CLEAR_MARGIN * estimate.error <= compared.discrepancy:
            continue  # it could not tell the two apart
        if abs(compared.analytic - estimate.value) <= CLEAR_MARGIN * estimate.error:
            return Staircase(estimate.unexplained * SCHEMES[name].form.unit_roundoff, estimate.value, estimate.error)
        return None
    return _of_one_step(line, at, centre)


def _jumps(line: Line, at: Measurement) -> bool:
    """Whether there is a step within a tread to either side: sought by halving, to where the outputs move most."""
    digits, tread = at.round.place.coarsest(at.tangents).form.digits, TREAD * at.round.look.reach
    halvings = round(SHARP * digits + math.log2(TREAD))
    return any(_jumps_before(line, side, halvings) for side in (tread, -tread))


def _jumps_before(line: Line, end: float, halvings: int) -> bool:
    """Whether what the function moves by, from the point to `end` on a line, does not shrink with the distance."""
    start, moves = 0.0, list[float]()
    here, beyond = line.sample(start), line.sample(end)
    for _ in range(halvings):
        middle = (start + end) / 2.0
        there = line.sample(middle)
        if here is None or there is None or beyond is None:
            return False
        first, second = size(there - here), size(beyond - there)
        if first >= second:
            end, beyond = middle, there
        else:
            start, here = middle, there
        moves.append(max(first, second))
    return len(moves) > PLACES and 0.0 < STAYED * moves[-1 - PLACES] <= moves[-1]


def _is_straight(line: Line, at: Measurement) -> bool:
    """Whether the function has the measured slope over a tread too: nearly always, and at little cost."""
    slopes = []
    for h in (TREAD, TREAD / 2):
        up, down = line.sample(h), line.sample(-h)
        if up is None or down is None:
            return False
        slopes.append((up - down) / (2.0 * h))
    wide, short = slopes
    extrapolated = float(((4.0 * short - wide) / 3.0).sum())  # Richardson 1911
    compared = at.seen.comparison
    near = abs(extrapolated - compared.numeric) <= NEAR * compared.discrepancy
    return near and (compared.slope > 0.0 or size(wide) == 0.0)


def _estimated(line: Line, at: Measurement, name: str, centre: FloatVector) -> Estimate | None:
    """The derivative as one in a format of fewer digits; None where its controls do not hold, or those are the same."""
    place, form = at.round.place, SCHEMES[name].form
    fewer = form.unit_roundoff / place.coarsest(at.tangents).form.unit_roundoff
    if fewer <= 1.0:
        return None
    floor = fewer * line.rounding_floor(place.outputs)
    estimate = differentiate(line.sample, floor, SCHEMES[name], at.seen.comparison.scale, centre)
    # More noise than its format explains is what steps make.
    return replace(estimate, trusted=True) if estimate.obstacle in (None, Obstacle.UNEXPLAINED) else None


def _of_one_step(line: Line, at: Measurement, centre: FloatVector) -> Staircase | None:
    """Of outputs that do not move in the smallest steps: whether they do over a tread, to one side at least.

    Most of all outputs have to, where the derivative is zero; where steps are smaller than usual any that does will do.
    """
    look, smallest = at.round.look, at.round.place.coarsest(at.tangents).noise_step
    if at.seen.comparison.slope > 0.0 and look.reach == 1.0:
        return None
    near = [values for t in (smallest, -smallest) if (values := line.sample(t)) is not None]
    still = np.all([values == centre for values in near], axis=0)
    for h in (TREAD * look.reach, -TREAD * look.reach):
        beside = line.sample(h)
        if beside is None:
            continue
        moved = still & (beside != centre)
        if moved.any() and (look.reach > 1.0 or moved.mean() >= MOST):
            return Staircase(size(np.where(moved, beside - centre, 0.0)) / max(size(centre), size(beside)))
    return None

"""One-sided derivatives with their own error: at the edge of a domain, or on either side of a kink.

D(h) = (φ(±h) − φ(0))/±h errs by every power of h, and not by the even ones alone: Richardson's extrapolation then takes
T_kj = T_k,j−1 + (T_k,j−1 − T_k−1,j−1)/(2^j − 1) (Richardson 1911; Joyce 1971, "Survey of extrapolation processes in
numerical analysis", SIAM Review 13, §3). φ(0) enters every difference, so its rounding does not average out.
"""

import math
from dataclasses import dataclass

import numpy as np

from gradcheck_kit.differences import noise as noise_of
from gradcheck_kit.differences.estimate import NOISE_UNEXPLAINED, Estimate, Obstacle, Sample
from gradcheck_kit.differences.extrapolation import LEAST_RELATIVE, size
from gradcheck_kit.differences.ladder import GUARD_USELESS
from gradcheck_kit.differences.noise import SIGMAS
from gradcheck_kit.differences.scheme import Scheme
from gradcheck_kit.space import FloatVector

RUNGS = 12
COLUMNS = 7  # extrapolations up to h^6
FIRST_SHRINK = 0.6  # column 0 differences fall by 1/2 a rung where φ is smooth on this side, by 0.7 for x^1.5
SECOND_SHRINK = 0.35  # column 1 differences fall by 1/4
DIVERGES = 0.9  # differences that fall more slowly have no limit: √x, x·log x, a jump


@dataclass(frozen=True)
class _Entry:
    vector: FloatVector
    rounding: float
    truncation: float
    step: float

    @property
    def bound(self) -> float:
        return self.rounding + self.truncation + LEAST_RELATIVE * size(self.vector)


def one_sided(sample: Sample, floor: float, scheme: Scheme, side: int) -> Estimate:
    """The derivative at 0 of t → Σ sample(t) from one side; the function is not evaluated on the other.

    Args:
        sample: the weighted outputs along the line; sample(0) must be finite.
        floor: the noise that rounding the outputs to their format must cause (standard deviation).
        scheme: the format's steps; twelve are taken, from the largest one down.
        side: 1 for the derivative from the right, −1 for the one from the left (which is a slope too, not its
            negative).

    Returns:
        Its `error` is infinite, and `obstacle` JUMP, where the slope grows without limit (√x at 0, a jump).
    """
    cluster = [sample(side * j * scheme.noise_step) for j in range(len(noise_of.OFFSETS))]
    steps = [h for h in (scheme.largest_step / 2**k for k in range(RUNGS)) if h >= scheme.smallest_step]
    sampled = [sample(side * h) for h in steps]
    evaluations = len(cluster) + len(steps)
    known = [value for value in cluster if value is not None]
    last_failure = max((k for k, value in enumerate(sampled) if value is None), default=-1)
    steps, values = steps[last_failure + 1 :], [v for v in sampled[last_failure + 1 :] if v is not None]
    if len(known) < len(cluster) or len(steps) < 3:
        return _nothing(Obstacle.DOMAIN, evaluations)
    noise = noise_of.measure(known, floor)
    sigma = noise.sigma
    slopes = np.stack([(value - known[0]) / (side * h) for value, h in zip(values, steps, strict=True)])
    found = _entries(np.asarray(steps), slopes, sigma)
    if not found:
        return _nothing(Obstacle.JUMP, evaluations)
    best = min(found, key=lambda entry: entry.bound)
    near, far = ((known[j] - known[0]) / (side * j * scheme.noise_step) for j in (1, 2))
    own_error = SIGMAS * math.sqrt(2) * sigma / scheme.noise_step + size(far - near)
    obstacle = None
    if size(best.vector - near) > own_error + best.bound:
        obstacle = Obstacle.SCALE
    elif noise.unexplained > NOISE_UNEXPLAINED and own_error > GUARD_USELESS * size(best.vector):
        obstacle = Obstacle.UNEXPLAINED
    return Estimate(
        value=float(best.vector.sum()),
        size=size(best.vector),
        rounding=best.rounding + LEAST_RELATIVE * size(best.vector),
        truncation=best.truncation,
        curvature=0.0,
        step=best.step,
        evaluations=evaluations,
        obstacle=obstacle,
        trusted=obstacle is None,
    )


def _entries(steps: FloatVector, slopes: FloatVector, sigma: float) -> list[_Entry]:
    """Every entry of the tableau that only relies on columns which fall as they must, or are noise already."""
    weights = _weights(len(steps))
    found = []
    for k in range(2, len(steps)):
        rate = _rate(weights, steps, slopes, sigma, k, 0)
        if rate > DIVERGES:
            continue
        for j in range(min(k, COLUMNS - 1) + 1):
            used = range(max(2, k - j + 1), k + 1)
            if j and any(_rate(weights, steps, slopes, sigma, i, 0) > FIRST_SHRINK for i in used):
                break
            if j > 1 and any(_rate(weights, steps, slopes, sigma, i, 1) > SECOND_SHRINK for i in used if i > 2):
                break
            w = weights[k, j]
            parents = [weights[k, j - 1], weights[k - 1, j - 1]] if j else [weights[k - 1, 0]]
            correction = max(size((w - parent) @ slopes) for parent in parents)
            tail = 1.0 if j else max(1.0, rate / (1.0 - rate))  # the sum of the corrections still to come
            found.append(_Entry(w @ slopes, _rounding(w, steps, sigma), tail * correction, float(steps[k])))
    return found


def _weights(rungs: int) -> dict[tuple[int, int], FloatVector]:
    """T_kj as weights on D(h₀), D(h₁), …"""
    weights: dict[tuple[int, int], FloatVector] = {}
    for k, unit in enumerate(np.eye(rungs)):
        weights[k, 0] = unit
        for j in range(1, min(k, COLUMNS - 1) + 1):
            weights[k, j] = weights[k, j - 1] + (weights[k, j - 1] - weights[k - 1, j - 1]) / (2.0**j - 1)
    return weights


def _rounding(weights: FloatVector, steps: FloatVector, sigma: float) -> float:
    """The bound on rounding in Σ w_k D(h_k): φ(h_k) enters with w_k/h_k, φ(0) with their sum."""
    scaled = weights / steps
    return SIGMAS * sigma * math.hypot(float(np.linalg.norm(scaled)), float(scaled.sum()))


def _rate(
    weights: dict[tuple[int, int], FloatVector],
    steps: FloatVector,
    slopes: FloatVector,
    sigma: float,
    k: int,
    column: int,
) -> float:
    """How a column's difference at rung k compares with the one before; 0 where it is noise."""
    last, middle, first = (weights[i, column] for i in (k, k - 1, k - 2))
    after, before = size((last - middle) @ slopes), size((middle - first) @ slopes)
    if after <= _rounding(last - middle, steps, sigma):
        return 0.0
    return after / before if before > 0.0 else math.inf


def _nothing(obstacle: Obstacle, evaluations: int) -> Estimate:
    return Estimate(math.nan, 0.0, math.inf, 0.0, 0.0, math.nan, evaluations, obstacle=obstacle, trusted=False)

"""A directional derivative with its own error bound: the ladder of steps, the cluster, and when to stop."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gradcheck_kit.differences import noise as noise_of
from gradcheck_kit.differences.extrapolation import NOISE_SIGMAS, Entry, entries, size
from gradcheck_kit.differences.noise import Noise
from gradcheck_kit.differences.scheme import Scheme
from gradcheck_kit.space import FloatVector

Sample = Callable[[float], FloatVector | None]
"""t → the weighted outputs u∘f(x + t·v), or None where the function is not finite there."""

EVALUATIONS = 40  # a ladder that has not settled by then will not
NOISE_UNEXPLAINED = 300.0  # σ ÷ floor beyond which rounding is no explanation
GUARD_USELESS = 0.05  # a guard whose own error is more than this part of the slope cannot vouch for it


class Obstacle(Enum):
    """What kept an estimate from being trusted; the value is what to tell a person."""

    DOMAIN = "a step leaves the function's domain (not finite, or it raises); move the input away from the edge"
    KINK = "a kink or a jump lies inside the stencil; move the input off the kink, or shrink its neighbourhood"
    SCALE = "the function has structure finer than the steps can resolve; pass a better scaled input"
    NOISE = "rounding noise hides the derivative; use float64, or pass an input at which the gradient is larger"


@dataclass(frozen=True)
class Estimate:
    """A directional derivative ⟨u, J·v⟩ and what is known of its error.

    Attributes:
        value: the derivative; NaN where nothing could be evaluated.
        size: the Euclidean norm of its contributions (or |value| if larger), which does not cancel.
        rounding: five standard deviations of the measured noise, carried through the extrapolation.
        truncation: the last correction of the extrapolation.
        curvature: what the even part, whose limit is known, says the odd part may be off by.
        step: the smallest step that the value uses, relative to the tangent.
        obstacle: why the bound should not be trusted or is wide; None where all controls held.
        evaluations: how often the function was evaluated for it.
    """

    value: float
    size: float
    rounding: float
    truncation: float
    curvature: float
    step: float
    obstacle: Obstacle | None
    evaluations: int

    @property
    def error(self) -> float:
        """A bound on |value − truth|. On smooth functions in float64 the true error is typically 6 % of it."""
        return self.rounding + self.truncation + self.curvature

    @property
    def smooth(self) -> bool:
        """Whether all controls held: even part, cross-scale guard, explained noise."""
        return self.obstacle is None


def differentiate(sample: Sample, floor: float, scheme: Scheme, scale: float) -> Estimate:
    """The derivative at 0 of t → Σ sample(t), by extrapolated central differences.

    Args:
        sample: the weighted outputs along the line; sample(0) must be finite.
        floor: the noise that rounding the outputs to their format must cause (standard deviation).
        scheme: the steps to take.
        scale: the size of derivative that matters; the search ends at a bound of scheme.target × scale.
    """
    return _Search(sample, floor, scheme, scale).run()


class _Search:
    """The adaptive ladder of one derivative; every evaluation is kept and used again."""

    def __init__(self, sample: Sample, floor: float, scheme: Scheme, scale: float) -> None:
        self._sample, self._floor, self._scheme, self._scale = sample, floor, scheme, scale
        self._values: dict[float, FloatVector | None] = {}
        self._failed: set[float] = set()

    def run(self) -> Estimate:
        centre = self._at(0.0)
        if centre is None:
            return self._nothing(Obstacle.DOMAIN)
        cluster = [self._at(j * self._scheme.noise_step) for j in noise_of.OFFSETS]
        known = [value for value in cluster if value is not None]
        if len(known) < len(cluster):
            return self._nothing(Obstacle.DOMAIN)
        noise = noise_of.measure(known, self._floor)
        best = self._climb(centre, noise)
        if best is None:
            return self._nothing(Obstacle.DOMAIN if self._failed else Obstacle.KINK)
        return self._judged(best, noise)

    def _at(self, t: float) -> FloatVector | None:
        if t not in self._values:
            self._values[t] = self._sample(t)
        return self._values[t]

    def _climb(self, centre: FloatVector, noise: Noise) -> Entry | None:
        """The entry with the smallest bound; the ladder grows where that is likely to lower it."""
        scheme = self._scheme
        steps = [scheme.first_step / 2**k for k in range(scheme.rungs)]
        best: Entry | None = None
        while True:
            found = self._entries(steps, centre, noise)
            candidate = min(found, key=lambda entry: entry.bound, default=None)
            gained = candidate is not None and (best is None or candidate.bound < 0.5 * best.bound)
            if candidate is not None and (best is None or candidate.bound < best.bound):
                best = candidate
            settled = best is not None and (best.bound <= scheme.target * self._scale or not gained)
            grown = None if settled or len(self._values) + 4 > EVALUATIONS else self._grown(steps, best)
            if grown is None:
                return best
            steps = grown

    def _grown(self, steps: list[float], best: Entry | None) -> list[float] | None:
        """Two smaller rungs while truncation dominates, one larger while rounding does; None at the limits."""
        scheme = self._scheme
        if best is None or best.truncation + best.curvature > best.rounding:
            smaller = [h for h in (steps[-1] / 2, steps[-1] / 4) if h >= scheme.smallest_step]
            return steps + smaller if smaller else None
        larger = 2 * steps[0]
        return [larger, *steps] if larger <= scheme.largest_step and larger not in self._failed else None

    def _entries(self, steps: list[float], centre: FloatVector, noise: Noise) -> list[Entry]:
        usable: list[float] = []
        plus: list[FloatVector] = []
        minus: list[FloatVector] = []
        for h in steps:
            up, down = self._at(h), self._at(-h)
            if up is None or down is None:  # larger steps than this one are no neighbours of the smaller ones
                self._failed.add(h)
                usable, plus, minus = [], [], []
                continue
            usable.append(h)
            plus.append(up)
            minus.append(down)
        return entries(usable, plus, minus, centre, noise.sigma) if len(usable) > 1 else []

    def _judged(self, best: Entry, noise: Noise) -> Estimate:
        """The entry as an estimate, once the cluster's own derivative has been asked whether it agrees."""
        delta = self._scheme.noise_step
        near, far = self._central(delta), self._central(2 * delta)
        own_error = NOISE_SIGMAS * noise.sigma / (math.sqrt(2) * delta) + size(far - near)
        obstacle: Obstacle | None = None
        if size(best.vector - near) > own_error + best.bound:
            obstacle = Obstacle.SCALE if best.curvature <= best.rounding else Obstacle.KINK
        elif noise.unexplained > NOISE_UNEXPLAINED and 1.5 * own_error > GUARD_USELESS * max(self._scale, best.size):
            obstacle = Obstacle.NOISE
        elif best.curvature > max(best.rounding, best.truncation):
            obstacle = Obstacle.KINK
        rounding = best.bound - best.truncation - best.curvature
        return Estimate(
            best.value,
            best.size,
            rounding,
            best.truncation,
            best.curvature,
            best.step,
            obstacle,
            len(self._values),
        )

    def _central(self, h: float) -> FloatVector:
        up, down = self._at(h), self._at(-h)
        if up is None or down is None:
            raise ValueError(f"the cluster at ±{h} was not finite")
        difference: FloatVector = (up - down) / (2 * h)
        return difference

    def _nothing(self, obstacle: Obstacle) -> Estimate:
        return Estimate(math.nan, 0.0, math.inf, 0.0, 0.0, math.nan, obstacle, len(self._values))

"""A directional derivative with its own error bound: the ladder of steps, the cluster, and when to stop."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from gradcheck_kit.differences import kinks
from gradcheck_kit.differences import noise as noise_of
from gradcheck_kit.differences.estimate import NOISE_UNEXPLAINED, Estimate, Obstacle, Prior, Sample
from gradcheck_kit.differences.extrapolation import Entry, entries, size
from gradcheck_kit.differences.noise import SIGMAS, Noise
from gradcheck_kit.differences.scheme import Scheme
from gradcheck_kit.space import FloatVector

GAIN = 0.5  # a larger ladder is worth its cost if it halves the bound
PATIENCE = 2  # ladders in a row that do not
RUNGS_WITH_PRIOR = 3
LEAP = 16  # where smaller steps gain nothing, a kink is in the way: it may be much nearer
SQUARABLE = 400  # binary exponents up to which squares, and sums of them, are numbers
GUARD_OFFSETS = (-1, 0, 1)  # of the cluster: enough for its own derivative, too few for its noise
ORDINARY_NOISE = 10.0  # σ ÷ floor of ordinary code is 0.5–5
EVALUATIONS = 40  # a ladder that has not settled by then will not
PASSES_ZERO = 2.0  # a function that doubles within a noise step is next to its zero, which tells nothing of rounding
GUARD_USELESS = 0.05  # a guard whose own error is more than this part of the slope cannot vouch for it


def differentiate(
    sample: Sample,
    floor: float,
    scheme: Scheme,
    scale: float,
    centre: FloatVector | None = None,
    prior: Prior | None = None,
    ahead: Callable[[Sequence[float]], None] | None = None,
) -> Estimate:
    """The derivative at 0 of t → Σ sample(t), by extrapolated central differences.

    Args:
        sample: the weighted outputs along the line; sample(0) must be finite.
        floor: the noise that rounding the outputs to their format must cause (standard deviation).
        scheme: the steps to take.
        scale: the size of derivative that matters; the search ends at a bound of scheme.target × scale.
        centre: sample(0) where it is known already.
        prior: from a search along another line through the same point: the noise is then not measured again, and the
            ladder has three rungs.
        ahead: is told the times of the samples that will be asked next, to take them all at once.
    """
    if ahead is not None:
        cluster, steps = _opening(scheme, prior)
        ahead([*cluster, *_both_ways(steps)])
    here = sample(0.0) if centre is None else centre
    unit = _unit(here, scale)
    if unit == 1.0:
        return _Search(sample, floor, scheme, scale, here, prior, ahead).run()

    def scaled(t: float) -> FloatVector | None:
        values = sample(t)
        if values is None:
            return None
        with np.errstate(over="ignore"):
            counted: FloatVector = values / unit
        return counted if np.isfinite(counted).all() else None  # a step to where the function is of another size

    centre = None if here is None else here / unit
    return _Search(scaled, floor / unit, scheme, scale / unit, centre, prior, ahead).run().times(unit)


def _unit(centre: FloatVector | None, scale: float) -> float:
    """1, or the power of two in which values are counted whose squares would overflow or underflow."""
    largest = (0.0 if centre is None else float(np.abs(centre).max(initial=0.0))) or scale
    if not math.isfinite(largest) or largest == 0.0 or 2.0**-SQUARABLE < largest < 2.0**SQUARABLE:
        return 1.0
    return 2.0 ** min(max(math.frexp(largest)[1], -1021), 1023)


def _opening(scheme: Scheme, prior: Prior | None) -> tuple[list[float], list[float]]:
    """The times of the cluster, and the first ladder."""
    offsets = noise_of.OFFSETS if prior is None else GUARD_OFFSETS
    first, rungs = (scheme.first_step, scheme.rungs) if prior is None else (prior.first_step, RUNGS_WITH_PRIOR)
    return [j * scheme.noise_step for j in offsets], [first / 2**k for k in range(rungs)]


def _both_ways(steps: Sequence[float]) -> list[float]:
    return [t for h in steps for t in (h, -h)]


class _Search:
    """The adaptive ladder of one derivative; every evaluation is kept and used again."""

    def __init__(
        self,
        sample: Sample,
        floor: float,
        scheme: Scheme,
        scale: float,
        centre: FloatVector | None,
        prior: Prior | None,
        ahead: Callable[[Sequence[float]], None] | None,
    ) -> None:
        self._sample, self._floor, self._scheme, self._scale, self._prior = sample, floor, scheme, scale, prior
        self._values: dict[float, FloatVector | None] = {0.0: centre}
        self._ahead = ahead
        self._failed: set[float] = set()
        self._climbed: set[float] = set()
        self._cluster, self._steps = _opening(scheme, prior)

    def run(self) -> Estimate:
        centre = self._at(0.0)
        if centre is None:
            return self._nothing(Obstacle.DOMAIN)
        cluster = [self._at(t) for t in self._cluster]
        known = [value for value in cluster if value is not None]
        if len(known) < len(cluster):
            return self._nothing(Obstacle.DOMAIN)
        self._beside = self._floor_beside(centre)
        self._floor = max(self._floor, self._beside)
        if self._prior is None:
            noise = noise_of.measure(known, self._floor)
            self._sigma_beside = noise_of.beside_kink(known, self._floor)
        else:
            noise = Noise(self._prior.noise * self._floor, self._floor)
            self._sigma_beside = self._prior.noise_beside * self._floor
        best = self._climb(centre, noise)
        if best is None:
            return self._nothing(Obstacle.DOMAIN if self._failed else Obstacle.KINK)
        return self._judged(best, centre, noise)

    def _floor_beside(self, centre: FloatVector) -> float:
        """Where the function is zero, or next to it, what rounding the values beside it must cause; 0 elsewhere."""
        nearest = (self._at(j * self._scheme.noise_step) for j in (-1, 1))
        beside = max(size(values) for values in nearest if values is not None)
        return self._scheme.form.unit_roundoff * beside / math.sqrt(3.0) if beside > PASSES_ZERO * size(centre) else 0.0

    def _extent(self) -> float:
        """The size of all values next to a zero of the function; elsewhere its own says as much."""
        if self._beside == 0.0:
            return 0.0
        return max(float(np.linalg.norm(values)) for values in self._values.values() if values is not None)

    def _at(self, t: float) -> FloatVector | None:
        if t not in self._values:
            self._values[t] = self._sample(t)
        return self._values[t]

    def _climb(self, centre: FloatVector, noise: Noise) -> Entry | None:
        """The entry with the smallest bound; the ladder grows while that lowers it."""
        scheme = self._scheme
        best: Entry | None = None
        in_vain = 0
        while True:
            candidate = min(self._entries(centre, noise), key=lambda entry: entry.bound, default=None)
            gained = candidate is not None and (best is None or candidate.bound < GAIN * best.bound)
            if candidate is not None and (best is None or candidate.bound < best.bound):
                best = candidate
            in_vain = 0 if gained else in_vain + 1
            if best is not None and best.bound <= scheme.target * self._scale:
                return best
            if len(self._values) + 6 > EVALUATIONS or not self._grow(best, in_vain, centre, noise):
                return best

    def _grow(self, best: Entry | None, in_vain: int, centre: FloatVector, noise: Noise) -> bool:
        """Smaller rungs while truncation dominates, one larger while rounding does; False at the limits."""
        scheme, steps = self._scheme, self._steps
        if best is None or best.truncation + best.curvature > best.rounding:
            at_point = in_vain and self._shape(centre, noise).kind in (kinks.Kind.KINK, kinks.Kind.JUMP)
            if in_vain and not at_point:
                return self._leap()
            if best is not None and in_vain >= PATIENCE:
                return False
            smaller = [h for h in (steps[-1] / 2, steps[-1] / 4) if h >= scheme.smallest_step]
            steps += smaller
            return bool(smaller)
        larger = 2 * steps[0]
        if in_vain >= PATIENCE or larger > scheme.largest_step or steps[0] in self._failed:
            return False
        steps.insert(0, larger)
        return True

    def _leap(self) -> bool:
        """A new ladder far below this one."""
        lowest = self._steps[-1]
        first = max(lowest / LEAP, 4 * self._scheme.smallest_step)
        if first >= lowest:
            return False
        self._steps = [first, first / 2, first / 4]
        return True

    def _ladder(self, steps: Sequence[float]) -> tuple[list[float], list[FloatVector], list[FloatVector]]:
        """The rungs below the last one that failed: larger steps are no neighbours of the smaller ones."""
        if self._ahead is not None:
            self._ahead([t for t in _both_ways(steps) if t not in self._values])
        usable: list[float] = []
        plus: list[FloatVector] = []
        minus: list[FloatVector] = []
        for h in steps:
            up, down = self._at(h), self._at(-h)
            if up is None or down is None:
                self._failed.add(h)
                usable, plus, minus = [], [], []
                continue
            usable.append(h)
            plus.append(up)
            minus.append(down)
        return usable, plus, minus

    def _entries(self, centre: FloatVector, noise: Noise) -> list[Entry]:
        self._climbed.update(self._steps)
        steps, plus, minus = self._ladder(self._steps)
        if len(steps) < 2:  # no two rungs in a row within the domain
            return []
        seen = self._prior is not None and self._prior.rate_seen
        return entries(steps, plus, minus, centre, noise.sigma, self._scheme.form.unit_roundoff, seen)

    def _shape(self, centre: FloatVector, noise: Noise) -> kinks.Shape:
        """From the rungs of every ladder that was climbed."""
        steps, plus, minus = self._ladder(sorted(self._climbed, reverse=True))
        return kinks.classify(steps, plus, minus, centre, noise.sigma)

    def _judged(self, best: Entry, centre: FloatVector, noise: Noise) -> Estimate:
        """The entry as an estimate, once its shape and the cluster's own derivative have been asked."""
        shape = self._shape(centre, noise)
        obstacle, trusted = self._control(best, noise)
        if shape.kind is kinks.Kind.KINK or (obstacle is None and best.curvature > best.rounding + best.truncation):
            obstacle = Obstacle.KINK
        elif shape.kind is kinks.Kind.JUMP:
            obstacle = Obstacle.JUMP
        rounding = best.bound - best.truncation - best.curvature
        share = min(1.0, self._sigma_beside / noise.sigma) if noise.sigma > 0.0 else 1.0
        return Estimate(
            value=best.value,
            size=best.size,
            rounding=rounding,
            truncation=best.truncation,
            curvature=best.curvature,
            step=best.step,
            evaluations=len(self._values),
            half_jump=shape.half_jump,
            kinked=shape.outputs,
            slack_at_kink=rounding * share + best.truncation + shape.slack,
            obstacle=obstacle,
            trusted=trusted,
            prior=self._learnt(best, noise) if obstacle is None else None,
            unexplained=noise.unexplained,
            extent=self._extent(),
            cut=bool(self._failed),
        )

    def _learnt(self, best: Entry, noise: Noise) -> Prior | None:
        """Nothing where the noise is more than ordinary code makes: it may then be another along another line."""
        if self._prior is not None:
            return self._prior
        if self._floor == 0.0 or noise.unexplained > ORDINARY_NOISE:
            return None
        first = max(self._scheme.lean_factor * best.step, 4 * self._scheme.smallest_step)
        return Prior(noise.unexplained, self._sigma_beside / self._floor, first, best.rate_seen)

    def _control(self, best: Entry, noise: Noise) -> tuple[Obstacle | None, bool]:
        """Whether the derivative at the cluster's scale is the same one, and whether rounding explains the noise."""
        delta = self._scheme.noise_step
        near = self._central(delta)
        own_error = SIGMAS * noise.sigma / (math.sqrt(2) * delta)
        if self._prior is None:
            own_error += size(self._central(2 * delta) - near)
        if size(best.vector - near) > own_error + best.bound:
            return Obstacle.SCALE, False
        # Next to its zero a function may have no slope either, as a square: its size beside it is then the scale.
        useless = 1.5 * own_error > GUARD_USELESS * max(best.size, self._extent())
        if noise.unexplained > NOISE_UNEXPLAINED and useless:
            return Obstacle.UNEXPLAINED, False
        return None, True

    def _central(self, h: float) -> FloatVector:
        up, down = self._at(h), self._at(-h)
        if up is None or down is None:
            raise ValueError(f"the cluster at ±{h} was not finite")
        difference: FloatVector = (up - down) / (2 * h)
        return difference

    def _nothing(self, obstacle: Obstacle) -> Estimate:
        return Estimate(
            math.nan,
            0.0,
            math.inf,
            0.0,
            0.0,
            math.nan,
            len(self._values),
            obstacle=obstacle,
            trusted=False,
            cut=obstacle is Obstacle.DOMAIN,
        )

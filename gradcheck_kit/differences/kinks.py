"""What kind of point is x along this line: smooth, a kink, a jump?

A(h) = ‖φ(h) + φ(−h) − 2φ(0)‖ falls as h^p: p = 2 where φ is smooth, 1 at a kink (its slope jumps), 1/2 at the end of
a square root, 0 at a jump. At a kink φ(h) + φ(−h) − 2φ(0) → h·(d⁺ − d⁻), and the central difference is the mean slope.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from gradcheck_kit.differences.noise import SIGMAS
from gradcheck_kit.space import FloatVector

ABOVE_NOISE = 20.0  # A(h) says something from this many σ on
MOST_OUTPUTS = 8  # looked at one by one, each for a VJP
PART_OF_LARGEST = 0.01  # smaller jumps than this of the largest are left out
AGREEMENT = 0.1  # how near the exponent must come, on two rungs in a row


class Kind(Enum):
    """SMOOTH also where nothing rises above the noise; ROUGH where no exponent fits."""

    SMOOTH = "smooth"
    KINK = "kink"
    JUMP = "jump"
    ROUGH = "rough"


@dataclass(frozen=True)
class KinkedOutput:
    """One output with a kink: its position, its mean slope, half the jump of its slope, and a bound on their errors."""

    position: int
    slope: float
    half_jump: float
    error: float

    def times(self, unit: float) -> "KinkedOutput":
        """The same in other units."""
        return KinkedOutput(self.position, self.slope * unit, self.half_jump * unit, self.error * unit)


@dataclass(frozen=True)
class Shape:
    """The kind of point, and at a kink half the jump of the slope, summed over the outputs without cancelling.

    `slack` is twice what the last halving of the step changed, a bound on what curvature adds; `outputs` are those
    whose slope jumps most.
    """

    kind: Kind
    half_jump: float = 0.0
    slack: float = 0.0
    outputs: tuple[KinkedOutput, ...] = field(default=(), compare=False)


def classify(
    steps: Sequence[float], plus: Sequence[FloatVector], minus: Sequence[FloatVector], centre: FloatVector, sigma: float
) -> Shape:
    """The kind of point from the smallest steps whose A(h) rises above the noise.

    Args:
        steps: falling.
        plus, minus: φ(h), φ(−h) as vectors.
        centre: φ(0).
        sigma: the standard deviation of the noise in one evaluation.
    """
    bends = [p + m - 2 * centre for p, m in zip(plus, minus, strict=True)]
    sizes = [float(np.linalg.norm(bend)) for bend in bends]
    seen = [k for k, size in enumerate(sizes) if size > ABOVE_NOISE * sigma]
    if len(seen) < 3 or seen != list(range(seen[0], seen[0] + len(seen))):
        return Shape(Kind.SMOOTH if not seen or len(seen) < 3 else Kind.ROUGH)
    last, middle, first = seen[-1], seen[-2], seen[-3]
    exponents = [
        math.log2(sizes[i] / sizes[j]) / math.log2(steps[i] / steps[j]) for i, j in ((middle, last), (first, middle))
    ]
    if last + 1 < len(steps) and sizes[last] * steps[last + 1] / steps[last] > 2 * ABOVE_NOISE * sigma:
        return Shape(Kind.SMOOTH)  # a kink at the point would show at the next step too: this one is farther off
    if all(abs(p - 1.0) <= AGREEMENT for p in exponents):
        here, before = (float(np.abs(bends[k]).sum()) / (2 * steps[k]) for k in (last, middle))
        return Shape(Kind.KINK, here, 2 * abs(here - before), _outputs(steps, plus, minus, bends, last, sigma))
    if all(abs(p) <= AGREEMENT for p in exponents):
        return Shape(Kind.JUMP)
    return Shape(Kind.SMOOTH if exponents[0] > 1.0 + AGREEMENT else Kind.ROUGH)


def _outputs(
    steps: Sequence[float],
    plus: Sequence[FloatVector],
    minus: Sequence[FloatVector],
    bends: Sequence[FloatVector],
    last: int,
    sigma: float,
) -> tuple[KinkedOutput, ...]:
    """The outputs whose slopes jump most, measured at step `last` and, for the error, at the one before."""
    here, before = ((plus[k] - minus[k]) / (2 * steps[k]) for k in (last, last - 1))
    jumps, wider = (np.abs(bends[k]) / (2 * steps[k]) for k in (last, last - 1))
    most = [int(i) for i in np.argsort(jumps)[::-1][:MOST_OUTPUTS] if jumps[i] > PART_OF_LARGEST * jumps.max()]
    errors = 2 * (np.abs(here - before) + np.abs(jumps - wider)) + SIGMAS * sigma / steps[last]
    return tuple(KinkedOutput(i, float(here[i]), float(jumps[i]), float(errors[i])) for i in most)

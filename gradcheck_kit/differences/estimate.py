"""What is known of a directional derivative: its value, a bound on its error, and what kept it from being sharper."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from gradcheck_kit.differences import kinks
from gradcheck_kit.space import FloatVector

Sample = Callable[[float], FloatVector | None]
"""t → the weighted outputs u∘f(x + t·v), or None where the function is not finite there."""

NOISE_UNEXPLAINED = 300.0  # σ ÷ floor beyond which rounding is no explanation


class Obstacle(Enum):
    """What kept an estimate from being sharp; the value is what to tell a person."""

    DOMAIN = "a step leaves the function's domain (not finite, or it raises); move the input away from the edge"
    KINK = "the input sits on a kink, or within the smallest step of one; move it off the kink"
    JUMP = "the function jumps at or near this input; there is no derivative to compare with"
    SCALE = "the function has structure finer than the steps can resolve; pass a better scaled input"
    NOISE = (
        "rounding noise hides the derivative; pass an input at which it is larger beside the function's values, or use "
        "float64 where that is not in use"
    )
    UNEXPLAINED = (
        "within the smallest steps the function varies by more than rounding explains: a kink or a jump is that near, "
        "or it computes with fewer digits than it returns; move the input a little"
    )


@dataclass(frozen=True)
class Prior:
    """What a search along one line has learnt that holds along other lines through the same point.

    Attributes:
        noise: σ ÷ floor, which belongs to the function's code and not to the direction.
        noise_beside: the same on one side of the point.
        first_step: the step from which three rungs reach the same error.
        rate_seen: whether the differences were seen to fall as those of a smooth function.
    """

    noise: float
    noise_beside: float
    first_step: float
    rate_seen: bool

    def and_of(self, other: "Prior") -> "Prior":
        """The more cautious of the two in each respect."""
        return Prior(
            max(self.noise, other.noise),
            max(self.noise_beside, other.noise_beside),
            min(self.first_step, other.first_step),
            self.rate_seen and other.rate_seen,
        )


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
        evaluations: how often the function was evaluated for it.
        half_jump: at a kink, half the difference of the one-sided derivatives, summed over the outputs without
            cancelling; `value` is then the mean of the two, and everything within `half_jump` of it lies between them.
        kinked: the outputs whose slopes jump most.
        slack_at_kink: a bound on the error of `value` and `half_jump` there; the noise is that of one side.
        obstacle: what kept the estimate from being sharp; None where all controls held.
        trusted: False where a control failed, so that the bound says nothing: the derivative at the scale of the
            noise cluster is another one, or there is more noise than rounding explains.
        prior: what a search along another line through the same point may start from; None where it may not.
        unexplained: the measured noise ÷ what rounding the outputs must cause.
        cut: whether steps that were tried left the function's domain.
        extent: where the function is zero at the point, the largest Euclidean norm of the values beside it: what a zero
            derivative is small beside there. 0 elsewhere.
    """

    value: float
    size: float
    rounding: float
    truncation: float
    curvature: float
    step: float
    evaluations: int
    half_jump: float = 0.0
    slack_at_kink: float = 0.0
    kinked: tuple[kinks.KinkedOutput, ...] = ()
    obstacle: Obstacle | None = None
    trusted: bool = True
    prior: Prior | None = None
    unexplained: float = 1.0
    extent: float = 0.0
    cut: bool = False

    @property
    def error(self) -> float:
        """A bound on |value − truth|, infinite if not trusted; on smooth functions typically 16 times too large."""
        return self.rounding + self.truncation + self.curvature if self.trusted else math.inf

    @property
    def error_at_kink(self) -> float | None:
        """A bound on the distance from `value` to anything between the one-sided derivatives; None without a kink."""
        return self.half_jump + self.slack_at_kink if self.half_jump > 0.0 else None

    def times(self, unit: float) -> "Estimate":
        """The same in other units."""
        return replace(
            self,
            value=self.value * unit,
            size=self.size * unit,
            rounding=self.rounding * unit,
            truncation=self.truncation * unit,
            curvature=self.curvature * unit,
            half_jump=self.half_jump * unit,
            slack_at_kink=self.slack_at_kink * unit,
            extent=self.extent * unit,
            kinked=tuple(output.times(unit) for output in self.kinked),
        )

    @property
    def limit(self) -> Obstacle:
        """What keeps the estimate from being sharper: where all controls held, the noise."""
        noise = Obstacle.UNEXPLAINED if self.unexplained > NOISE_UNEXPLAINED else Obstacle.NOISE
        return self.obstacle or noise

    @property
    def smooth(self) -> bool:
        """Whether all controls held: even part, cross-scale guard, explained noise."""
        return self.obstacle is None


NOTHING_TO_DIFFERENTIATE = Estimate(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
"""The derivative of a function of no elements."""

"""The only place that decides what agrees with what."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

CLEAR_MARGIN = 3.0  # a discrepancy counts against a gradient from three bounds on: a bound is honest, not infallible
CLEAR_PART = 0.1  # … and only where the bound is small beside the derivative itself
CLEARING = 3.0  # a retry that agrees clears an earlier strike if it would have seen a third of that discrepancy

DEFAULT_REQUIRE = {"float64": 1e-6, "float32": 1e-2, "float16": 0.1, "bfloat16": 0.3}
"""The resolution that a PASS must have reached, by the coarsest dtype involved."""


class Verdict(Enum):
    """What a check concluded. Only PASS is true."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"

    def __bool__(self) -> bool:
        return self is Verdict.PASS


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """FAIL if any failed; PASS if there are some and all passed; otherwise INCONCLUSIVE."""
    seen = list(verdicts)
    if Verdict.FAIL in seen:
        return Verdict.FAIL
    return Verdict.PASS if seen and all(seen) else Verdict.INCONCLUSIVE


def of_ratio(worst: float) -> Verdict:
    """The verdict on two values that should be equal up to rounding, from their difference ÷ its bound."""
    if worst <= 1.0:
        return Verdict.PASS
    return Verdict.FAIL if worst > CLEAR_MARGIN else Verdict.INCONCLUSIVE  # NaN is neither


class Outcome(Enum):
    """What one comparison says: they agree and it was sharp enough; a strike against the gradient; neither."""

    AGREES = "agrees"
    STRIKE = "strike"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Comparison:
    """An analytic number beside a numeric one.

    Attributes:
        analytic, numeric: the two numbers.
        bound: by how much they may differ if the gradient is right (both sides' errors).
        scale: the size of the analytic side, free of cancellation; 0 where the gradient is zero.
        slope: the size of the numeric side, free of cancellation.
        ground: the size of the function's values, against which a zero gradient is judged.
    """

    analytic: float
    numeric: float
    bound: float
    scale: float
    slope: float
    ground: float

    @property
    def discrepancy(self) -> float:
        return abs(self.analytic - self.numeric)

    @property
    def resolution(self) -> float:
        """The smallest relative error that this comparison could have seen (∞ where it could see none)."""
        if self.bound == 0.0:
            return 0.0
        size = self.scale or self.ground
        return self.bound / size if size > 0.0 and math.isfinite(self.bound) else math.inf

    def outcome(self, require: float) -> Outcome:
        """Agreement within a bound that is sharp enough, a discrepancy beyond doubt, or neither."""
        if not math.isfinite(self.analytic):
            return Outcome.STRIKE
        if not math.isfinite(self.numeric) or not math.isfinite(self.bound):
            return Outcome.UNDECIDED
        if self.discrepancy <= self.bound:
            return Outcome.AGREES if self.resolution <= require else Outcome.UNDECIDED
        size = max(self.slope, self.scale)
        if self.discrepancy > CLEAR_MARGIN * self.bound and self.bound <= CLEAR_PART * size:
            return Outcome.STRIKE
        return Outcome.UNDECIDED

    def clears(self, earlier: "Comparison", require: float) -> bool:
        """Whether this agreement is sharp enough to take an earlier discrepancy back."""
        return self.outcome(require) is Outcome.AGREES and self.bound <= earlier.discrepancy / CLEARING

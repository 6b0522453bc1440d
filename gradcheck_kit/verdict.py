"""The only place that decides what agrees with what."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

CLEAR_MARGIN = 3.0  # a discrepancy counts against a gradient from three bounds on: a bound is honest, not infallible
CLEAR_PART = 0.1  # … and only where the bound is small beside the derivative itself
# In half precision a kink that the wide steps step over moved the number by up to 5.3 bounds; in turn the bound, which
# is rarely small there, may be larger.
COARSE_MARGIN, COARSE_PART = 6.0, 0.2
CLEARING = 3.0  # a retry that agrees clears an earlier strike if it would have seen a third of that discrepancy

DEFAULT_REQUIRE = {"float64": 1e-6, "float32": 1e-2, "float16": 0.1, "bfloat16": 0.3}
"""The resolution that a PASS must have reached, by the coarsest dtype involved."""

REQUIRE_BESIDE_FLOAT64 = DEFAULT_REQUIRE | {"float32": 3e-3}
"""The same where a float64 forward is differentiated: only the backward's own rounding is left to limit it."""


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
    """What one comparison says.

    They agree, and it was sharp enough; they agree as far as a kink allows (the backward's number lies between the
    one-sided derivatives); a strike against the gradient; none of these.
    """

    AGREES = "agrees"
    EXCUSED = "excused"
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
        bound_at_kink: at a kink, by how much they may differ if the gradient lies between the one-sided derivatives; 0
            where some output alone shows that it does not.
        own: the part of the bound that is the backward's own rounding; a gradient no larger may be a zero that
            rounding has touched.
        coarse: whether the steps are those of half precision, and a kink may hide between them.
        extent: where the function itself is zero, as a square at 0, the same of the values beside it.
        overflowed: whether the analytic number is beyond float64, though every element of the gradient is a number, or
            is so on the lattice of the steps alone, where the function is not defined.
    """

    analytic: float
    numeric: float
    bound: float
    scale: float
    slope: float
    ground: float
    bound_at_kink: float | None = None
    own: float = 0.0
    coarse: bool = False
    overflowed: bool = False
    extent: float = 0.0

    @property
    def discrepancy(self) -> float:
        return abs(self.analytic - self.numeric)

    @property
    def zero(self) -> bool:
        """Whether both sides are zero to within the bound; they are then judged against the function's own size."""
        return self.scale == 0.0 or (self.scale <= self.own and self.slope <= self.bound)

    @property
    def beside_zero(self) -> float:
        """The size that a zero gradient is judged against."""
        return max(self.ground, self.extent)

    @property
    def resolution(self) -> float:
        """The smallest relative error that this comparison could have seen (∞ where it could see none)."""
        if self.bound == 0.0:
            return 0.0
        size = self.beside_zero if self.zero else self.scale
        return self.bound / size if size > 0.0 and math.isfinite(self.bound) else math.inf

    @property
    def outside_kink(self) -> bool:
        """Whether some output alone showed a gradient that is not between its one-sided derivatives."""
        return self.bound_at_kink == 0.0

    @property
    def excusable(self) -> bool:
        """Whether a kink excuses the difference."""
        return self.bound_at_kink is not None and self.discrepancy <= self.bound_at_kink

    def outcome(self, require: float) -> Outcome:
        """Agreement within a bound that is sharp enough, a discrepancy beyond doubt, or neither."""
        if not math.isfinite(self.analytic):
            return Outcome.UNDECIDED if self.overflowed else Outcome.STRIKE
        if self.discrepancy <= self.bound and self.resolution <= require:
            return Outcome.AGREES
        if self.bound_at_kink is not None:
            return Outcome.EXCUSED if self.excusable else Outcome.UNDECIDED
        return Outcome.STRIKE if self._beyond_doubt() else Outcome.UNDECIDED

    def _beyond_doubt(self) -> bool:
        """Whether the discrepancy is far beyond a bound that is itself small (never with NaN or infinities)."""
        if not math.isfinite(self.numeric):
            return False
        size = max(self.slope, self.scale)
        margin, part = (COARSE_MARGIN, COARSE_PART) if self.coarse else (CLEAR_MARGIN, CLEAR_PART)
        return self.discrepancy > margin * self.bound and self.bound <= part * size

    def clears(self, earlier: "Comparison", require: float) -> bool:
        """Whether this agreement is sharp enough to take an earlier discrepancy back."""
        return self.outcome(require) is Outcome.AGREES and self.bound <= earlier.discrepancy / CLEARING

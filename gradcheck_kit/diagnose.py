"""From numbers to a likely cause: hypotheses are tested on measurements already made; no guess without evidence."""

from collections.abc import Sequence
from dataclasses import dataclass

from gradcheck_kit.verdict import Comparison

MATCH = 4.0  # a hypothesis holds if it explains every measurement to within four bounds
LEAST_EVIDENCE = 2  # measurements in independent directions


@dataclass(frozen=True)
class Cause:
    """A stable slug and a sentence."""

    slug: str
    sentence: str


def diagnose(wrong: Sequence[Comparison], elements: int) -> Cause | None:
    """The cause that explains all the mismatches of one input, or None.

    Args:
        wrong: mismatching comparisons of one input along independent directions.
        elements: how many the input has; with one, any mismatch looks like a constant factor.
    """
    if len(wrong) < LEAST_EVIDENCE:
        return None
    if all(c.scale == 0.0 for c in wrong):
        return Cause("zero-gradient", "backward returns zero (or no gradient) where the derivative is not zero")
    if all(abs(c.numeric) <= MATCH * c.bound for c in wrong):
        return Cause("should-be-zero", "the function does not depend on this input, to within what was measured")
    factor = _factor(wrong)
    if factor is None:
        return None
    if abs(factor + 1.0) <= MATCH * min(c.bound / abs(c.numeric) for c in wrong):
        return Cause("sign-flip", "backward has the wrong sign")
    return Cause("constant-factor", f"backward is {_spelled(factor)} times the derivative") if elements > 1 else None


def _factor(wrong: Sequence[Comparison]) -> float | None:
    """The one number by which every analytic value is the numeric one times, to within the bounds."""
    if any(c.analytic == 0.0 or c.numeric == 0.0 for c in wrong):
        return None
    sharpest = min(wrong, key=lambda c: c.bound / abs(c.numeric))  # a factor from a cancelling pair is blurred
    factor = sharpest.analytic / sharpest.numeric
    spread = MATCH * max(1.0, abs(factor))
    return factor if all(abs(c.analytic - factor * c.numeric) <= spread * c.bound for c in wrong) else None


def _spelled(factor: float) -> str:
    return f"(1 {factor - 1.0:+.1e})" if abs(factor - 1.0) < 1e-3 else f"{factor:.6g}"

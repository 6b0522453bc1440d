"""From numbers to a likely cause. Every hypothesis is tested on measurements already made; no guess without evidence."""

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


def diagnose(wrong: Sequence[Comparison]) -> Cause | None:
    """The cause that explains all the mismatches of one input, or None.

    Args:
        wrong: mismatching comparisons of one input along independent directions.
    """
    if len(wrong) < LEAST_EVIDENCE:
        return None
    if all(c.scale == 0.0 for c in wrong):
        return Cause(
            "zero-gradient", "backward returns zero (or no gradient) where the derivative is not zero"
        )
    if all(abs(c.numeric) <= MATCH * c.bound for c in wrong):
        return Cause(
            "should-be-zero", "the function does not depend on this input, to within what was measured"
        )
    if any(c.analytic == 0.0 or c.numeric == 0.0 for c in wrong):
        return None
    factor = wrong[-1].analytic / wrong[-1].numeric
    if not all(
        abs(c.analytic - factor * c.numeric) <= MATCH * max(1.0, abs(factor)) * c.bound for c in wrong[:-1]
    ):
        return None
    if abs(factor + 1.0) <= MATCH * wrong[-1].bound / abs(wrong[-1].numeric):
        return Cause("sign-flip", "backward has the wrong sign")
    return Cause("constant-factor", f"backward is {factor:.6g} times the derivative")

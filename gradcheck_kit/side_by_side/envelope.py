"""How far two right programs may drift apart: what rounding alone does to a training run obeys a law.

With D the distance of all parameters together, ‖W‖ the largest norm that they had so far, u the unit roundoff and t the
number of steps, D/‖W‖ grew as u·(30 + √t) at most in 21 benign rewrites (permuted rows, other GEMM order, a start moved
by one unit in the last place) of runs over five epochs of MNIST; the largest reached 0.94 of it. 106 runs with a
planted difference left three times that on the step it acted or the next, most by seven orders of magnitude. A random
walk of rounding errors gives the √t; the 30 is what the first steps do, when the gradients of a fresh network are
large.
"""

import math

FACTOR = 3.0
FIRST_STEPS = 30.0


def unit_drift(unit_roundoff: float, step: int) -> float:
    """u·(30 + √t): what the law is a multiple of."""
    return unit_roundoff * (FIRST_STEPS + math.sqrt(step))


def drift(unit_roundoff: float, step: int, factor: float = FACTOR) -> float:
    """The largest relative distance that rounding explains after `step` steps (0 is the start)."""
    return factor * unit_drift(unit_roundoff, step)


UNKNOWN_SLOPE = 100.0


def loss_drift(unit_roundoff: float, step: int, loss: float, slope: float | None, factor: float = FACTOR) -> float:
    """By how much two losses may differ at parameters as far apart as `drift` allows.

    To first order the loss moves by ‖g‖·‖ΔW‖; the forward's own rounding adds a share of the loss. LeNet on MNIST was
    seen at 1.5 times the second part alone.

    Args:
        unit_roundoff, step, factor: as for `drift`.
        loss: the reference's; one that is not finite allows no more than a loss of 1, not everything.
        slope: ‖g‖·‖W‖, of all gradients and of all parameters; None where no side tells its gradients, and then a large
            one is taken.
    """
    size = max(1.0, abs(loss)) if math.isfinite(loss) else 1.0
    return drift(unit_roundoff, step, factor) * (size + (UNKNOWN_SLOPE * size if slope is None else slope))

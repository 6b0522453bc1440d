"""Where a backward returns an infinity, is the derivative itself infinite there, as that of √x is at 0?

Seen from slopes over ever shorter steps from the point: those of an infinite derivative grow without end and have its
sign; those of a finite one settle.
"""

import math
from itertools import pairwise

import numpy as np

from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.differences.probe import typical_size
from gradcheck_kit.space import FORMATS, Array, Arrays, inner_of
from gradcheck_kit.subject import BudgetSpentError

MOST = 8  # infinite elements that are asked
STEPS = 5
SHORTEST = 0.5  # of the digits: over shorter steps rounding would take part
GROWTH = 1.15  # from each slope to the next, at least: that of log x at 0 grows by a sixth or more


def infinite_by_right(examination: Examination, name: str, gradient: Array) -> bool:
    """Whether the gradient holds infinities alone beside finite numbers, and the function is as steep in each asked."""
    values = examination.library.numpy(examination.library.vector(gradient))
    at = np.flatnonzero(np.isinf(values))
    if np.isnan(values).any() or not at.size:
        return False
    return all(_as_steep(examination, name, int(i), float(values[i])) for i in at[:MOST])


def _as_steep(examination: Examination, name: str, position: int, infinity: float) -> bool:
    return any(_diverges(_slopes(examination, name, position, side), infinity) for side in (1.0, -1.0))


def _diverges(slopes: list[float], infinity: float) -> bool:
    """Whether all are finite, of the infinity's sign, and each clearly larger than the one before."""
    if len(slopes) < STEPS or not all(math.isfinite(s) and s * infinity > 0.0 for s in slopes):
        return False
    return all(abs(later) > GROWTH * abs(earlier) for earlier, later in pairwise(slopes))


def _slopes(examination: Examination, name: str, position: int, side: float) -> list[float]:
    """The slopes of ⟨u, f⟩ over ever shorter steps of one element; fewer where the forward cannot be evaluated."""
    library, subject = examination.library, examination.subject
    x = subject.point[name]
    digits, found = FORMATS[library.dtype(x)].digits, list[float]()
    here = _weighted(examination, subject.point)
    alone = (np.arange(examination.elements(x)) == position).astype(np.float64)
    size = abs(float(library.numpy(library.vector(x))[position])) or typical_size(library, x) or 1.0
    for k in range(1, STEPS + 1):
        step = side * size * 2.0 ** (-SHORTEST * digits * k / STEPS)
        moved = library.shaped(library.vector(x) + step * library.place(alone, x), x)
        taken = float(library.numpy(library.vector(moved) - library.vector(x))[position])
        try:
            there = _weighted(examination, {**subject.point, name: moved})
        except BudgetSpentError:
            raise
        except Exception:
            return []  # the domain ends here
        found.append((there - here) / taken if taken else math.nan)
    return found


def _weighted(examination: Examination, point: Arrays) -> float:
    """⟨u, f⟩ for the cotangents of the first pull."""
    outputs = examination.subject.forward(point)
    return sum(inner_of(examination.library, u, outputs[n]) for n, u in examination.first_pull.cotangents.items())

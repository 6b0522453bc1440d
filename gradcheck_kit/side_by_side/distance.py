"""How far apart are two sides: their parameters, by the norm of one side's, and their losses.

Over a run that norm is the largest so far: a weight that comes near zero keeps the rounding of the values that made it.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradcheck_kit.side_by_side.trainee import Named


class Distance(NamedTuple):
    """Of two sides' parameters, in float64.

    Attributes:
        apart: ‖ΔW‖ of each tensor.
        norm: ‖W‖ of all tensors of the first side together, or the larger one that it had before.
        left_out: tensors that do not count in `relative`.
    """

    apart: dict[str, float]
    norm: float
    left_out: frozenset[str] = frozenset()

    @property
    def relative(self) -> float:
        """‖ΔW‖ ÷ ‖W‖ of all tensors together that count, as `ratio_of_norms` has it."""
        return ratio_of_norms(math.hypot(*self.counted.values()), self.norm)

    @property
    def counted(self) -> dict[str, float]:
        """‖ΔW‖ of each tensor that counts."""
        return {name: apart for name, apart in self.apart.items() if name not in self.left_out}

    @property
    def furthest(self) -> str:
        """The tensor that is furthest apart of those that count; one that is no number before all others."""
        return max(self.counted, key=lambda name: math.inf if math.isnan(self.apart[name]) else self.apart[name])

    def relative_of(self, name: str) -> float:
        """‖ΔW‖ of one tensor ÷ ‖W‖ of all."""
        return ratio_of_norms(self.apart[name], self.norm)


def ratio_of_norms(apart: float, norm: float) -> float:
    """‖ΔW‖ ÷ ‖W‖; of a W that is zero, 0 where nothing is apart and ∞ otherwise.

    A distance from zero, however small, is no share of nothing: taken as it is, or as 0, it would pass for one that
    rounding explains.
    """
    if norm == 0.0:
        return 0.0 if apart == 0.0 else math.inf
    return apart / norm


def distance(one: Named, other: Named, largest: float = 0.0, left_out: frozenset[str] = frozenset()) -> Distance:
    """The distance of `other` from `one`, which have the same names and shapes.

    Args:
        one, other: the two sides' parameters.
        largest: the largest norm that `one` has had in the run so far; a smaller one now is not divided by.
        left_out: tensors that are to be told, but not to count.
    """
    apart = {}
    squares = 0.0
    for name, values in one.items():
        mine = np.asarray(values, dtype=np.float64).ravel()
        difference = mine - np.asarray(other[name], dtype=np.float64).ravel()
        apart[name] = float(np.sqrt(difference @ difference))
        squares += float(mine @ mine)
    return Distance(apart, max(largest, float(np.sqrt(squares))), left_out)


def losses_apart(losses: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """|difference| of pairs of losses, (..., 2), as float64 (...); NaN where one is NaN, or both are infinite."""
    pairs = np.asarray(losses, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # of two infinite losses
        return np.asarray(np.abs(pairs[..., 0] - pairs[..., 1]))

"""How far apart are two sides: their parameters, by the norm of one side's, and their losses.

Over a run that norm is the largest so far: a weight that comes near zero keeps the rounding of the values that made it.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradcheck_kit.side_by_side.trainee import Named, Values

Masks = Mapping[str, npt.NDArray[np.bool_]]
"""By tensor, in its shape: which elements are meant; of a tensor that is not there, none."""


def counted(left_out: Masks, key: str, values: Values) -> Values:
    """What is not left out of a tensor, or of "<tensor>/<kind>" of an optimiser's state, where its shape is that."""
    mask = left_out.get(key, left_out.get(key.rpartition("/")[0]))
    return values if mask is None or mask.shape != np.shape(values) else np.asarray(values)[~mask]


class Distance(NamedTuple):
    """Of two sides' parameters, in float64.

    Attributes:
        apart: ‖ΔW‖ of each tensor.
        norm: ‖W‖ of all tensors of the first side together, or the larger one that it had before.
        counted: ‖ΔW‖ of the elements that count of each tensor that has any.
    """

    apart: dict[str, float]
    norm: float
    counted: dict[str, float]

    @property
    def relative(self) -> float:
        """‖ΔW‖ ÷ ‖W‖ of all tensors together that count, as `ratio_of_norms` has it."""
        return ratio_of_norms(math.hypot(*self.counted.values()), self.norm)

    @property
    def furthest(self) -> str:
        """The tensor that is furthest apart in what counts; one that is no number before all others."""
        return max(self.counted, key=lambda name: math.inf if math.isnan(self.counted[name]) else self.counted[name])

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


def distance(one: Named, other: Named, largest: float = 0.0, left_out: Masks | None = None) -> Distance:
    """The distance of `other` from `one`, which have the same names and shapes.

    Args:
        one, other: the two sides' parameters.
        largest: the largest norm that `one` has had in the run so far; a smaller one now is not divided by.
        left_out: elements that are to be told, but not to count.
    """
    apart, counted = {}, {}
    squares = 0.0
    for name, values in one.items():
        mine = np.asarray(values, dtype=np.float64).ravel()
        difference = mine - np.asarray(other[name], dtype=np.float64).ravel()
        apart[name] = float(np.sqrt(difference @ difference))
        counts = None if left_out is None or name not in left_out else ~left_out[name].ravel()
        if counts is None:
            counted[name] = apart[name]
        elif counts.any():
            counted[name] = float(np.linalg.norm(difference[counts]))
        squares += float(mine @ mine)
    return Distance(apart, max(largest, float(np.sqrt(squares))), counted)


def losses_apart(losses: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """|difference| of pairs of losses, (..., 2), as float64 (...); NaN where one is NaN, or both are infinite."""
    pairs = np.asarray(losses, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # of two infinite losses
        return np.asarray(np.abs(pairs[..., 0] - pairs[..., 1]))

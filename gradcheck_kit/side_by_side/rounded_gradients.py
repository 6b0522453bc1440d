"""Which elements have a gradient that is nothing but rounding?

A bias before a batch norm changes no output, nor does the bias of an attention's keys: the exact gradient is zero, and
what a program computes is the rounding of its sums. An optimiser that divides by the gradient's size makes whole steps
of that, in any direction: such elements differ between any two right programs. Two copies of one program that only
round otherwise tell them from others: a tensor that is all rounding has gradients with nothing in common, and an
element that is, beside others that are not, is no larger than what the two differ by, and than the last places of all
gradients together, and has no digits in common itself: the gradient of an input that is tiny is small, but well known.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gradcheck_kit.side_by_side.distance import Masks
from gradcheck_kit.side_by_side.trainee import Named

ALL_ROUNDING = 0.1  # of its size: that far a gradient moves with one unit in the last place of the parameters
KNOWN = 0.01  # of its own size: an element in which two copies differ by less is known, however small it is
LUCK = 4  # times as many must have no digits in common as have some by luck: one in sixteen was seen to be zero
LAST_PLACES = 16.0  # unit roundoffs of the norm of all gradients: the keys' bias was seen at 0.02


@dataclass
class Gradients:
    """Those of two copies of one program, over the steps so far.

    Attributes:
        apart: by tensor, the sums over steps of the squares of each element of g − g'.
        squares: the same of g.
        steps: how many there were.
    """

    apart: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    squares: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    steps: int = 0

    def add(self, one: Named, other: Named) -> None:
        """One step's; tensors that only one side tells are not counted."""
        self.steps += 1
        for name in (name for name in one if name in other):  # in their order: a run that is taken up again ends alike
            mine, theirs = (np.asarray(side[name], np.float64) for side in (one, other))
            with np.errstate(over="ignore", invalid="ignore"):
                self.apart[name] = self.apart.get(name, 0.0) + (mine - theirs) ** 2
                self.squares[name] = self.squares.get(name, 0.0) + mine * mine

    def rounding(self, unit_roundoff: float) -> dict[str, npt.NDArray[np.bool_]]:
        """By tensor, the elements that are, where there are any; none at all where every tensor is all rounding: then
        the program itself may be random.
        """
        sizes = {name: float(np.sum(squares)) for name, squares in self.squares.items()}
        spans = {name: float(np.sum(apart)) for name, apart in self.apart.items()}
        whole = {name for name, size in sizes.items() if spans[name] > ALL_ROUNDING**2 * size}
        if len(whole) == len(sizes):
            return {}
        last_places = (LAST_PLACES * unit_roundoff) ** 2 * sum(sizes.values())
        found = {}
        for name, squares in self.squares.items():
            least = min(self._difference(name) / ALL_ROUNDING**2, last_places)
            alike = np.full(squares.shape, True) if name in whole else _unknown(squares, self.apart[name], least)
            if alike.any() and math.isfinite(spans[name]):
                found[name] = alike
        return found

    def level(self, name: str) -> float:
        """By how much the two differ in an element of this tensor, as a root mean square; 0 of one that is not told."""
        return math.sqrt(self._difference(name) / self.steps) if name in self.apart else 0.0

    def _difference(self, name: str) -> float:
        return float(np.sum(self.apart[name])) / max(self.apart[name].size, 1)


def _unknown(squares: npt.NDArray[np.float64], apart: npt.NDArray[np.float64], least: float) -> npt.NDArray[np.bool_]:
    """The elements no larger than this that have no digits in common.

    Also those among them that are equal, or zero, by luck: rounding is a small number of last places.
    """
    found = np.asarray((squares <= least) & (apart > KNOWN**2 * squares))
    largest = np.max(squares, where=found, initial=0.0)
    lucky = ~found & (squares <= largest)
    return found | lucky if LUCK * int(lucky.sum()) <= int(found.sum()) else found


def united(*held: Masks) -> dict[str, npt.NDArray[np.bool_]]:
    """The elements that are in any of them."""
    found: dict[str, npt.NDArray[np.bool_]] = {}
    for masks in held:
        for name, mask in masks.items():
            found[name] = mask | found[name] if name in found else mask
    return found

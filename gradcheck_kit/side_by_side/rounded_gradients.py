"""Which tensors have a gradient that is nothing but rounding?

A bias before a batch norm changes no output, so that its exact gradient is zero, and what a program computes is the
rounding of its sums. An optimiser that divides by the gradient's size makes whole steps of that, in any direction: such
a tensor differs between any two right programs. Two copies of one program that only round otherwise tell it from
others: their gradients of it have nothing in common.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from gradcheck_kit.side_by_side.trainee import Named

ALL_ROUNDING = 0.1  # of its size: that far a gradient moves with one unit in the last place of the parameters


@dataclass
class Gradients:
    """Those of two copies of one program, over the steps so far.

    Attributes:
        squares: by tensor, the sums over steps of ‖g − g'‖² and of ‖g‖².
    """

    squares: dict[str, list[float]] = field(default_factory=dict)

    def add(self, one: Named, other: Named) -> None:
        """One step's; tensors that only one side tells are not counted."""
        for name in (name for name in one if name in other):  # in their order: a run that is taken up again ends alike
            mine, theirs = (np.asarray(side[name], np.float64).ravel() for side in (one, other))
            held = self.squares.setdefault(name, [0.0, 0.0])
            with np.errstate(over="ignore", invalid="ignore"):
                held[0] += float((mine - theirs) @ (mine - theirs))
                held[1] += float(mine @ mine)

    @property
    def rounding(self) -> frozenset[str]:
        """The tensors that are all rounding; none where there is no other: then the program itself may be random."""
        found = {name for name, (apart, size) in self.squares.items() if apart > ALL_ROUNDING**2 * size}
        finite = {name for name in found if math.isfinite(self.squares[name][0])}
        return frozenset(finite if len(found) < len(self.squares) else ())

"""Which elements do not count in the law, and does the candidate's gradient of them bear that out?

Where a gradient is nothing but rounding, any two right programs part. What is left out for that is asked in every step:
the candidate's gradient there must be as near the reference's as rounding is, or those elements count again.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradcheck_kit.side_by_side.distance import Masks, distance
from gradcheck_kit.side_by_side.moment import Moment
from gradcheck_kit.side_by_side.rounded_gradients import Gradients, united
from gradcheck_kit.side_by_side.trainee import Named

PLACES = 64.0  # unit roundoffs of the norm of all gradients, between two sides' rounding of one element
OTHERWISE = 100.0  # times what copies of one program differ by: another program may round that much more coarsely


class Copy(NamedTuple):
    """Of the reference, which only rounds otherwise: where it is now, and its gradients so far."""

    parameters: Named
    gradients: Gradients


@dataclass
class LeftOut:
    """The elements that do not count.

    Attributes:
        unit_roundoff: of the run.
        masks: the elements.
        levels: by tensor, by how much copies of the reference that only round otherwise differ in an element.
    """

    unit_roundoff: float
    masks: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    levels: dict[str, float] = field(default_factory=dict)

    def review(self, reference: Moment, candidate: Moment) -> None:
        """Before a step's distances are judged: what the candidate's gradients do not bear out counts again."""
        self.masks = {
            name: mask for name, mask in self.masks.items() if self._borne_out(name, mask, reference, candidate)
        }

    def widen(
        self, copies: list[Copy], reference: Moment, candidate: Moment, norm: float, allowed: float
    ) -> str | None:
        """Leave out what copies of the reference show to be rounding, if that is more than the law allows.

        They must be apart there themselves: an optimiser that makes no steps of rounding does not explain other ones.
        Returns what is left out now, in words; None where nothing more is.
        """
        known = united(*(copy.gradients.rounding(self.unit_roundoff) for copy in copies))
        new = {name: mask for name, mask in known.items() if np.any(mask & ~self.masks.get(name, False))}
        far = self._distances(new, reference.after, candidate.after, norm)
        if math.hypot(*far.values()) <= allowed:
            return None
        self.levels |= {name: max(copy.gradients.level(name) for copy in copies) for name in new}
        gone = [self._distances(new, reference.after, copy.parameters, norm) for copy in copies]
        share = allowed / len(new)
        found = {
            name: mask
            for name, mask in new.items()
            if share < far[name] <= OTHERWISE * max(copy[name] for copy in gone)
            and self._borne_out(name, mask, reference, candidate)
        }
        self.masks = united(self.masks, found)
        return None if not found else ", ".join(_told(name, self.masks[name]) for name in sorted(found))

    def _distances(self, masks: Masks, one: Named, other: Named, norm: float) -> dict[str, float]:
        """‖ΔW‖ ÷ ‖W‖ of these elements of each tensor that are not left out yet."""
        kept = {name: ~mask | self.masks.get(name, False) for name, mask in masks.items()}
        now = distance({n: one[n] for n in masks}, {n: other[n] for n in masks}, norm, kept)
        return {name: now.counted[name] / now.norm if now.norm else math.inf for name in masks}

    def _borne_out(self, name: str, mask: npt.NDArray[np.bool_], reference: Moment, candidate: Moment) -> bool:
        """Whether the two sides' gradients of these elements differ by no more than rounding; so where none is told."""
        mine, theirs = candidate.gradients, reference.gradients
        if mine is None or theirs is None:
            return True
        everything = math.hypot(*(float(np.linalg.norm(g)) for g in theirs.values()))
        most = max(PLACES * self.unit_roundoff * everything, OTHERWISE * self.levels.get(name, 0.0))
        apart = np.asarray(mine[name], np.float64)[mask] - np.asarray(theirs[name], np.float64)[mask]
        return bool(np.max(np.abs(apart)) <= most)


def _told(name: str, mask: npt.NDArray[np.bool_]) -> str:
    return name if mask.all() else f"{int(mask.sum())} of the {mask.size} elements of {name}"

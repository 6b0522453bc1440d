"""Does one step by itself prove another computation, in few digits?

In float32 two right programs may part without an error: a kink within rounding of zero, replayed or not, takes them to
different networks. So the step is taken from where the candidate was, where nothing that has grown before counts, and
must be off by a wide margin: its update beside the one that the reference's optimiser makes of the candidate's own
parameters, gradients and state; its forward and gradients beside float64, and beside what float64 makes of them where
every parameter and input moves by more than rounding, which turns every kink that rounding may have turned.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

from gradcheck_kit.side_by_side.distance import Masks, counted
from gradcheck_kit.side_by_side.moment import Moment
from gradcheck_kit.side_by_side.scene import Scene, relative
from gradcheck_kit.side_by_side.stages import (
    SPREAD_FACTOR,
    THREE_WAY_ALIKE,
    Apart,
    aligned,
    compared,
    inner,
    of_update,
)

WIDE = 8.0  # times what rounding explains
SHAKEN = 8.0  # unit roundoffs of every parameter and input; sums of a hundred products were seen at 2 of theirs
DRAWS = 8


def proved(scene: Scene) -> Apart | None:
    """The first stage and tensor of this step that no rounding explains; what is off before it may be by rounding."""
    moved = cache(lambda: _shaken(scene))
    return next((found for found in compared(scene) if found.beyond and _proves(scene, found, moved)), None)


def _proves(scene: Scene, found: Apart, moved: Callable[[], Moment | None]) -> bool:
    if found.stage == "batch":
        return True
    if found.stage in ("update", "state"):
        own = replace(scene, own=True)
        return own.updated() is not None and any(_widely(other, 0.0) for other in of_update(own))
    if found.stage not in ("activations", "loss", "gradients") or not _widely(found, 0.0):
        return False
    return _widely(found, _moves(scene, found, moved()))


def _widely(found: Apart, shaken: float) -> bool:
    return not found.apart <= max(WIDE * found.allowed, SPREAD_FACTOR * shaken)


def _shaken(scene: Scene) -> Moment | None:
    """How far float64's numbers move where everything before them moves by `SHAKEN`; None where that is not known."""
    truths = scene.truths()
    return None if truths is None else scene.sensitivity(truths[1], DRAWS, SHAKEN)


def _moves(scene: Scene, found: Apart, moved: Moment | None) -> float:
    """The share of that of this stage and tensor; ∞ where that is not known."""
    if moved is None:
        return math.inf
    if found.stage == "loss":
        return moved.loss / max(1.0, abs(scene.candidate.loss))
    if found.stage == "gradients":
        return float((moved.gradients or {}).get(found.tensor, math.inf))
    theirs, mine = (inner(side.activations or {}) for side in (scene.reference, scene.candidate))
    names = {here: there for there, here in aligned(theirs, mine, THREE_WAY_ALIKE * scene.unit_roundoff)}
    return float((moved.activations or {}).get(names.get(found.tensor, ""), math.inf))


@dataclass
class Screen:
    """Which steps within the law are worth such a look: those in which a tensor's gradients are strikingly apart.

    Attributes:
        unit_roundoff: of the run.
        seen: by tensor, the largest distance that a look has not found to be a difference.
    """

    unit_roundoff: float
    seen: dict[str, float] = field(default_factory=dict)

    def asks(self, reference: Moment, candidate: Moment, left_out: Masks) -> bool:
        """Whether to look at this step; each look that finds nothing doubles what it takes to look again."""
        mine, theirs = candidate.gradients, reference.gradients
        if mine is None or theirs is None:
            return False
        striking = {}
        for name, gradient in theirs.items():
            apart = relative(*(counted(left_out, name, side) for side in (gradient, mine[name])))
            if not apart <= max(math.sqrt(self.unit_roundoff), 2 * self.seen.get(name, 0.0)):
                striking[name] = apart
        self.seen |= striking
        return bool(striking)

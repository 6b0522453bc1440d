"""Does one step by itself prove another computation, in few digits?

In float32 two right programs may part without an error: a kink within rounding of zero, replayed or not, takes them to
different networks. So the step is taken from where the candidate was, where nothing that has grown before counts, and
must be off by a wide margin: its update beside the one that the reference's optimiser makes of the candidate's own
parameters, gradients and state; its forward and gradients beside float64, and beside what float64 makes of them where
every parameter and input moves by more than rounding, which turns every kink that rounding may have turned.
"""

import math
from dataclasses import dataclass, field, replace

from gradcheck_kit.side_by_side.distance import Masks, counted
from gradcheck_kit.side_by_side.moment import Moment
from gradcheck_kit.side_by_side.scene import Scene, relative
from gradcheck_kit.side_by_side.stages import (
    SPREAD_FACTOR,
    THREE_WAY_ALIKE,
    Apart,
    aligned,
    first_apart,
    inner,
    of_update,
)

WIDE = 8.0  # times what rounding explains
SHAKEN = 8.0  # unit roundoffs of every parameter and input; sums of a hundred products were seen at 2 of theirs
DRAWS = 8


def proven(scene: Scene, first: Apart) -> bool:
    """Whether no rounding explains that this stage and tensor is the first that is off."""
    if first.stage == "batch":
        return True
    if first.stage in ("update", "state"):
        own = replace(scene, own=True)
        return own.updated() is not None and any(_widely(found, 0.0) for found in of_update(own))
    return first.stage in ("activations", "loss", "gradients") and _widely(first, _shaken(scene, first))


def proved(scene: Scene) -> Apart | None:
    """The first stage and tensor of this step that is off, where that is proven."""
    first = first_apart(scene)
    return first if first is not None and proven(scene, first) else None


def _widely(found: Apart, shaken: float) -> bool:
    return not found.apart <= max(WIDE * found.allowed, SPREAD_FACTOR * shaken)


def _shaken(scene: Scene, first: Apart) -> float:
    """How far the stage moves in float64 where everything before it moves by `SHAKEN`; ∞ where that is not known."""
    truths = scene.truths()
    if truths is None:
        return math.inf
    moved = scene.sensitivity(truths[1], DRAWS, SHAKEN)
    if first.stage == "loss":
        return moved.loss / max(1.0, abs(truths[0].loss))
    if first.stage == "gradients":
        return float((moved.gradients or {}).get(first.tensor, math.inf))
    theirs, mine = (inner(side.activations or {}) for side in (scene.reference, scene.candidate))
    names = {here: there for there, here in aligned(theirs, mine, THREE_WAY_ALIKE * scene.unit_roundoff)}
    return float((moved.activations or {}).get(names.get(first.tensor, ""), math.inf))


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

"""Did one step make so much of the rounding that was there before it?

At a large learning rate the difference of two right programs may grow a thousandfold in one step, and how far a copy
that only rounds otherwise drifts is then luck: what it lies in the one direction that grows. So the very step is asked.
The reference makes it again from the candidate's own parameters. Where it arrives at the candidate's own next ones, up
to what the step makes of a unit in the last place, the candidate made the right step from where it was; and where the
step then took the two places apart, which were within the law of each other, the growth is the step's and no one's
error. A difference in the step itself is not excused, nor one that adds up over steps that amplify nothing.
"""

import math

import numpy as np

from gradcheck_kit.side_by_side.distance import distance, losses_apart
from gradcheck_kit.side_by_side.envelope import drift
from gradcheck_kit.side_by_side.moment import Moment
from gradcheck_kit.side_by_side.replay import Replay
from gradcheck_kit.side_by_side.scene import Scene
from gradcheck_kit.side_by_side.shadow import SAFETY, moved_by_an_ulp
from gradcheck_kit.side_by_side.trace import largest
from gradcheck_kit.side_by_side.trainee import Named

DRAWS = 3
GROWS = 2.0  # times, in one step: less is what differences of every step add up to


def amplified(scene: Scene, norm: float, left: tuple[bool, bool], grows: float = GROWS) -> bool:
    """Whether the reference itself makes this much of the difference that was there before the step.

    Args:
        scene: the step.
        norm: the largest ‖W‖ of the reference so far.
        left: whether the parameters, and whether the losses, left the law.
        grows: by how much a step must make more of a difference: 0 where it is known that steps do, for a momentum
            goes on with what one of them made.
    """
    again = _remade(scene, scene.candidate.before)
    if again is None:
        return False
    moved = [place for start in _moved(scene) if (place := _remade(scene, start)) is not None]
    fine = not left[0] or _parameters(scene, norm, again, moved, grows)
    return fine and (not left[1] or _loss(scene, again, moved))


def _parameters(scene: Scene, norm: float, again: Moment, moved: list[Moment], grows: float) -> bool:
    def apart(one: Named, other: Named) -> float:
        return distance(one, other, norm, scene.left_out).relative

    before, after = (apart(getattr(scene.reference, p), getattr(scene.candidate, p)) for p in ("before", "after"))
    rounding = SAFETY * largest([apart(again.after, place.after) for place in moved])
    # What the candidate's optimiser keeps may be that far off.
    right = max(rounding, before, drift(scene.unit_roundoff, scene.step))
    if not apart(again.after, scene.candidate.after) <= right < math.inf:
        return False
    walked = rounding * math.sqrt(scene.step) >= after  # as much in every step would, in any direction
    return walked or math.inf > apart(scene.reference.after, again.after) >= grows * before


def _loss(scene: Scene, again: Moment, moved: list[Moment]) -> bool:
    """Both sides' parameters were within the law, so that a right loss of the candidate's own is no difference."""
    rounding = SAFETY * largest([abs(again.loss - place.loss) for place in moved])
    right = max(rounding, drift(scene.unit_roundoff, scene.step) * max(1.0, abs(again.loss)))
    return float(losses_apart((again.loss, scene.candidate.loss))) <= right < math.inf


def _moved(scene: Scene) -> list[Named]:
    """The candidate's parameters before the step, each element a unit in the last place off, a few times."""
    generator = np.random.default_rng(scene.step)
    return [moved_by_an_ulp(scene.candidate.before, generator, scene.trainee.dtype) for _ in range(DRAWS)]


def _remade(scene: Scene, start: Named) -> Moment | None:
    """The step as a copy of the reference makes it from there, with the reference's state; None if it has no copy.

    Not with the candidate's state, in which the difference may lie.
    """
    led = Replay(drift(scene.unit_roundoff, scene.step), scene.branches, scene.step) if scene.branches else None
    return scene.remade(start, scene.reference.state_before, replay=led)

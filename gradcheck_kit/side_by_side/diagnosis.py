"""Where did a step begin to differ, and why? From the scene to the first stage, its tensor and its cause."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gradcheck_kit.side_by_side import (
    buffers,
    causes_of_batch,
    causes_of_forward,
    causes_of_gradients,
    causes_of_update,
)
from gradcheck_kit.side_by_side.cause import Cause
from gradcheck_kit.side_by_side.causes_of_update import LEARNING_RATE, UPHILL
from gradcheck_kit.side_by_side.divergence import Divergence
from gradcheck_kit.side_by_side.proof import proved
from gradcheck_kit.side_by_side.rules import STEPS
from gradcheck_kit.side_by_side.scene import Scene
from gradcheck_kit.side_by_side.stages import Apart, first_apart
from gradcheck_kit.side_by_side.trainee import Named

CAUSES: dict[str, Callable[[Scene, Apart], list[Cause]]] = {
    "batch": lambda scene, first: causes_of_batch.causes(scene),
    "activations": causes_of_forward.causes,
    "loss": lambda scene, first: causes_of_forward.causes_of_loss(scene),
    "gradients": causes_of_gradients.causes,
    "update": lambda scene, first: causes_of_update.causes(scene),
    "state": causes_of_update.causes_of_state,
    "parameters": lambda scene, first: causes_of_update.causes(scene),
}

UNTESTED = "no other step has tested it"


def explained(divergence: Divergence, scene: Scene) -> tuple[Divergence, list[Cause]]:
    """The same divergence with its stage, tensor and cause, as far as the two sides offer what shows them.

    Also returns every cause that fits: `confirmed` tests them on the next step.
    """
    if not _finite(scene.reference.loss, scene.reference.after):
        told = f"the reference itself is not finite (loss {scene.reference.loss}): train with a smaller learning rate"
        return replace(divergence, stage="loss", tensor="loss", cause="diverged", evidence=told), []
    if divergence.stage == buffers.STAGE:
        return divergence, []  # it is told already
    sure = proved(scene) if scene.digits.alone_unsure else None
    first = sure or first_apart(scene)
    if first is None:
        return replace(divergence, evidence=_nothing(scene)), []
    causes = CAUSES[first.stage](scene, first)
    located = replace(
        divergence,
        stage=first.stage,
        tensor=first.tensor,
        tensor_apart=first.apart,
        tensor_allowed=first.allowed,
        proven=sure is not None,
    )
    return _named(located, causes), causes


def confirmed(divergence: Divergence, causes: list[Cause], scene: Scene) -> Divergence:
    """The same with those causes alone that explain the next step too, which may be none.

    As it was where the next step cannot be compared, or is right: what acted in one step alone cannot be asked again.
    """
    update = causes_of_update.Update.of(scene)
    if update is None or not update.off:
        told = "the step after is right" if update is not None else UNTESTED
        return replace(divergence, evidence=f"{divergence.evidence}; {told}")
    again = causes_of_update.causes(scene)
    left = [cause for cause in causes if _holds(cause, again, scene)]
    varying = [] if left or not _keep_alike(scene) else [c for c in again if c.slug == LEARNING_RATE]
    left += [cause for cause in causes if varying and cause.slug == LEARNING_RATE]
    gone = dict.fromkeys(cause.slug for cause in causes if cause.slug not in {kept.slug for kept in left})
    if not left:
        told = f"{', '.join(gone)} would explain this step, but not the one after: no usual cause explains both"
        return replace(divergence, cause=None, evidence=told)
    named = _named(divergence, left)
    told = f"; in the step after, {varying[0].number}" if varying else ""
    told += f"; {', '.join(gone)} would too, but does not explain the step after" if gone else ""
    return replace(named, evidence=named.evidence + told)


def _holds(cause: Cause, again: list[Cause], scene: Scene) -> bool:
    """Whether this cause explains the later step by the same number, or could not be asked."""
    if not cause.number:
        return True  # a fact of the step, nothing that was learnt from it
    if scene.candidate.state_before is None and cause.slug not in (LEARNING_RATE, UPHILL):
        return True  # it may keep something else, which it does not tell
    return any((other.slug, other.number) == (cause.slug, cause.number) for other in again)


def _keep_alike(scene: Scene) -> bool:
    """Whether the two optimisers keep the same kinds of arrays, as far as both tell: then one may have a schedule."""
    told = [side.state_after for side in (scene.candidate, scene.reference)]
    return None in told or len({frozenset((state or {}).keys()) - {STEPS} for state in told}) == 1


def testable(divergence: Divergence, causes: list[Cause]) -> bool:
    """Whether the next step may refute some of these, which were learnt from the numbers of an update."""
    return divergence.stage in ("update", "parameters") and any(cause.number for cause in causes)


def told(divergence: Divergence | None, causes: list[Cause]) -> Divergence | None:
    """The same, with a word on causes that the next step, which there was not yet, might have refuted."""
    if divergence is None or not causes:
        return divergence
    return replace(divergence, evidence=f"{divergence.evidence}; {UNTESTED}")


def _named(divergence: Divergence, causes: list[Cause]) -> Divergence:
    if not causes:
        return replace(divergence, evidence="no usual cause reproduces the candidate's numbers")
    first = causes[0]
    others = {c.slug: c for c in reversed(causes) if _family(c) != _family(first)}
    more = "".join(f"; but so does {c.slug}: {c.evidence}" for c in [*others.values()][:2])
    return replace(divergence, cause=first.slug, evidence=first.evidence + more)


def _family(cause: Cause) -> str:
    return "-".join(cause.slug.split("-")[:2])


def _finite(loss: float, parameters: Named) -> bool:
    """Whether the loss and the norm of every parameter are numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        norms = [np.linalg.norm(np.asarray(values, np.float64)) for values in parameters.values()]
    return bool(np.isfinite(loss)) and all(bool(np.isfinite(norm)) for norm in norms)


def _nothing(scene: Scene) -> str:
    lacking = [what for what in ("gradients", "activations", "state_after") if getattr(scene.candidate, what) is None]
    told = ", ".join(lacking).replace("state_after", "state")
    if lacking:
        return f"the candidate offers no {told}: nothing to look at but its parameters"
    return "no stage of this step is worse than rounding by itself: the difference has grown over many steps"

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
from gradcheck_kit.side_by_side.divergence import Divergence
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


def explained(divergence: Divergence, scene: Scene) -> tuple[Divergence, list[Cause]]:
    """The same divergence with its stage, tensor and cause, as far as the two sides offer what shows them.

    Also returns every cause that fits: where there are several, `confirmed` may tell them apart in the next step.
    """
    if not _finite(scene.reference.loss, scene.reference.after):
        told = f"the reference itself is not finite (loss {scene.reference.loss}): train with a smaller learning rate"
        return replace(divergence, stage="loss", tensor="loss", cause="diverged", evidence=told), []
    if divergence.stage == buffers.STAGE:
        return divergence, []  # it is told already
    first = first_apart(scene)
    if first is None:
        return replace(divergence, evidence=_nothing(scene)), []
    causes = CAUSES[first.stage](scene, first)
    located = replace(
        divergence,
        stage=first.stage,
        tensor=first.tensor,
        tensor_apart=first.apart,
        tensor_allowed=first.allowed,
    )
    return _named(located, causes), causes


def confirmed(divergence: Divergence, causes: list[Cause], scene: Scene) -> Divergence:
    """The same with those causes alone that explain the next step too; as it was where none or all of them do."""
    if scene.candidate.state_before is None:
        return divergence
    again = {(cause.slug, cause.number) for cause in causes_of_update.causes(scene)}
    left = [cause for cause in causes if (cause.slug, cause.number) in again]
    if not left:
        return divergence
    named = _named(divergence, left)
    gone = dict.fromkeys(cause.slug for cause in causes if cause.slug not in {kept.slug for kept in left})
    told = f"; {', '.join(gone)} would too, but does not explain the step after" if gone else ""
    return replace(named, evidence=named.evidence + told)


def ambiguous(divergence: Divergence, causes: list[Cause]) -> bool:
    """Whether several causes explain the update, and the next step may refute some."""
    return divergence.stage == "update" and len({cause.slug for cause in causes}) > 1


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

"""Where did a step begin to differ, and why? From the scene to the first stage, its tensor and its cause."""

from collections.abc import Callable
from dataclasses import replace

from gradcheck_kit.side_by_side import causes_of_batch, causes_of_forward, causes_of_gradients, causes_of_update
from gradcheck_kit.side_by_side.cause import Cause
from gradcheck_kit.side_by_side.parity_report import Divergence
from gradcheck_kit.side_by_side.scene import Scene
from gradcheck_kit.side_by_side.stages import Apart, first_apart

CAUSES: dict[str, Callable[[Scene, Apart], list[Cause]]] = {
    "batch": lambda scene, first: causes_of_batch.causes(scene),
    "activations": causes_of_forward.causes,
    "loss": lambda scene, first: causes_of_forward.causes_of_loss(scene),
    "gradients": causes_of_gradients.causes,
    "update": lambda scene, first: causes_of_update.causes(scene),
    "state": causes_of_update.causes_of_state,
    "parameters": lambda scene, first: causes_of_update.causes(scene),
}


def explained(divergence: Divergence, scene: Scene) -> Divergence:
    """The same divergence with its stage, tensor and cause, as far as the two sides offer what shows them."""
    first = first_apart(scene)
    if first is None:
        return replace(divergence, evidence=_nothing(scene))
    causes = CAUSES[first.stage](scene, first)
    slugs = list(dict.fromkeys(cause.slug for cause in causes))
    evidence = "no usual cause reproduces the candidate's numbers"
    if causes:
        evidence = causes[0].evidence
        others = [f"{c.slug}: {c.evidence}" for c in causes[1:] if c.slug != slugs[0]]
        evidence += "".join(f"; but so does {other}" for other in others[:2])
    return replace(
        divergence,
        stage=first.stage,
        tensor=first.tensor,
        tensor_apart=first.apart,
        tensor_allowed=first.allowed,
        cause=slugs[0] if causes else None,
        evidence=evidence,
    )


def _nothing(scene: Scene) -> str:
    lacking = [what for what in ("gradients", "activations", "state_after") if getattr(scene.candidate, what) is None]
    told = ", ".join(lacking).replace("state_after", "state")
    if lacking:
        return f"the candidate offers no {told}: nothing to look at but its parameters"
    return "no stage of this step is worse than rounding by itself: the difference has grown over many steps"

"""Where two training runs first parted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Divergence:
    """The first step at which the two were further apart than rounding explains, and where that began.

    Attributes:
        step: from 1.
        what: what the law was broken in: "loss", or the tensor that is furthest apart.
        apart, allowed: the distance there, and what rounding explains.
        stage: the first stage of the step that is worse than rounding: "batch", "activations", "loss", "gradients",
            "update", "state", "parameters" or "buffers"; None where the sides offer nothing to look at.
        tensor: what of that stage, such as "0.W" or "2 Linear".
        tensor_apart, tensor_allowed: its relative distance, and the one that rounding explains.
        cause: a short stable slug where the numbers prove one, such as "learning-rate"; else None.
        evidence: the proof in words, or what was looked for in vain.
        proven: whether, in few digits, this step by itself is off by more than any rounding explains.
    """

    step: int
    what: str
    apart: float
    allowed: float
    stage: str | None = None
    tensor: str | None = None
    tensor_apart: float | None = None
    tensor_allowed: float | None = None
    cause: str | None = None
    evidence: str = ""
    proven: bool = False

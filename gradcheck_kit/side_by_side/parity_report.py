"""What two training runs have in common, as frozen values; `str(report)` is what a person reads."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck_kit.report import plain
from gradcheck_kit.side_by_side import parity_words
from gradcheck_kit.side_by_side.buffers import STAGE
from gradcheck_kit.side_by_side.divergence import Divergence
from gradcheck_kit.side_by_side.replay import Decision
from gradcheck_kit.space import FORMATS
from gradcheck_kit.verdict import Verdict

SMOOTH = ("batch", "update", "state")  # the stages of a step on which no branch of its forward has an influence
FALLEN = 0.05  # of the first loss: one that moved by less may only have met easier batches

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SideReport:
    """One side's facts: its parameters' dtype, mean training loss and test accuracy of every epoch, training's seconds.

    A side that offers no accuracy has none.
    """

    name: str
    device: str
    dtype: str
    train_loss: tuple[float, ...]
    test_accuracy: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, repr=False)
class ParityReport:
    """What two training runs have in common.

    Attributes:
        name, dtype: what was trained, and the coarser of both sides' dtypes.
        digits: in which precision, in words.
        precision: the coarsest format to which products may have been rounded, where that was declared.
        reference, candidate: each side's facts.
        schedule: the start and the batches, as `Schedule.to_dict`.
        max_loss_difference: over all steps.
        max_distance: D/‖W‖ over all steps, D the distance of all parameters together, ‖W‖ the largest norm of the
            reference's that was seen up to there.
        worst_of_law: the largest D/‖W‖ ÷ what rounding explains at its step; beyond 1 is another computation.
        max_difference: for each tensor, the largest ‖ΔW‖ ÷ ‖W‖ of all parameters together.
        divergence: where the two first parted, None if they never did.
        losses: every step's loss on both sides, (steps, 2): reference, candidate.
        drift, allowed: D/‖W‖ and what rounding explains of it, before the first step and after each, (steps + 1,).
        loss_allowed: by how much rounding explains that the losses differ, (steps,).
        tensor_drift: the same as drift by tensor, ‖ΔW‖ ÷ ‖W‖ of all parameters together.
        replayed: whether branch decisions were compared and followed.
        decisions: how many were compared.
        ledger: those that differed.
        notes: what could not be looked at, and why.
        moved: how far the reference's parameters came from the start, ÷ their norm at the end; ∞ where they ended at
            zero.
        stepwise: whether every step was judged by itself, as it is in few digits.
        by_step: by stage of such a step, the largest share of what rounding explains that was used, and the least and
            the most that it explains of a relative distance.
        undecided: why a run without a divergence is no PASS, where its digits are too few to tell.
    """

    name: str
    dtype: str
    digits: str
    precision: str | None
    reference: SideReport
    candidate: SideReport
    schedule: dict[str, Any]
    max_loss_difference: float
    max_distance: float
    worst_of_law: float
    max_difference: dict[str, float]
    divergence: Divergence | None
    losses: Vector = field(repr=False, compare=False)
    drift: Vector = field(repr=False, compare=False)
    allowed: Vector = field(repr=False, compare=False)
    loss_allowed: Vector = field(repr=False, compare=False)
    tensor_drift: dict[str, Vector] = field(repr=False, compare=False)
    replayed: bool = False
    decisions: int = 0
    ledger: tuple[Decision, ...] = ()
    notes: tuple[str, ...] = ()
    moved: float = 0.0
    stepwise: bool = False
    by_step: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    undecided: str | None = None

    @property
    def verdict(self) -> Verdict:
        """PASS: the same computation, and the loss fell, so that there was something to compare.

        A divergence is a FAIL in float64, and in fewer digits where the branches were replayed, or where the step by
        itself proves it. Without that it is INCONCLUSIVE there: a ReLU whose input is within rounding of zero may
        rightly go either way on the two sides, and pull them apart. So is a run whose reference parts from copies of
        itself that only round otherwise. A decision that differs beyond rounding is a FAIL of its own.

        Parameters in half precision lose updates, which may drive the two apart: there only a difference that a step
        shows by itself is a FAIL, and there is no PASS but for equal bits.
        """
        if self.misjudged and not FORMATS[self.dtype].half:
            return Verdict.FAIL
        if self.divergence is not None:
            return Verdict.FAIL if self._certain(self.divergence) else Verdict.INCONCLUSIVE
        unsure = self.misjudged or self.undecided is not None or self.chaotic_from is not None
        return Verdict.PASS if self.loss_fell and not unsure else Verdict.INCONCLUSIVE

    def _certain(self, first: Divergence) -> bool:
        """Whether neither a branch nor a lost update may have caused it."""
        if first.proven or (first.stage in SMOOTH and self.stepwise):
            return True
        if FORMATS[self.dtype].half and first.stage in (None, STAGE):
            return False
        return self.replayed or (self.dtype == "float64" and self.precision is None)

    def __repr__(self) -> str:
        return f"<ParityReport {str(self).splitlines()[0]}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython and notebooks show of a cell's value."""
        printer.text(str(self))

    def __str__(self) -> str:
        """What a person reads: the verdict; when, where and why they parted; the ledger; the facts beside."""
        return parity_words.whole(self)

    @property
    def misjudged(self) -> tuple[Decision, ...]:
        """The decisions that differ by more than rounding explains."""
        return tuple(decision for decision in self.ledger if not decision.within)

    @property
    def chaotic_from(self) -> int | None:
        """The step at which rounding alone had driven copies of the reference apart: all distances are allowed then."""
        beyond = np.flatnonzero(np.isinf(self.allowed))
        return int(beyond[0]) if len(beyond) else None

    @property
    def most_allowed(self) -> float:
        """The largest D/‖W‖ that rounding explains, as long as it explains less than everything."""
        return float(np.max(self.allowed[np.isfinite(self.allowed)], initial=0.0))

    @property
    def loss_fell(self) -> bool:
        """Whether the last tenth of the steps had a clearly lower mean loss than the first tenth, on both sides."""
        tenth = max(1, len(self.losses) // 10)
        head, tail = self.losses[:tenth].mean(axis=0), self.losses[-tenth:].mean(axis=0)
        with np.errstate(invalid="ignore"):  # of two infinite losses
            return bool(np.all(head - tail > FALLEN * np.abs(head)))

    @property
    def loss_left(self) -> float:
        """The last epoch's mean training loss ÷ the first step's loss, the larger of both sides."""
        ends = self.reference.train_loss[-1], self.candidate.train_loss[-1]
        return max(end / float(start) for end, start in zip(ends, self.losses[0], strict=True))

    @property
    def accuracy_reached(self) -> float:
        """The last epoch's test accuracy, the smaller of both sides; 0 for a side that offers none."""
        sides = (self.reference, self.candidate)
        return min(side.test_accuracy[-1] if side.test_accuracy else 0.0 for side in sides)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; what is known step by step is left out."""
        first = self.divergence
        return {
            "name": self.name,
            "dtype": self.dtype,
            "digits": self.digits,
            "precision": self.precision,
            "verdict": self.verdict.value,
            "epochs": self.schedule["epochs"],
            "schedule": self.schedule,
            "max_loss_difference": plain(self.max_loss_difference),
            "max_distance": plain(self.max_distance),
            "worst_of_law": plain(self.worst_of_law),
            "max_difference": {name: plain(value) for name, value in self.max_difference.items()},
            "divergence": None if first is None else {k: plain(v) for k, v in vars(first).items()},
            "replayed": self.replayed,
            "decisions": self.decisions,
            "ledger": [
                {k: plain(v) for k, v in asdict(decision).items()} | {"within": decision.within}
                for decision in self.ledger
            ],
            "notes": list(self.notes),
            "allowed": plain(self.most_allowed),
            "moved": plain(self.moved),
            "by_step": {
                stage: {"used": plain(used), "least": plain(least), "most": plain(most)}
                for stage, (used, least, most) in self.by_step.items()
            },
            "undecided": self.undecided,
            "reference": _side(self.reference),
            "candidate": _side(self.candidate),
        }


def _side(side: SideReport) -> dict[str, Any]:
    return {
        "name": side.name,
        "device": side.device,
        "dtype": side.dtype,
        "train_loss": [plain(loss) for loss in side.train_loss],
        "test_accuracy": list(side.test_accuracy),
        "seconds": side.seconds,
    }

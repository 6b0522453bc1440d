"""Two training runs step by step: the same computation, or from which step and which tensor on not?"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck_kit.report import plain
from gradcheck_kit.side_by_side.envelope import drift
from gradcheck_kit.side_by_side.schedule import Indices, Schedule
from gradcheck_kit.side_by_side.trainee import Trainee, Values, distance
from gradcheck_kit.space import FORMATS
from gradcheck_kit.subject import UsageError
from gradcheck_kit.verdict import Verdict

Batch = Callable[[Indices], tuple[Values, Values]]
"""Positions of examples → (inputs, labels); both sides get the same arrays."""


FALLEN = 0.95  # a loss that moved by less may only have met easier batches


@dataclass(frozen=True)
class Progress:
    """What is known after a step."""

    epoch: int
    step: int
    steps: int
    reference_loss: float
    candidate_loss: float


@dataclass(frozen=True)
class SideReport:
    """One side's facts: the mean training loss and the test accuracy of every epoch, and its seconds of training."""

    name: str
    device: str
    train_loss: tuple[float, ...]
    test_accuracy: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class Divergence:
    """The first step at which the two were further apart than rounding explains, and where most."""

    step: int
    what: str
    apart: float
    allowed: float


@dataclass(frozen=True)
class ParityReport:
    """What two training runs have in common.

    Attributes:
        name, dtype: what was trained, and in which precision.
        reference, candidate: each side's facts.
        schedule: the start and the batches, as `Schedule.to_dict`.
        max_loss_difference: over all steps.
        max_distance: D/‖W‖ over all steps, D the distance of all parameters together.
        worst_of_law: the largest D/‖W‖ ÷ what rounding explains at its step; beyond 1 is another computation.
        max_difference: for each tensor, the largest ‖ΔW‖ ÷ ‖W‖ of all parameters together.
        divergence: where the two first parted, None if they never did.
        losses: every step's loss on both sides, (steps, 2): reference, candidate.
    """

    name: str
    dtype: str
    reference: SideReport
    candidate: SideReport
    schedule: dict[str, Any]
    max_loss_difference: float
    max_distance: float
    worst_of_law: float
    max_difference: dict[str, float]
    divergence: Divergence | None
    losses: npt.NDArray[np.float64] = field(repr=False, compare=False)

    @property
    def verdict(self) -> Verdict:
        """PASS: the same computation, and the loss fell, so that there was something to compare.

        A divergence is a FAIL in float64. In fewer digits it is INCONCLUSIVE: a ReLU whose input is within rounding of
        zero may rightly go either way on the two sides, and pull them apart.
        """
        if self.divergence is not None:
            return Verdict.FAIL if self.dtype == "float64" else Verdict.INCONCLUSIVE
        return Verdict.PASS if self.loss_fell else Verdict.INCONCLUSIVE

    @property
    def loss_fell(self) -> bool:
        """Whether the last tenth of the steps had a clearly lower mean loss than the first tenth, on both sides."""
        tenth = max(1, len(self.losses) // 10)
        head, tail = self.losses[:tenth].mean(axis=0), self.losses[-tenth:].mean(axis=0)
        return bool(np.all(tail < FALLEN * head))

    @property
    def loss_left(self) -> float:
        """The last epoch's mean training loss ÷ the first step's loss, the larger of both sides."""
        ends = self.reference.train_loss[-1], self.candidate.train_loss[-1]
        return max(end / float(start) for end, start in zip(ends, self.losses[0], strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the step-by-step losses left out."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "verdict": self.verdict.value,
            "epochs": self.schedule["epochs"],
            "schedule": self.schedule,
            "max_loss_difference": plain(self.max_loss_difference),
            "max_distance": plain(self.max_distance),
            "worst_of_law": plain(self.worst_of_law),
            "max_difference": {name: plain(value) for name, value in self.max_difference.items()},
            "divergence": None if self.divergence is None else {k: plain(v) for k, v in vars(self.divergence).items()},
            "reference": _side(self.reference),
            "candidate": _side(self.candidate),
        }


def train_parity(
    reference: Trainee,
    candidate: Trainee,
    schedule: Schedule,
    batch: Batch,
    *,
    test: tuple[Values, Values],
    name: str = "training",
    progress: Callable[[Progress], None] | None = None,
) -> ParityReport:
    """Train both from the same start on the same batches and compare every parameter at every step.

    In float64 the verdict is sharp: rounding stays within `envelope.drift` and hardly anything else does.

    Args:
        reference, candidate: the two sides, of one dtype; both are trained, so pass fresh ones.
        schedule: the start and the order of the examples.
        batch: positions of examples → (inputs, labels).
        test: inputs and labels for the accuracy after every epoch.
        name: what the report calls the run.
        progress: called after every step.

    Raises:
        UsageError: the two have different dtypes, or parameters that do not fit the schedule.
    """
    if reference.dtype != candidate.dtype:
        raise UsageError(
            f"{reference.name} is {reference.dtype}, {candidate.name} is {candidate.dtype}; train in one dtype"
        )
    for side in (reference, candidate):
        side.load(schedule.parameters)
    run = _Run(reference, candidate, FORMATS[reference.dtype].unit_roundoff)
    run.compare(0)
    for epoch in range(schedule.epochs):
        for indices in schedule.epoch(epoch):
            step = run.advance(*batch(indices))
            if progress is not None:
                progress(Progress(epoch, step, schedule.steps, *run.losses[-1]))
        run.end_epoch(schedule.steps_per_epoch, *test)
    return run.report(name, schedule)


class _Run:
    """The two trainees and all that has been seen of them."""

    def __init__(self, reference: Trainee, candidate: Trainee, unit_roundoff: float) -> None:
        self._sides = (reference, candidate)
        self._unit_roundoff = unit_roundoff
        self.losses: list[tuple[float, float]] = []
        self._seconds = [0.0, 0.0]
        self._train_loss: list[npt.NDArray[np.float64]] = []
        self._accuracy: list[tuple[float, float]] = []
        self._max_difference: dict[str, float] = {}
        self._max_distance = self._worst = 0.0
        self._divergence: Divergence | None = None

    def advance(self, inputs: Values, labels: Values) -> int:
        """One step on both sides; returns its number, from 1."""
        losses = []
        for i, side in enumerate(self._sides):
            started = time.perf_counter()
            losses.append(side.loss_and_gradients(inputs, labels))
            side.step()
            self._seconds[i] += time.perf_counter() - started
        self.losses.append((losses[0], losses[1]))
        step = len(self.losses)
        self._compare_losses(step, *losses)
        self.compare(step)
        return step

    def compare(self, step: int) -> None:
        """All parameters now, against what rounding explains."""
        reference, candidate = self._sides
        apart, whole = distance(reference.parameters(), candidate.parameters())
        total = math.hypot(*apart.values())
        relative = total / whole if whole else (0.0 if total == 0.0 else math.inf)
        for name, value in apart.items():
            share = value / whole if whole else value
            self._max_difference[name] = _larger(self._max_difference.get(name, 0.0), share)
        self._max_distance = _larger(self._max_distance, relative)
        allowed = drift(self._unit_roundoff, step)
        self._worst = _larger(self._worst, relative / allowed)
        if not relative <= allowed:  # NaN too
            furthest = max(apart, key=lambda name: math.inf if math.isnan(apart[name]) else apart[name])
            self._diverged(step, furthest, relative, allowed)

    def _compare_losses(self, step: int, reference: float, candidate: float) -> None:
        allowed = drift(self._unit_roundoff, step) * max(1.0, abs(reference))
        if not abs(reference - candidate) <= allowed:
            self._diverged(step, "loss", abs(reference - candidate), allowed)

    def _diverged(self, step: int, what: str, apart: float, allowed: float) -> None:
        if self._divergence is None:
            self._divergence = Divergence(step, what, apart, allowed)

    def end_epoch(self, steps: int, inputs: Values, labels: Values) -> None:
        """The epoch's facts on both sides."""
        self._train_loss.append(np.mean(self.losses[-steps:], axis=0))
        reference, candidate = self._sides
        self._accuracy.append((reference.accuracy(inputs, labels), candidate.accuracy(inputs, labels)))

    def report(self, name: str, schedule: Schedule) -> ParityReport:
        losses = np.asarray(self.losses)
        reference, candidate = (self._side(i) for i in range(2))
        return ParityReport(
            name=name,
            dtype=self._sides[0].dtype,
            reference=reference,
            candidate=candidate,
            schedule=schedule.to_dict(),
            max_loss_difference=float(np.max(np.abs(losses[:, 0] - losses[:, 1]))),
            max_distance=self._max_distance,
            worst_of_law=self._worst,
            max_difference=self._max_difference,
            divergence=self._divergence,
            losses=losses,
        )

    def _side(self, i: int) -> SideReport:
        return SideReport(
            self._sides[i].name,
            self._sides[i].device,
            tuple(float(losses[i]) for losses in self._train_loss),
            tuple(accuracies[i] for accuracies in self._accuracy),
            self._seconds[i],
        )


def _larger(one: float, other: float) -> float:
    """The maximum, in which a NaN is not forgotten."""
    return math.nan if math.isnan(one) or math.isnan(other) else max(one, other)


def _side(side: SideReport) -> dict[str, Any]:
    return {
        "name": side.name,
        "device": side.device,
        "train_loss": [plain(loss) for loss in side.train_loss],
        "test_accuracy": list(side.test_accuracy),
        "seconds": side.seconds,
    }

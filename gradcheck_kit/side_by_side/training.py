"""Two training runs step by step: the same computation, or from which step and which tensor on not?"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck_kit.side_by_side.diagnosis import ambiguous, confirmed, explained
from gradcheck_kit.side_by_side.envelope import drift
from gradcheck_kit.side_by_side.moment import Observer
from gradcheck_kit.side_by_side.parity_report import Divergence, ParityReport, SideReport
from gradcheck_kit.side_by_side.replay import Branch, Replay
from gradcheck_kit.side_by_side.scene import Batch, Scene
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.trace import Trace, largest
from gradcheck_kit.side_by_side.trainee import Trainee, Values, distance, offered
from gradcheck_kit.space import FORMATS
from gradcheck_kit.subject import UsageError

__all__ = ["Batch", "ParityReport", "Progress", "TrainingRun", "train_parity"]


@dataclass(frozen=True)
class Progress:
    """What is known after a step."""

    epoch: int
    step: int
    steps: int
    reference_loss: float
    candidate_loss: float


def train_parity(
    reference: Trainee,
    candidate: Trainee,
    schedule: Schedule,
    batch: Batch,
    *,
    test: tuple[Values, Values] | None = None,
    name: str = "training",
    progress: Callable[[Progress], None] | None = None,
    replay: bool | None = None,
) -> ParityReport:
    """Train both from the same start on the same batches and compare every parameter at every step.

    In float64 the verdict is sharp: rounding stays within `envelope.drift` and hardly anything else does. On the first
    step beyond it, the stage at which it began is named, and the cause where the numbers prove one.

    Args:
        reference, candidate: the two sides, of one dtype; both are trained, so pass fresh ones.
        schedule: the start and the order of the examples.
        batch: positions of examples → (inputs, labels).
        test: inputs and labels for the accuracy after every epoch, of the sides that offer one.
        name: what the report calls the run.
        progress: called after every step.
        replay: whether the candidate follows the reference's ReLU and max-pool decisions where rounding alone makes
            them differ. Left out: below float64, where both sides offer it.

    Raises:
        UsageError: the two have different dtypes, parameters that do not fit the schedule, or replay is asked of a
            side that has none.
    """
    run = TrainingRun(reference, candidate, schedule, batch, test=test, replay=replay)
    while not run.done:
        run.epoch(progress)
    return run.report(name)


class TrainingRun:
    """The same epoch by epoch, so that it can be watched, interrupted (`snapshot`) and taken up again (`restore`).

    Arguments and errors are those of `train_parity`.
    """

    def __init__(
        self,
        reference: Trainee,
        candidate: Trainee,
        schedule: Schedule,
        batch: Batch,
        *,
        test: tuple[Values, Values] | None = None,
        replay: bool | None = None,
    ) -> None:
        if reference.dtype != candidate.dtype:
            raise UsageError(
                f"{reference.name} is {reference.dtype}, {candidate.name} is {candidate.dtype}; train in one dtype"
            )
        self._sides = (reference, candidate)
        self._schedule, self._batch, self._test = schedule, batch, test
        self._unit_roundoff = FORMATS[reference.dtype].unit_roundoff
        self._replay = self._replaying(replay)
        self._branches: list[Branch] = []
        self.trace = Trace()
        for side in self._sides:
            side.load(schedule.parameters)
        self._observers = tuple(Observer(side) for side in self._sides)
        self._compare(0)

    def _replaying(self, asked: bool | None) -> bool:
        lacking = [side.name for side in self._sides if offered(side, "attend") is None]
        if asked and lacking:
            raise UsageError(f"replay=True, but {lacking[0]} offers no attend(replay); leave replay out")
        return self._sides[0].dtype != "float64" and not lacking if asked is None else asked

    @property
    def epochs_done(self) -> int:
        return self.trace.steps // self._schedule.steps_per_epoch

    @property
    def done(self) -> bool:
        return self.epochs_done == self._schedule.epochs

    def epoch(self, progress: Callable[[Progress], None] | None = None) -> None:
        """Train both for one epoch and compare them after every step."""
        number = self.epochs_done
        for indices in self._schedule.epoch(number):
            self._advance(*self._batch(indices))
            if progress is not None:
                progress(Progress(number, self.trace.steps, self._schedule.steps, *self.trace.losses[-1]))
        losses = np.mean(self.trace.losses[-self._schedule.steps_per_epoch :], axis=0)
        self.trace.train_loss.append((float(losses[0]), float(losses[1])))
        if self._test is not None:
            scored = [offered(side, "accuracy") for side in self._sides]
            one, other = (math.nan if score is None else score(*self._test) for score in scored)
            self.trace.accuracy.append((one, other))

    def snapshot(self) -> dict[str, np.ndarray[Any, Any]]:
        """All that `restore` needs to go on identically, as arrays for `np.savez`; taken between two epochs.

        Raises:
            UsageError: a side offers no state and load_state.
        """
        arrays = {f"trace/{name}": values for name, values in self.trace.to_arrays().items()}
        for role, side in zip(ROLES, self._sides, strict=True):
            self._must_offer(side, "state", "load_state")
            arrays |= {f"{role}/parameters/{n}": np.array(a) for n, a in side.parameters().items()}
            state = offered(side, "state")()
            if state is None:
                raise UsageError(f"the optimiser of {side.name} does not tell its state; give it state_dict()")
            arrays |= {f"{role}/state/{n}": np.array(a) for n, a in state.items()}
        for role, observer in zip(ROLES, self._observers, strict=True):
            arrays |= {f"{role}/latest/{key}": values for key, values in observer.to_arrays().items()}
        return arrays | {"fingerprint": np.array(self._schedule.fingerprint)}

    def restore(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Go on where `snapshot` was taken.

        Raises:
            UsageError: it was taken of a run with another schedule, or a side offers no load_state.
        """
        if str(arrays["fingerprint"]) != self._schedule.fingerprint:
            raise UsageError("the snapshot is of a run with another schedule; pass the same start, seed and batches")
        for role, side in zip(ROLES, self._sides, strict=True):
            self._must_offer(side, "load_state")
            offered(side, "load_state")(_under(arrays, f"{role}/parameters/"), _under(arrays, f"{role}/state/"))
        self.trace = Trace.from_arrays(_under(arrays, "trace/"))
        self._observers = tuple(Observer(side) for side in self._sides)
        for role, observer in zip(ROLES, self._observers, strict=True):
            observer.restore(_under(arrays, f"{role}/latest/"))

    def _must_offer(self, side: Trainee, *methods: str) -> None:
        for method in methods:
            if offered(side, method) is None:
                raise UsageError(f"{side.name} has no {method}(); a run of it cannot be interrupted and taken up again")

    def _advance(self, inputs: Values, labels: Values) -> None:
        """One step on both sides."""
        step = self.trace.steps + 1
        losses = []
        follow: Replay | None = None
        for i, (side, observer) in enumerate(zip(self._sides, self._observers, strict=True)):
            if self._replay:
                follow = Replay(drift(self._unit_roundoff, step), follow.branches if follow else None, step)
                offered(side, "attend")(follow)
            started = time.perf_counter()
            losses.append(side.loss_and_gradients(inputs, labels))
            spent = time.perf_counter() - started
            observer.before_step()
            started = time.perf_counter()
            side.step()
            self.trace.seconds[i] += spent + time.perf_counter() - started
            observer.after_step(losses[-1])
        self._branches = follow.branches if follow else []
        if follow is not None:
            self.trace.ledger += follow.ledger
            self.trace.decisions += follow.compared
        self.trace.losses.append((losses[0], losses[1]))
        known = self.trace.divergence
        self._compare_losses(step, *losses)
        self._compare(step)
        self._explain(known, step, inputs, labels)

    def _explain(self, known: Divergence | None, step: int, inputs: Values, labels: Values) -> None:
        """Look at the first step that differs, and where that leaves several causes, at the one after."""
        first, trace = self.trace.divergence, self.trace
        if known is None and first is not None:
            trace.divergence, causes = explained(first, self._scene(step, inputs, labels))
            trace.open = causes if ambiguous(trace.divergence, causes) else []
        elif known is not None and trace.open:
            scene = replace(self._scene(step, inputs, labels), later=True)
            trace.divergence, trace.open = confirmed(known, trace.open, scene), []

    def _scene(self, step: int, inputs: Values, labels: Values) -> Scene:
        """All that is known of the step just made."""
        latest = [replace(observer.seen(), activations=observer.activations()) for observer in self._observers]
        return Scene(
            step,
            self._unit_roundoff,
            self._schedule,
            self._batch,
            inputs,
            labels,
            reference=latest[0],
            candidate=latest[1],
            reference_before=self._observers[0].previous,
            candidate_before=self._observers[1].previous,
            trainee=self._sides[0],
            branches=self._branches,
        )

    def _compare(self, step: int) -> None:
        """All parameters now, against what rounding explains."""
        reference, candidate = (side.parameters() for side in self._sides)
        apart, whole = distance(reference, candidate)
        allowed = drift(self._unit_roundoff, step)
        relative = self.trace.add_drift(apart, whole, allowed)
        if not relative <= allowed:  # NaN too
            furthest = max(apart, key=lambda name: math.inf if math.isnan(apart[name]) else apart[name])
            self._diverged(step, furthest, relative, allowed)

    def _compare_losses(self, step: int, reference: float, candidate: float) -> None:
        allowed = drift(self._unit_roundoff, step) * max(1.0, abs(reference))
        if not abs(reference - candidate) <= allowed:
            self._diverged(step, "loss", abs(reference - candidate), allowed)

    def _diverged(self, step: int, what: str, apart: float, allowed: float) -> None:
        if self.trace.divergence is None:
            self.trace.divergence = Divergence(step, what, apart, allowed)

    def report(self, name: str) -> ParityReport:
        """What is known so far."""
        trace = self.trace
        losses = np.array(trace.losses, float).reshape(-1, 2)
        reference, candidate = (self._side(i) for i in range(2))
        with np.errstate(invalid="ignore"):
            law = np.array(trace.drift) / np.array(trace.allowed)
        return ParityReport(
            name=name,
            dtype=self._sides[0].dtype,
            reference=reference,
            candidate=candidate,
            schedule=self._schedule.to_dict(),
            max_loss_difference=largest(np.abs(losses[:, 0] - losses[:, 1]).tolist()),
            max_distance=largest(trace.drift),
            worst_of_law=largest(law.tolist()),
            max_difference={name: largest(values) for name, values in trace.tensor_drift.items()},
            divergence=trace.divergence,
            losses=losses,
            drift=np.array(trace.drift),
            allowed=np.array(trace.allowed),
            tensor_drift={name: np.array(values) for name, values in trace.tensor_drift.items()},
            replayed=self._replay,
            decisions=trace.decisions,
            ledger=tuple(trace.ledger),
            notes=tuple(trace.notes),
        )

    def _side(self, i: int) -> SideReport:
        return SideReport(
            self._sides[i].name,
            self._sides[i].device,
            tuple(losses[i] for losses in self.trace.train_loss),
            tuple(accuracies[i] for accuracies in self.trace.accuracy),
            self.trace.seconds[i],
        )


ROLES = ("reference", "candidate")


def _under(arrays: Mapping[str, np.ndarray[Any, Any]], prefix: str) -> dict[str, np.ndarray[Any, Any]]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}

"""A training run of two sides that goes on epoch by epoch, and that can be interrupted and taken up again."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gradcheck_kit.side_by_side.checkpoint import restored_sides, state_of_sides, under
from gradcheck_kit.side_by_side.diagnosis import ambiguous, confirmed, explained
from gradcheck_kit.side_by_side.envelope import FACTOR, drift, loss_drift
from gradcheck_kit.side_by_side.moment import Observer
from gradcheck_kit.side_by_side.parity_report import Divergence, ParityReport, SideReport
from gradcheck_kit.side_by_side.repeatability import not_repeated
from gradcheck_kit.side_by_side.replay import Branch, Replay
from gradcheck_kit.side_by_side.scene import Batch, Scene
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.shadow import Shadow
from gradcheck_kit.side_by_side.trace import Trace, largest
from gradcheck_kit.side_by_side.trainee import Trainee, Values, distance, offered
from gradcheck_kit.space import FORMATS
from gradcheck_kit.subject import UsageError


@dataclass(frozen=True)
class Progress:
    """What is known after a step."""

    epoch: int
    step: int
    steps: int
    reference_loss: float
    candidate_loss: float


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
        shadows: int | None = None,
        repeat: bool = False,
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
        self._shadows = self._shadowed(shadows)
        if repeat:
            first = batch(next(schedule.epoch(0)))
            self.trace.notes += [note for side in self._sides for note in not_repeated(side, *first)]
        self._observers = tuple(Observer(side) for side in self._sides)
        self._compare(0)

    def _shadowed(self, asked: int | None) -> list[Shadow]:
        """The shadows, each of a fresh copy of the reference."""
        reference = self._sides[0]
        if asked is None:
            asked = int(any(not type(side).__module__.startswith(__package__ or "?") for side in self._sides))
        made = [Shadow.of(reference, self._schedule.parameters, number) for number in range(asked)]
        if None in made:
            note = f"{reference.name} cannot be copied, so the law has the constant of our own networks"
            self.trace.notes.append(note)
        return [shadow for shadow in made if shadow is not None]

    @property
    def _factor(self) -> float:
        """The law's constant."""
        return max([FACTOR, *(shadow.factor for shadow in self._shadows)])

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

    def snapshot(self) -> dict[str, Values]:
        """All that `restore` needs to go on identically, as arrays for `np.savez`; taken between two epochs.

        Raises:
            UsageError: a side or its optimiser offers no state, or no epoch has been trained yet.
        """
        if not self.trace.steps:
            raise UsageError("nothing has been trained yet; take a snapshot after an epoch")
        taken = {name: np.array(values) for name, values in state_of_sides(self._sides, self._observers).items()}
        taken |= {f"trace/{name}": values for name, values in self.trace.to_arrays().items()}
        for number, shadow in enumerate(self._shadows):
            taken |= {f"shadow {number}/{key}": values for key, values in shadow.to_arrays().items()}
        return taken | {"fingerprint": np.array(self._schedule.fingerprint)}

    def restore(self, arrays: Mapping[str, Values]) -> None:
        """Go on where `snapshot` was taken.

        Raises:
            UsageError: it was taken of a run with another schedule, or a side offers no load_state.
        """
        if str(arrays["fingerprint"]) != self._schedule.fingerprint:
            raise UsageError("the snapshot is of a run with another schedule; pass the same start, seed and batches")
        self._observers = restored_sides(self._sides, arrays)
        self.trace = Trace.from_arrays(under(arrays, "trace/"))
        sizes = [len(b) for number in range(self._schedule.epochs) for b in self._schedule.epoch(number)]
        for number, shadow in enumerate(self._shadows):
            shadow.restore(under(arrays, f"shadow {number}/"), self.trace.steps, sizes)

    def _advance(self, inputs: Values, labels: Values) -> None:
        """One step on both sides."""
        step = self.trace.steps + 1
        losses = []
        replays: list[Replay] = []
        replaying = self._replay and self.trace.divergence is None  # later the two are different networks
        for i, (side, observer) in enumerate(zip(self._sides, self._observers, strict=True)):
            if replaying:
                lead = replays[0].branches if replays else None
                replays.append(Replay(drift(self._unit_roundoff, step), lead, step))
                offered(side, "attend")(replays[-1])
            started = time.perf_counter()
            losses.append(side.loss_and_gradients(inputs, labels))
            spent = time.perf_counter() - started
            if replaying:
                offered(side, "attend")(None)
            observer.before_step()
            started = time.perf_counter()
            side.step()
            self.trace.seconds[i] += spent + time.perf_counter() - started
            observer.after_step(losses[-1])
        self._note_decisions(replays)
        self._lead_shadows(step, inputs, labels)
        self.trace.losses.append((losses[0], losses[1]))
        known = self.trace.divergence
        self._compare_losses(step, *losses)
        self._compare(step)
        self._explain(known, step, inputs, labels)

    def _note_decisions(self, replays: list[Replay]) -> None:
        """The ledger of this step; no more replay where the two do not show the same kinks."""
        self._branches = replays[-1].branches if replays else []
        if not replays:
            return
        shown = [[branch.kind for branch in replay.branches] for replay in replays]
        if shown[0] != shown[1] or not shown[0]:
            told = [f"{side.name} shows {len(kinks)}" for side, kinks in zip(self._sides, shown, strict=True)]
            note = f"branches were not replayed: of ReLUs and max-pools {told[0]}, {told[1]}"
            self._replay = False
            if note not in self.trace.notes:
                self.trace.notes.append(note)
        self.trace.ledger += replays[-1].ledger
        self.trace.decisions += replays[-1].compared

    def _lead_shadows(self, step: int, inputs: Values, labels: Values) -> None:
        for shadow in self._shadows:
            gone = shadow.left
            shadow.advance(inputs, labels, self._sides[0].parameters(), self._unit_roundoff, step)
            if shadow.left and not gone:
                told = "a copy of the reference that only rounds otherwise was far off"
                note = f"{told} after step {step}: it is random or chaotic, and the law's constant is not measured"
                self.trace.notes.append(note)

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
        allowed = drift(self._unit_roundoff, step, self._factor)
        relative = self.trace.add_drift(apart, whole, allowed)
        if not relative <= allowed:  # NaN too
            furthest = max(apart, key=lambda name: math.inf if math.isnan(apart[name]) else apart[name])
            self._diverged(step, furthest, relative, allowed)

    def _compare_losses(self, step: int, reference: float, candidate: float) -> None:
        slopes = [observer.seen().slope for observer in self._observers]
        slope = next((known for known in slopes if known is not None), None)
        allowed = loss_drift(self._unit_roundoff, step, reference, slope, self._factor)
        self.trace.loss_allowed.append(allowed)
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
            loss_allowed=np.array(trace.loss_allowed),
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
            tuple(pair[i] for pair in self.trace.accuracy if not math.isnan(pair[i])),
            self.trace.seconds[i],
        )

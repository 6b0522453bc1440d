"""A training run of two sides that goes on epoch by epoch, and that can be interrupted and taken up again."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gradcheck_kit.side_by_side.both_sides import BothSides, replaying
from gradcheck_kit.side_by_side.buffers import not_compared
from gradcheck_kit.side_by_side.checkpoint import state_of_sides
from gradcheck_kit.side_by_side.diagnosis import confirmed, explained, testable
from gradcheck_kit.side_by_side.digits import Digits
from gradcheck_kit.side_by_side.divergence import Divergence
from gradcheck_kit.side_by_side.each_step import count_lost, judge
from gradcheck_kit.side_by_side.given import expect_arguments, expect_parameters, expected_batch, handed
from gradcheck_kit.side_by_side.law import Law
from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.proof import Screen, proved
from gradcheck_kit.side_by_side.repeatability import not_repeated
from gradcheck_kit.side_by_side.scene import Batch, Scene
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.shadows import Shadows
from gradcheck_kit.side_by_side.summary import summary
from gradcheck_kit.side_by_side.trace import Trace
from gradcheck_kit.side_by_side.trainee import Trainee, Values, copied, offered, under
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
        precision: str | None = None,
    ) -> None:
        expect_arguments(reference, candidate, schedule, test)
        batch = expected_batch(batch, schedule)
        # The start may be the very arrays that a side goes on to train.
        schedule = replace(schedule, parameters=copied(schedule.parameters))
        names, dtypes = (reference.name, candidate.name), (reference.dtype, candidate.dtype)
        self.digits = Digits.of(names, dtypes, precision)
        self._schedule, self._batch, self._test = schedule, batch, test
        unit_roundoff = self.digits.unit_roundoff
        both = (reference, candidate)
        replayed = replaying(both, replay, self._few)
        self.trace = Trace()
        for side in both:
            side.load(copied(schedule.parameters))
            expect_parameters(side, schedule.parameters)
        ours = all(type(side).__module__.startswith(__package__ or "?") for side in both)
        self._shadows = Shadows(reference, schedule, batch, unit_roundoff, notes=self.trace.notes)
        self._shadows.begin(0 if self.digits.stepwise else shadows, ours)
        if self.digits.stepwise and shadows:
            self.trace.notes.append("no shadows: in few digits the law is too wide for its constant to matter")
        if repeat:
            first = batch(next(schedule.epoch(0)))
            self.trace.notes += [note for side in both for note in not_repeated(side, *first)]
        if note := not_compared(both):
            self.trace.notes.append(note)
        self._sides = BothSides(reference, candidate, unit_roundoff, replayed)
        self._law = Law(both, self._shadows, unit_roundoff, self.trace)
        self._screen = Screen(unit_roundoff)
        self._law.begin()

    @property
    def _few(self) -> bool:
        """Whether rounding is so large that it may turn a branch."""
        return self.digits.unit_roundoff > FORMATS["float64"].unit_roundoff

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
            scored = [offered(side, "accuracy") for side in self._sides.trainees]
            one, other = (math.nan if score is None else score(*map(handed, self._test)) for score in scored)
            self.trace.accuracy.append((one, other))

    def snapshot(self) -> dict[str, Values]:
        """All that `restore` needs to go on identically, as arrays for `np.savez`; taken between two epochs.

        Raises:
            UsageError: a side or its optimiser offers no state, or no epoch has been trained yet.
        """
        if not self.trace.steps:
            raise UsageError("nothing has been trained yet; take a snapshot after an epoch")
        taken = {
            name: np.array(values)
            for name, values in state_of_sides(self._sides.trainees, self._sides.observers).items()
        }
        taken |= {f"trace/{name}": values for name, values in self.trace.to_arrays().items()}
        taken |= {f"shadow/{key}": values for key, values in self._shadows.to_arrays().items()}
        taken["screen"] = np.array(json.dumps(self._screen.seen))
        return taken | {"fingerprint": np.array(self._schedule.fingerprint), "digits": np.array(self._told_digits)}

    @property
    def _told_digits(self) -> str:
        return self.digits.words((self._sides.trainees[0].name, self._sides.trainees[1].name))

    def restore(self, arrays: Mapping[str, Values]) -> None:
        """Go on where `snapshot` was taken.

        Raises:
            UsageError: it was taken of a run with another schedule, other digits or other shadows, or a side offers no
                load_state.
        """
        if str(arrays["fingerprint"]) != self._schedule.fingerprint:
            raise UsageError("the snapshot is of a run with another schedule; pass the same start, seed and batches")
        if str(arrays["digits"]) != self._told_digits:
            raise UsageError(f"the snapshot is of a run in {arrays['digits']}, this one is in {self._told_digits}")
        self._sides.restore(arrays)
        self._law.trace = self.trace = Trace.from_arrays(under(arrays, "trace/"))
        self._shadows.notes = self.trace.notes
        self._shadows.restore(under(arrays, "shadow/"))
        self._shadows.given_up = math.isinf(self.trace.allowed[-1])
        self._screen.seen = json.loads(str(arrays["screen"]))

    def _advance(self, inputs: Values, labels: Values) -> None:
        """One step on both sides."""
        known = self.trace.divergence
        self._sides.advance(inputs, labels, self.trace, self._shadows.factor)
        step = self.trace.steps
        if known is None:
            self._shadows.lead(step, inputs, labels, self._sides.led)
        asked = self._sides.replay if self._sides.replay or self._sides.smooth or not self._few else None
        self._law.compare(step, self._sides.seen(), lambda: self._scene(step, inputs, labels), asked)
        self._judge(step, inputs, labels)
        self._explain(known, step, inputs, labels)

    def _judge(self, step: int, inputs: Values, labels: Values) -> None:
        """The step by itself, where few digits make the law on the whole run wide."""
        moments = self._sides.seen()
        if self.digits.stepwise:
            count_lost(moments, self.digits, self.trace)
        if self.trace.divergence is not None:
            return
        found = None
        if self.digits.stepwise:
            found = judge(self._scene(step, inputs, labels), self.trace)
        elif self._few and self._screen.asks(*moments, self._shadows.left_out.masks):
            found = proved(self._scene(step, inputs, labels))
        if found is not None:
            self._law.diverged(step, found.tensor, found.apart, found.allowed)

    def _explain(self, known: Divergence | None, step: int, inputs: Values, labels: Values) -> None:
        """Look at the first step that differs, and test what was learnt from it on the one after."""
        first, trace = self.trace.divergence, self.trace
        if known is None and first is not None:
            trace.divergence, causes = explained(first, self._scene(step, inputs, labels))
            trace.open = causes if testable(trace.divergence, causes) else []
        elif known is not None and trace.open:
            scene = replace(self._scene(step, inputs, labels), later=True)
            trace.divergence, trace.open = confirmed(known, trace.open, scene), []

    def _scene(self, step: int, inputs: Values, labels: Values) -> Scene:
        """All that is known of the step just made."""
        observers = self._sides.observers
        latest = [replace(observer.seen(), activations=observer.activations()) for observer in observers]
        return Scene(
            step,
            self.digits,
            self._schedule,
            self._batch,
            inputs,
            labels,
            reference=latest[0],
            candidate=latest[1],
            reference_before=observers[0].previous,
            candidate_before=observers[1].previous,
            trainee=self._sides.trainees[0],
            branches=self._sides.branches,
            left_out=self._shadows.left_out.masks,
        )

    def report(self, name: str) -> ParityReport:
        """What is known so far."""
        return summary(name, self._sides.trainees, self._schedule, self.digits, self.trace, self._sides.replay)

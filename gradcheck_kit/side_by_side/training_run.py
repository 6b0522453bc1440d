"""A training run of two sides that goes on epoch by epoch, and that can be interrupted and taken up again."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck_kit.side_by_side.amplification import GROWS, amplified
from gradcheck_kit.side_by_side.buffers import EVIDENCE, STAGE, buffers_of, furthest, not_compared
from gradcheck_kit.side_by_side.checkpoint import restored_sides, state_of_sides
from gradcheck_kit.side_by_side.diagnosis import confirmed, explained, testable
from gradcheck_kit.side_by_side.digits import Digits
from gradcheck_kit.side_by_side.distance import Distance, distance, losses_apart
from gradcheck_kit.side_by_side.divergence import Divergence
from gradcheck_kit.side_by_side.each_step import count_lost, judge
from gradcheck_kit.side_by_side.envelope import FACTOR, drift, loss_drift
from gradcheck_kit.side_by_side.given import (
    as_loss,
    expect_arguments,
    expect_parameters,
    expect_untouched,
    expected_batch,
    handed,
)
from gradcheck_kit.side_by_side.moment import Moment, Observer
from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.proof import Screen, proven
from gradcheck_kit.side_by_side.repeatability import not_repeated
from gradcheck_kit.side_by_side.replay import Branch, Replay
from gradcheck_kit.side_by_side.scene import Batch, Scene
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.shadows import Shadows
from gradcheck_kit.side_by_side.stages import first_apart
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
        self._sides = (reference, candidate)
        self._schedule, self._batch, self._test = schedule, batch, test
        self._unit_roundoff = self.digits.unit_roundoff
        self._replay = self._replaying(replay)
        self._smooth = False  # both sides were asked for their branches, and showed none
        self._screen = Screen(self._unit_roundoff)
        self._branches: list[Branch] = []
        self.trace = Trace()
        for side in self._sides:
            side.load(copied(schedule.parameters))
            expect_parameters(side, schedule.parameters)
        ours = all(type(side).__module__.startswith(__package__ or "?") for side in self._sides)
        self._shadows = Shadows(reference, schedule, batch, self._unit_roundoff, notes=self.trace.notes)
        self._shadows.begin(0 if self.digits.stepwise else shadows, ours)
        if self.digits.stepwise and shadows:
            self.trace.notes.append("no shadows: in few digits the law is too wide for its constant to matter")
        if repeat:
            first = batch(next(schedule.epoch(0)))
            self.trace.notes += [note for side in self._sides for note in not_repeated(side, *first)]
        if note := not_compared(self._sides):
            self.trace.notes.append(note)
        self._observers = tuple(Observer(side) for side in self._sides)
        self._compare(0, None)

    def _replaying(self, asked: bool | None) -> bool:
        lacking = [side.name for side in self._sides if offered(side, "attend") is None]
        if asked and lacking:
            raise UsageError(f"replay=True, but {lacking[0]} offers no attend(replay); leave replay out")
        return self._few and not lacking if asked is None else asked

    @property
    def _few(self) -> bool:
        """Whether rounding is so large that it may turn a branch."""
        return self._unit_roundoff > FORMATS["float64"].unit_roundoff

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
            one, other = (math.nan if score is None else score(*map(handed, self._test)) for score in scored)
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
        taken |= {f"shadow/{key}": values for key, values in self._shadows.to_arrays().items()}
        return taken | {"fingerprint": np.array(self._schedule.fingerprint), "digits": np.array(self._told_digits)}

    @property
    def _told_digits(self) -> str:
        return self.digits.words((self._sides[0].name, self._sides[1].name))

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
        self._observers = restored_sides(self._sides, arrays)
        self.trace = Trace.from_arrays(under(arrays, "trace/"))
        self._shadows.notes = self.trace.notes
        self._shadows.restore(under(arrays, "shadow/"))
        self._shadows.given_up = math.isinf(self.trace.allowed[-1])

    def _advance(self, inputs: Values, labels: Values) -> None:
        """One step on both sides."""
        step = self.trace.steps + 1
        losses = []
        replays: list[Replay] = []
        factor = self._shadows.factor
        # Once they have parted, or rounding alone drives the reference apart, the two are different networks.
        replaying = self._replay and self.trace.divergence is None and factor < math.inf
        for i, (side, observer) in enumerate(zip(self._sides, self._observers, strict=True)):
            if replaying:
                lead = replays[0].branches if replays else None
                replays.append(Replay(drift(self._unit_roundoff, step, factor), lead, step))
                offered(side, "attend")(replays[-1])
            if step == 1 and i == 1:
                expect_untouched(side, observer.present)
            mine = handed(inputs), handed(labels)
            started = time.perf_counter()
            losses.append(as_loss(side, side.loss_and_gradients(*mine)))
            spent = time.perf_counter() - started
            if replaying:
                offered(side, "attend")(None)
            observer.before_step()
            started = time.perf_counter()
            side.step()
            self.trace.seconds[i] += spent + time.perf_counter() - started
            observer.after_step(losses[-1])
        self._note_decisions(replays)
        if self.trace.divergence is None:
            self._shadows.lead(step, inputs, labels, replays[0].branches if replays else None)
        self.trace.losses.append((losses[0], losses[1]))
        known = self.trace.divergence
        self._compare(step, lambda: self._scene(step, inputs, labels), *losses)
        self._judge(step, inputs, labels)
        self._explain(known, step, inputs, labels)

    def _note_decisions(self, replays: list[Replay]) -> None:
        """The ledger of this step; no more replay where the two do not show the same kinks."""
        self._branches = replays[-1].branches if replays else []
        if not replays:
            return
        shown = [[branch.kind for branch in replay.branches] for replay in replays]
        self._smooth = not any(shown)
        if shown[0] != shown[1] or self._smooth:
            told = [f"{side.name} shows {len(kinks)}" for side, kinks in zip(self._sides, shown, strict=True)]
            note = f"branches were not replayed: of ReLUs and max-pools {told[0]}, {told[1]}"
            self._replay = False
            if note not in self.trace.notes:
                self.trace.notes.append(note)
        self.trace.ledger += replays[-1].ledger
        self.trace.decisions += replays[-1].compared

    def _judge(self, step: int, inputs: Values, labels: Values) -> None:
        """The step by itself, where few digits make the law on the whole run wide."""
        if self.digits.alone_unsure and self.trace.divergence is None:
            self._look(step, inputs, labels)
        if not self.digits.stepwise:
            return
        count_lost([observer.seen() for observer in self._observers], self.digits, self.trace)
        if self.trace.divergence is None:
            found = judge(self._scene(step, inputs, labels), self.trace)
            if found is not None:
                self._diverged(step, found.tensor, found.apart, found.allowed)

    def _look(self, step: int, inputs: Values, labels: Values) -> None:
        """At a step within the law whose gradients are strikingly apart."""
        if self._screen.asks(*self._seen(), self._shadows.left_out.masks):
            scene = self._scene(step, inputs, labels)
            found = first_apart(scene)
            if found is not None and proven(scene, found):
                self._diverged(step, found.tensor, found.apart, found.allowed)

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
        latest = [replace(observer.seen(), activations=observer.activations()) for observer in self._observers]
        return Scene(
            step,
            self.digits,
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
            left_out=self._shadows.left_out.masks,
        )

    def _compare(self, step: int, scene: Callable[[], Scene] | None, *losses: float) -> None:
        """The losses and all parameters now, against what rounding explains; a second look before it is left."""
        if losses:
            self._shadows.left_out.review(*self._seen())
        now = self._apart()
        beside = furthest(buffers_of(self._sides[0]), buffers_of(self._sides[1]), self.trace.norms)
        slope = next((known for o in self._observers if losses and (known := o.seen().slope) is not None), None)
        losses_now = float(losses_apart(losses)) if losses else 0.0
        apart_now = now.relative, losses_now, beside.apart
        allowed = self._allowed(step, slope, *losses)
        if _left(apart_now, allowed) and (self._replay or self._smooth or not self._few):
            self._shadows.second_look(step, max(now.relative, beside.apart), self._replay)
            if losses:
                self._shadows.leave_out(*self._seen(), now.norm, self._allowed(step, slope, *losses)[0])
            now = self._apart()
            apart_now = now.relative, losses_now, beside.apart
            allowed = self._allowed(step, slope, *losses)
            self._ask_the_step(scene, now.norm, apart_now, allowed)
            allowed = self._allowed(step, slope, *losses)
            self._shadows.given_up = self._shadows.given_up or (_left(apart_now, allowed) and self._shadows.chaotic)
            allowed = self._allowed(step, slope, *losses)
        if losses:
            self.trace.loss_allowed.append(allowed[1])
        self.trace.add_drift(now, allowed[0])
        if not apart_now[1] <= allowed[1]:
            self._diverged(step, "loss", apart_now[1], allowed[1])
        if not now.relative <= allowed[0]:
            self._diverged(step, now.furthest, now.relative, allowed[0])
        if not beside.apart <= allowed[2]:
            self._diverged(step, beside.name, beside.apart, allowed[2], STAGE)

    def _ask_the_step(
        self, scene: Callable[[], Scene] | None, norm: float, apart: Sequence[float], allowed: Sequence[float]
    ) -> None:
        """A wider law where this very step, and no difference in it, is why it was left."""
        left = not apart[0] <= allowed[0], not apart[1] <= allowed[1]
        decided = self.trace.divergence is not None or not all(math.isfinite(most) for most in allowed)
        # A copy would follow a decision that is wrong, too.
        misjudged = not all(decision.within for decision in self.trace.ledger)
        if scene is None or decided or misjudged or not any(left) or self._shadows.fixed:
            return
        seen = scene()
        if amplified(seen, norm, left, 0.0 if self._shadows.factor > FACTOR else GROWS):
            self._shadows.widen(seen.step, max(d / most for d, most in zip(apart[:2], allowed[:2], strict=True)))

    def _seen(self) -> tuple[Moment, Moment]:
        """The reference's and the candidate's latest step."""
        reference, candidate = (observer.seen() for observer in self._observers)
        return reference, candidate

    def _apart(self) -> Distance:
        reference, candidate = (side.parameters() for side in self._sides)
        return distance(reference, candidate, self.trace.norm, self._shadows.left_out.masks)

    def _allowed(self, step: int, slope: float | None, *losses: float) -> tuple[float, float, float]:
        """What rounding explains: of the parameters' relative distance, of the losses', of the buffers'."""
        factor = self._shadows.factor
        of_losses = loss_drift(self._unit_roundoff, step, losses[0], slope, factor) if losses else math.inf
        of_buffers = drift(self._unit_roundoff, step, self._shadows.factor_of_buffers)
        return drift(self._unit_roundoff, step, factor), of_losses, of_buffers

    def _diverged(self, step: int, what: str, apart: float, allowed: float, stage: str | None = None) -> None:
        if self.trace.divergence is None:
            evidence = EVIDENCE if stage == STAGE else ""
            self.trace.divergence = Divergence(step, what, apart, allowed, stage, evidence=evidence)

    def report(self, name: str) -> ParityReport:
        """What is known so far."""
        return summary(name, self._sides, self._schedule, self.digits, self.trace, self._replay)


def _left(apart: Sequence[float], allowed: Sequence[float]) -> bool:
    """Whether any distance is beyond what is allowed, or is no number."""
    return any(not one <= most for one, most in zip(apart, allowed, strict=True))

"""One step on both sides, from the same batch, and the decisions that the candidate follows on its way."""

import time
from collections.abc import Mapping

from gradcheck_kit.side_by_side.checkpoint import restored_sides
from gradcheck_kit.side_by_side.envelope import drift
from gradcheck_kit.side_by_side.given import as_loss, expect_untouched, handed
from gradcheck_kit.side_by_side.moment import Moment, Observer
from gradcheck_kit.side_by_side.replay import Branch, Replay
from gradcheck_kit.side_by_side.stages import reordered
from gradcheck_kit.side_by_side.trace import Trace
from gradcheck_kit.side_by_side.trainee import Trainee, Values, offered
from gradcheck_kit.subject import UsageError


class BothSides:
    """The reference and the candidate of one run, each with its observer.

    Attributes:
        trainees: the two.
        observers: theirs.
        replay: whether the candidate is to follow the reference's decisions.
        smooth: whether both were asked for their decisions, and had none to show.
        branches: the decisions of the latest step, where they were replayed; those that the candidate made.
        led: the reference's.
    """

    def __init__(self, reference: Trainee, candidate: Trainee, unit_roundoff: float, replay: bool) -> None:
        self.trainees = reference, candidate
        self.observers = Observer(reference), Observer(candidate)
        self.replay, self.smooth = replay, False
        self.branches: list[Branch] = []
        self.led: list[Branch] | None = None
        self._unit_roundoff = unit_roundoff

    def restore(self, arrays: Mapping[str, Values]) -> None:
        """Go on from a snapshot."""
        one, other = restored_sides(self.trainees, arrays)
        self.observers = one, other

    def seen(self) -> tuple[Moment, Moment]:
        """The latest step of the reference and of the candidate."""
        return self.observers[0].seen(), self.observers[1].seen()

    def advance(self, inputs: Values, labels: Values, trace: Trace, factor: float) -> None:
        """One step on each; losses, seconds and decisions go to the trace.

        Args:
            inputs, labels: the batch; each side gets copies.
            trace: the run so far. Once the two have parted they are different networks, and nothing is replayed.
            factor: the law's constant; ∞ where rounding alone drives the reference apart, and nothing is replayed.
        """
        step = trace.steps + 1
        replays: list[Replay] = []
        replaying = self.replay and trace.divergence is None and factor < float("inf")
        for i, side in enumerate(self.trainees):
            if replaying:
                lead = replays[0].branches if replays else None
                replays.append(Replay(drift(self._unit_roundoff, step, factor), lead, step))
            if step == 1 and i == 1:
                expect_untouched(side, self.observers[i].present)
            trace.seconds[i] += self._step(i, inputs, labels, replays[-1] if replays else None)
        self._note_decisions(replays, trace)
        trace.losses.append((self.seen()[0].loss, self.seen()[1].loss))

    def _step(self, i: int, inputs: Values, labels: Values, replay: Replay | None) -> float:
        """One side's, and the seconds that it took."""
        side, observer = self.trainees[i], self.observers[i]
        if replay is not None:
            offered(side, "attend")(replay)
        mine = handed(inputs), handed(labels)
        started = time.perf_counter()
        loss = as_loss(side, side.loss_and_gradients(*mine))
        spent = time.perf_counter() - started
        if replay is not None:
            offered(side, "attend")(None)
        observer.before_step()
        started = time.perf_counter()
        side.step()
        spent += time.perf_counter() - started
        observer.after_step(loss)
        return spent

    def _note_decisions(self, replays: list[Replay], trace: Trace) -> None:
        """The ledger of this step; no more replay where the two do not show the same kinks."""
        self.led = replays[0].branches if replays else None
        self.branches = replays[-1].branches if replays else []
        if not replays:
            return
        shown = [[branch.kind for branch in replay.branches] for replay in replays]
        self.smooth = not any(shown)
        told = [f"{side.name} shows {len(kinks)}" for side, kinks in zip(self.trainees, shown, strict=True)]
        if shown[0] != shown[1] or self.smooth:
            self._stop(f"of ReLUs and max-pools {told[0]}, {told[1]}", trace)
        elif not all(decision.within for decision in replays[-1].ledger) and self._reordered():
            self._stop(f"{self.trainees[1].name} has the rows of a batch in another order", trace)
            return  # what was compared are decisions on other examples
        trace.ledger += replays[-1].ledger
        trace.decisions += replays[-1].compared

    def _reordered(self) -> bool:
        told = [offered(side, "activations") for side in self.trainees]
        return None not in told and reordered(*(method() for method in told))

    def _stop(self, why: str, trace: Trace) -> None:
        self.replay = False
        note = f"branches were not replayed: {why}"
        if note not in trace.notes:
            trace.notes.append(note)


def replaying(sides: tuple[Trainee, Trainee], asked: bool | None, few: bool) -> bool:
    """Whether decisions are replayed: as asked, or where rounding may turn one and both sides can.

    Raises:
        UsageError: it is asked of a side that cannot.
    """
    lacking = [side.name for side in sides if offered(side, "attend") is None]
    if asked and lacking:
        raise UsageError(f"replay=True, but {lacking[0]} offers no attend(replay); leave replay out")
    return few and not lacking if asked is None else asked

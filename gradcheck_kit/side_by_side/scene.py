"""A step at which two sides parted, with all that was seen of it, and copies of the reference to ask what if."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from gradcheck_kit.side_by_side.digits import Digits
from gradcheck_kit.side_by_side.distance import Masks, counted, ratio_of_norms
from gradcheck_kit.side_by_side.envelope import unit_drift
from gradcheck_kit.side_by_side.given import handed
from gradcheck_kit.side_by_side.moment import Moment, complete
from gradcheck_kit.side_by_side.replay import Branch, Replay
from gradcheck_kit.side_by_side.rules import STEPS, Rule
from gradcheck_kit.side_by_side.schedule import Indices, Schedule
from gradcheck_kit.side_by_side.trainee import Named, Trainee, Values, copied, floating, offered

Batch = Callable[[Indices], tuple[Values, Values]]
"""Positions of examples → (inputs, labels); both sides get the same arrays."""


@dataclass(frozen=True)
class Scene:
    """What is known of the step.

    Attributes:
        step: from 1.
        digits: in which formats the two compute.
        schedule, batch: where its examples come from.
        inputs, labels: the batch as both sides were given it.
        reference, candidate: what each had and made.
        reference_before, candidate_before: the same of the step before; None at the first.
        trainee: the reference itself, whose copies answer.
        branches: the decisions of this step, where they were replayed.
        later: whether the two had parted before this step.
        own: whether an update is to be compared from the candidate's own state or not at all.
        left_out: elements whose gradients are all rounding.
    """

    step: int
    digits: Digits
    schedule: Schedule
    batch: Batch
    inputs: Values
    labels: Values
    reference: Moment
    candidate: Moment
    reference_before: Moment | None
    candidate_before: Moment | None
    trainee: Trainee
    branches: list[Branch] = field(default_factory=list)
    later: bool = False
    own: bool = False
    left_out: Masks = field(default_factory=dict)

    def counted(self, key: str, values: Values) -> Values:
        """What counts of a tensor, or of "<tensor>/<kind>" of its state: without the elements that are all rounding."""
        return counted(self.left_out, key, values)

    def apart(self, key: str, one: Values, other: Values) -> float:
        """`relative` of what counts; ∞ where the sizes differ."""
        if np.shape(one) != np.shape(other):
            return float("inf")
        return relative(self.counted(key, one), self.counted(key, other))

    @property
    def unit_roundoff(self) -> float:
        return self.digits.unit_roundoff

    @property
    def held_roundoff(self) -> float:
        return self.digits.held_roundoff

    @property
    def rule(self) -> Rule | None:
        """The reference's update formula."""
        return self.reference.rule

    def given(self, parameters: Named, inputs: Values, labels: Values) -> Moment | None:
        """What a copy of the reference makes of this batch at these parameters; None if it cannot be copied."""
        twin = twin_of(self.trainee)
        if twin is None:
            return None
        twin.load(copied(parameters))
        with undisturbed(twin):
            loss = twin.loss_and_gradients(handed(inputs), handed(labels))
        told = {name: offered(twin, name) for name in ("gradients", "activations")}
        seen = {name: None if method is None else copied(method()) for name, method in told.items()}
        return Moment(parameters, parameters, loss, seen["gradients"], activations=seen["activations"])

    def truths(self) -> tuple[Moment, Moment] | None:
        """The step in float64 from the reference's and from the candidate's parameters; None in float64 itself.

        Both take the branches of the program under test, where they are known.
        """
        widened = offered(self.trainee, "widened")
        if self.unit_roundoff <= 2.0**-53 or widened is None:
            return None
        inputs = self.inputs.astype(np.float64) if floating(self.inputs) else self.inputs
        made = [self._in_float64(widened(), side.before, inputs) for side in (self.reference, self.candidate)]
        return made[0], made[1]

    def _in_float64(self, wide: Trainee, parameters: Named, inputs: Values) -> Moment:
        if self.branches:
            attend(wide, Replay(math.inf, self.branches))
        wide.load(copied(parameters))
        with undisturbed(wide):
            loss = wide.loss_and_gradients(handed(inputs), handed(self.labels))
        told = (offered(wide, name) for name in ("gradients", "activations"))
        gradients, activations = (None if method is None else copied(method()) for method in told)
        return Moment(parameters, parameters, loss, complete(gradients, parameters), activations=activations)

    def sensitivity(self, truth: Moment, draws: int = 3, places: float = 1.0) -> Moment:
        """How far float64's numbers move where every parameter and input moves by so many unit roundoffs of the run.

        The result's `gradients`, `activations` and `loss` are the largest changes, as those of `spread`.

        Args:
            truth: of the candidate's parameters, as `truths` gave it.
            draws: how many signs are drawn for each number.
        """
        generator, widened = np.random.default_rng(self.step), offered(self.trainee, "widened")
        moments = []
        for _ in range(draws):
            moved = {n: _scattered(p, places * self.unit_roundoff, generator) for n, p in truth.before.items()}
            inputs = _scattered(self.inputs, places * self.unit_roundoff, generator)
            moments.append(self._in_float64(widened(), moved, inputs))
        return _widest(truth, moments)

    def updated(self) -> Moment | None:
        """The reference's own update of the candidate's parameters by the candidate's gradients, if it can be made.

        From the reference's state, which was equal until now; from the candidate's in a step after the first that
        differs, and where the gradients have fewer digits than it.
        """
        mine, state = self.candidate, self._state_before()
        if state is None or (mine.gradients is None and not self.later):
            return None
        return self.remade(mine.before, state, mine.gradients)

    def updated_by(self, gradients: Named) -> Moment | None:
        """As `updated`, by these gradients in place of the candidate's."""
        state = self._state_before()
        return None if state is None else self.remade(self.candidate.before, state, gradients)

    def remade(
        self, start: Named, state: Named | None, gradients: Named | None = None, replay: Replay | None = None
    ) -> Moment | None:
        """The step as a copy of the reference makes it from there; None if it cannot be copied or put there.

        Args:
            start, state: the parameters, and the optimiser's state; None where the reference tells none, whose copy
                then has the one of after the step.
            gradients: what to update by; None for those of this batch at these parameters.
            replay: the decisions that the forward follows.
        """
        twin = twin_of(self.trainee)
        if twin is None:
            return None
        load_state, set_gradients, told = (offered(twin, m) for m in ("load_state", "set_gradients", "state"))
        if gradients is not None and (state is None or None in (load_state, set_gradients, told)):
            return None
        if state is None or load_state is None:
            twin.load(copied(start))
        else:
            load_state(copied(start), copied(state))
        attend(twin, replay)
        loss = self.candidate.loss
        with undisturbed(twin):
            if gradients is None:
                loss = twin.loss_and_gradients(handed(self.inputs), handed(self.labels))
            else:
                set_gradients(copied(gradients))
            (offered(twin, "step_again") or twin.step)()
        after = None if told is None else copied(told() or {})
        return Moment(start, copied(twin.parameters()), loss, gradients, state, after)

    def _state_before(self) -> Named | None:
        own, theirs = self.candidate.state_before, self.reference.state_before
        if theirs is None or self.step == 1 or not (self.own or self.later or self.digits.stepwise):
            return theirs
        # A plain SGD may have none, and then not count its steps; few count those of each parameter.
        wanted = {key for key in theirs if "/" in key and not key.endswith(f"/{STEPS}")}
        if own is None or not wanted <= set(own):
            # Where it keeps other things, or tells none: that of the reference, which has made only right steps.
            return theirs if self.later or not wanted else None
        return {**theirs, **{key: own[key] for key in theirs if key in own}}

    def spread(self, draws: int = 3) -> Moment | None:
        """How far each number moves where the parameters move by what the law's unit allows: one bound on each.

        The result's `gradients`, `activations` and `loss` are the largest relative changes, in the 2-norm.
        """
        middle = self.given(self.reference.before, self.inputs, self.labels)
        if middle is None:
            return None
        generator = np.random.default_rng(self.step)
        amplitude = unit_drift(self.unit_roundoff, self.step)
        moments = []
        for _ in range(draws):
            moved = {n: _dithered(p, amplitude, generator) for n, p in self.reference.before.items()}
            moments.append(self.given(moved, self.inputs, self.labels))
        return _widest(middle, [moment for moment in moments if moment is not None])


def attend(trainee: Trainee, replay: Replay | None) -> None:
    """Let a trainee that can do so follow these decisions from now on, or none."""
    found = offered(trainee, "attend")
    if found is not None:
        found(replay)


def twin_of(trainee: Trainee) -> Trainee | None:
    """A copy that shares nothing, or None where there can be none."""
    attend(trainee, None)
    try:
        return copy.deepcopy(trainee)
    except (TypeError, RuntimeError, NotImplementedError, AttributeError, ValueError):
        return None


@contextmanager
def undisturbed(trainee: Trainee) -> Iterator[None]:
    """What the trainee draws from a random stream that it shares with others is drawn as if it had not been."""
    kept = offered(trainee, "undisturbed")
    with nullcontext() if kept is None else kept():
        yield


def relative(one: Values, other: Values) -> float:
    """‖one − other‖ ÷ ‖one‖ in float64, as `ratio_of_norms` has it; ∞ where the sizes differ."""
    mine, theirs = (np.asarray(a, np.float64).ravel() for a in (one, other))
    if mine.shape != theirs.shape:
        return float("inf")
    return ratio_of_norms(float(np.linalg.norm(mine - theirs)), float(np.linalg.norm(mine)))


def _dithered(values: Values, amplitude: float, generator: np.random.Generator) -> Values:
    scale = float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
    signs = generator.choice([-1.0, 1.0], values.shape)
    return np.asarray(np.asarray(values, np.float64) + amplitude * scale * signs)


def _scattered(values: Values, amplitude: float, generator: np.random.Generator) -> Values:
    """Each element that share of itself up or down; integers are positions, and stay."""
    if not floating(values):
        return np.asarray(values)
    return np.asarray(np.asarray(values, np.float64) * (1 + amplitude * generator.choice([-1.0, 1.0], values.shape)))


def _widest(middle: Moment, moments: list[Moment]) -> Moment:
    def widest(kind: str) -> dict[str, Values] | None:
        held = getattr(middle, kind)
        if held is None:
            return None
        return {n: np.max([relative(a, getattr(m, kind)[n]) for m in moments]) for n, a in held.items()}

    loss = max(abs(m.loss - middle.loss) for m in moments)
    return Moment({}, {}, loss, widest("gradients"), activations=widest("activations"))

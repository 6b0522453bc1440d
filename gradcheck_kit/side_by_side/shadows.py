"""The law's constant, from shadows of the reference.

It was measured on networks of our own. For another trainee a shadow measures it. Where a network of our own leaves the
law by little, shadows are asked as well before that is called a difference: an optimiser that divides by the size of
each gradient turns the rounding of the smallest ones into steps.
"""

import json
import math
import zlib
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np

from gradcheck_kit.arguments import UsageError, integer
from gradcheck_kit.side_by_side.envelope import FACTOR, drift
from gradcheck_kit.side_by_side.given import handed
from gradcheck_kit.side_by_side.left_out import Copy, LeftOut
from gradcheck_kit.side_by_side.moment import Moment
from gradcheck_kit.side_by_side.replay import Branch, Replay
from gradcheck_kit.side_by_side.scene import Batch, attend, twin_of, undisturbed
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.shadow import SAFETY, Made, Shadow, farthest
from gradcheck_kit.side_by_side.trainee import Named, Trainee, Values, under

EARLY = 10  # steps: a second look is then cheap, and any distance worth one
SECOND_LOOK = 2  # shadows: where gradients are divided by their own size, drift comes in jumps, now here, now there


@dataclass
class Shadows:
    """The shadows of one run.

    Attributes:
        reference: at its start.
        schedule, batch: what it will be trained on.
        unit_roundoff: of its dtype.
        along: those that are trained along.
        reserve: a copy of the reference at its start, for a second look; None where there is to be none.
        notes: what could not be measured, and why.
        first_batch: a checksum of what `batch` gave for the first step.
        given_up: whether the law was left after rounding alone had driven a shadow far off: it then allows everything.
        left_out: the elements that do not count in the law, since their gradients are all rounding.
        fresh: another copy of the reference at its start, until the first step has been made.
        amplified: the law's constant where a step was seen to make much of the rounding before it; 0 before.
        fixed: whether the law keeps the constant of our own networks.
    """

    reference: Trainee
    schedule: Schedule
    batch: Batch
    unit_roundoff: float
    along: list[Shadow] = field(default_factory=list)
    reserve: Trainee | None = None
    notes: list[str] = field(default_factory=list)
    first_batch: int | None = None
    given_up: bool = False
    left_out: LeftOut = field(init=False)
    fresh: Trainee | None = None
    amplified: float = 0.0
    fixed: bool = False

    def __post_init__(self) -> None:
        self.left_out = LeftOut(self.unit_roundoff)

    def begin(self, asked: int | None, ours: bool) -> None:
        """Make as many as are asked for; left open, one, but of networks of our own only a reserve.

        Raises:
            UsageError: what was asked for is no integer from 0 on.
        """
        asked = None if asked is None else integer("shadows", asked, 0, ", or leave it out")
        self.fixed = asked == 0
        if asked is None and ours:
            self.reserve = twin_of(self.reference)
            return
        made = [self._made(self.reference, number) for number in range(1 if asked is None else asked)]
        if None in made:
            note = f"{self.reference.name} cannot be copied, so the law has the constant of our own networks"
            self.notes.append(note)
        self.along = [shadow for shadow in made if shadow is not None]
        self.fresh = twin_of(self.reference) if self.along else None

    def _made(self, reference: Trainee, number: int) -> Shadow | None:
        return Shadow.of(reference, self.schedule.parameters, number)

    @property
    def factor(self) -> float:
        """The law's constant."""
        return math.inf if self.given_up else max([FACTOR, self.amplified, *(shadow.factor for shadow in self.along)])

    @property
    def factor_of_buffers(self) -> float:
        """The same for buffers, which may follow a parameter that no output feels."""
        return max([self.factor, *(SAFETY * shadow.buffers for shadow in self.along)])

    @property
    def chaotic(self) -> bool:
        """Whether rounding alone has driven any of them far off."""
        return any(shadow.chaotic for shadow in self.along)

    def widen(self, step: int, beyond: float) -> None:
        """The law was left by this factor, in a step that makes so much of what was there before: it widens by more.

        Where it would then be as wide as one of a shadow that measures nothing, it allows everything.
        """
        told = f"step {step} makes much of the rounding before it, seen when the reference made it from both places"
        if beyond * self.factor > SAFETY * farthest(self.unit_roundoff, step):
            self.given_up = True
            self.notes.append(f"{told}: from there on a law that is left decides nothing")
            return
        before, self.amplified = self.factor, SAFETY * beyond * self.factor
        self.notes.append(f"{told}: the law's constant is {self.amplified:.2g} from there on, not {before:.2g}")

    def leave_out(self, reference: Moment, candidate: Moment, norm: float, allowed: float) -> None:
        """The elements whose gradients were seen to be all rounding do not count any more, if they leave the law."""
        copies = [Copy(shadow.trainee.parameters(), shadow.gradients) for shadow in self.along]
        told = self.left_out.widen(copies, reference, candidate, norm, allowed) if copies else None
        if told is not None:
            told = f"the gradient of {told} is nothing but rounding, which becomes steps"
            self.notes.append(f"{told}: left out of the law, and not compared")

    def lead(self, step: int, inputs: Values, labels: Values, branches: list[Branch] | None) -> None:
        """All make the step that the reference has just made."""
        if step == 1 and self.reserve is not None:
            self.first_batch = checksum(inputs, labels)
        made = Made.by(self.reference) if self.along else Made({})
        for shadow in self.along:
            gone = shadow.left
            shadow.advance(inputs, labels, made, self.unit_roundoff, step, branches)
            shadow.driven = shadow.driven or (shadow.left and not gone and self._driven(step, inputs, labels, made))
            if shadow.left and not gone:
                told = f"a copy of the reference that only rounds otherwise was far off after step {step}"
                so = "is random or chaotic, and the law's constant is not measured"
                so = "is chaotic, and from there on a law that is left decides nothing" if shadow.chaotic else so
                note = f"{told}: it {so}"
                self.notes += [note] if note not in self.notes else []
        self.fresh = None

    def _driven(self, step: int, inputs: Values, labels: Values, made: Made) -> bool:
        """Whether rounding alone drives the first step far: a copy makes the same bits, one moved by an ulp is far off.

        Both get the rows in the reference's order, which may matter to it.
        """
        moved = None if self.fresh is None or step > 1 else self._made(self.fresh, 0)
        if self.fresh is None or moved is None:
            return False
        again = twin_of(self.fresh)
        if again is not None:
            _trained(again, inputs, labels, replaying=False)
        if again is None or not all(np.array_equal(made.parameters[n], p) for n, p in again.parameters().items()):
            return False  # it is random
        moved.in_order = True
        moved.advance(inputs, labels, made, self.unit_roundoff, step)
        return moved.left

    def second_look(self, step: int, relative: float, replaying: bool) -> None:
        """Train the reserve up to this step, with shadows, if rounding could explain such a distance at all.

        Of a tensor whose gradient is all rounding it explains any, and soon, as the optimiser makes whole steps of it.
        """
        reference, self.reserve = self.reserve, None
        allowed = drift(self.unit_roundoff, step, SAFETY * farthest(self.unit_roundoff, step))
        if reference is None or not (relative <= allowed or (math.isfinite(relative) and step <= EARLY)):
            return
        made = [self._made(reference, number) for number in range(SECOND_LOOK)]
        along = [shadow for shadow in made if shadow is not None]
        now = Shadows(reference, self.schedule, self.batch, self.unit_roundoff, along, fresh=twin_of(reference))
        epochs = (self.schedule.epoch(number) for number in range(self.schedule.epochs))
        for number, indices in enumerate(islice(chain.from_iterable(epochs), step), start=1):
            inputs, labels = self.batch(indices)
            if number == 1 and self.first_batch not in (None, checksum(inputs, labels)):
                told = "it gives other arrays for the same positions than before"
                self.notes.append(f"the law's constant was not measured again: batch is not a function, {told}")
                return
            now.lead(number, inputs, labels, _trained(reference, inputs, labels, replaying))
        self.along = along
        self.notes += now.notes
        if self.factor > FACTOR:
            told = f"left at step {step}, so copies of the reference that only round otherwise were trained up to there"
            self.notes.append(f"the law was {told}: its constant is {self.factor:.2g} here, not {FACTOR:g}")

    def to_arrays(self) -> dict[str, Values]:
        """For a run that is taken up again."""
        held = {f"{i}/{key}": values for i, one in enumerate(self.along) for key, values in one.to_arrays().items()}
        held |= {f"left_out/{name}": mask for name, mask in self.left_out.masks.items()}
        levels = np.array(json.dumps(self.left_out.levels))
        return {**held, "left_out": levels, "amplified": np.array(self.amplified)}

    def restore(self, arrays: Named) -> None:
        """Go on from what `to_arrays` gave."""
        levels = json.loads(str(arrays["left_out"]))
        self.left_out = LeftOut(self.unit_roundoff, under(arrays, "left_out/"), levels)
        self.amplified = float(arrays["amplified"])
        numbers = sorted({int(head) for key in arrays if (head := key.partition("/")[0]).isdecimal()})
        if numbers and self.reserve is not None:  # it had been asked before the snapshot was taken
            made = [self._made(self.reserve, number) for number in numbers]
            self.along, self.reserve = [shadow for shadow in made if shadow is not None], None
        if len(numbers) != len(self.along):
            raise UsageError(
                f"the snapshot is of a run with {len(numbers)} shadows, this one has {len(self.along)}; pass "
                f"shadows={len(numbers)}"
            )
        for number, shadow in enumerate(self.along):
            shadow.restore(under(arrays, f"{number}/"))


def checksum(inputs: Values, labels: Values) -> int:
    """Of a batch."""
    return zlib.crc32(np.ascontiguousarray(labels).tobytes(), zlib.crc32(np.ascontiguousarray(inputs).tobytes()))


def _trained(reference: Trainee, inputs: Values, labels: Values, replaying: bool) -> list[Branch] | None:
    """One step of the reference; its decisions, if they are to be replayed."""
    replay = Replay(0.0) if replaying else None
    attend(reference, replay)
    with undisturbed(reference):
        reference.loss_and_gradients(handed(inputs), handed(labels))
        reference.step()
    attend(reference, None)
    return None if replay is None else replay.branches

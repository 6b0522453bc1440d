"""One copy of the reference that only rounds otherwise, trained along: how far does rounding alone drive it?

It starts one unit in the last place away and gets the rows of every batch in another order.
"""

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from gradcheck_kit.side_by_side.buffers import buffers_of, furthest
from gradcheck_kit.side_by_side.distance import distance
from gradcheck_kit.side_by_side.envelope import FACTOR, drift, unit_drift
from gradcheck_kit.side_by_side.given import handed
from gradcheck_kit.side_by_side.moment import complete
from gradcheck_kit.side_by_side.replay import Branch, Replay
from gradcheck_kit.side_by_side.rounded_gradients import Gradients
from gradcheck_kit.side_by_side.scene import attend, twin_of, undisturbed
from gradcheck_kit.side_by_side.trainee import Named, Trainee, Values, offered, under
from gradcheck_kit.space import FORMATS

SAFETY = 3.0  # times what a shadow was seen to drift
FAR = 1e4  # times the law's unit: a shadow that far off is random or chaotic
WIDEST = 1e-3  # a law that allowed more of the weights' norm would tell little


class Made(NamedTuple):
    """What a trainee has after a step."""

    parameters: Named
    buffers: Named = MappingProxyType({})
    gradients: Named = MappingProxyType({})

    @classmethod
    def by(cls, trainee: Trainee) -> "Made":
        """As it offers them."""
        parameters, gradients = trainee.parameters(), offered(trainee, "gradients")
        told = None if gradients is None else complete(gradients(), parameters)
        return cls(parameters, buffers_of(trainee), told or {})


@dataclass
class Shadow:
    """One copy, and how far it has come from the reference, by the law's unit u(30 + √t).

    Attributes:
        trainee: the copy.
        generator: draws the order of its rows.
        worst: its largest drift while it was a measure.
        left: whether it is none any more.
        norm: the largest norm of the reference's parameters so far.
        norms: the same of every module's buffers.
        buffers: the largest drift of its buffers while it was a measure.
        gradients: its own beside the reference's.
        driven: whether rounding alone drove it far off in the first step.
        in_order: whether it gets the rows in the reference's order.
    """

    trainee: Trainee
    generator: np.random.Generator
    worst: float = 0.0
    left: bool = False
    norm: float = 0.0
    norms: dict[str, float] = field(default_factory=dict)
    buffers: float = 0.0
    gradients: Gradients = field(default_factory=Gradients)
    driven: bool = False
    in_order: bool = False

    @classmethod
    def of(cls, reference: Trainee, start: Named, seed: int) -> "Shadow | None":
        """A shadow of a reference that has not been trained yet; None where it cannot be copied."""
        twin = twin_of(reference)
        if twin is None:
            return None
        generator = np.random.default_rng([seed, 1])
        twin.load(moved_by_an_ulp(start, generator, reference.dtype))
        return cls(twin, generator, norm=distance(start, start).norm)

    def advance(
        self,
        inputs: Values,
        labels: Values,
        reference: Made,
        unit_roundoff: float,
        step: int,
        branches: list[Branch] | None = None,
    ) -> None:
        """Train on the same batch, and compare.

        Args:
            inputs, labels: the rows are taken in another order, unless there are branches to follow.
            reference: what the reference has after the step.
            unit_roundoff, step: as for `envelope.drift`.
            branches: the reference's decisions in this step, where they are replayed.
        """
        if self.left:
            return
        as_they_are = self.in_order or branches is not None
        order = slice(None) if as_they_are else self.generator.permutation(len(labels))
        share = drift(unit_roundoff, step, self.factor)
        attend(self.trainee, None if branches is None else Replay(share, branches, step))
        with undisturbed(self.trainee):
            self.trainee.loss_and_gradients(handed(inputs[order]), handed(labels[order]))
            self.trainee.step()
        attend(self.trainee, None)
        self._compare(reference, Made.by(self.trainee), unit_roundoff, step)

    def _compare(self, reference: Made, mine: Made, unit_roundoff: float, step: int) -> None:
        self.gradients.add(reference.gradients, mine.gradients)
        now = distance(reference.parameters, mine.parameters, self.norm, self.gradients.rounding(unit_roundoff))
        beside = furthest(reference.buffers, mine.buffers, self.norms).apart
        self.norm = now.norm
        unit = unit_drift(unit_roundoff, step)
        self.left = not now.relative / unit <= farthest(unit_roundoff, step)
        if not self.left:
            self.worst, self.buffers = max(self.worst, now.relative / unit), max(self.buffers, beside / unit)

    @property
    def factor(self) -> float:
        """The law's constant as far as this shadow knows it."""
        return max(FACTOR, SAFETY * self.worst)

    @property
    def chaotic(self) -> bool:
        """Whether it was near for some steps and then was not, or rounding alone is seen to drive it.

        One that is random, or for which the order of rows matters, is far off at once, too.
        """
        return self.left and (self.worst > 0.0 or self.driven)

    def to_arrays(self) -> dict[str, Values]:
        """For a run that is taken up again."""
        state = offered(self.trainee, "state")
        told = {f"parameters/{n}": np.array(p) for n, p in self.trainee.parameters().items()}
        told |= {f"state/{key}": np.array(values) for key, values in (state() or {}).items()} if state else {}
        drawn = json.dumps(self.generator.bit_generator.state)
        worst = np.array([self.worst, float(self.left), self.norm, self.buffers, float(self.driven)])
        named = np.array(json.dumps([self.norms, self.gradients.steps]))
        told |= {f"squares/{name}": squares for name, squares in self.gradients.squares.items()}
        told |= {f"apart/{name}": apart for name, apart in self.gradients.apart.items()}
        return told | {"worst": worst, "generator": np.array(drawn), "named": named}

    def restore(self, arrays: Named) -> None:
        """Go on from what `to_arrays` gave."""
        offered(self.trainee, "load_state")(under(arrays, "parameters/"), under(arrays, "state/"))
        worst, left, self.norm, self.buffers, driven = (float(value) for value in arrays["worst"])
        self.norms, steps = json.loads(str(arrays["named"]))
        self.gradients = Gradients(under(arrays, "apart/"), under(arrays, "squares/"), steps)
        self.worst, self.left, self.driven = worst, bool(left), bool(driven)
        self.generator.bit_generator.state = json.loads(str(arrays["generator"]))


def farthest(unit_roundoff: float, step: int) -> float:
    """The drift, by the law's unit, beyond which a shadow is no measure."""
    return min(FAR, WIDEST / (SAFETY * unit_drift(unit_roundoff, step)))


def moved_by_an_ulp(parameters: Named, generator: np.random.Generator, dtype: str) -> dict[str, Values]:
    """Every element that is not zero one unit in the last place of the dtype up or down."""
    return {name: _moved(values, generator, dtype) for name, values in parameters.items()}


def _moved(values: Values, generator: np.random.Generator, dtype: str) -> Values:
    unit = FORMATS[dtype].unit_roundoff
    held = np.asarray(values, np.float64)
    signs = np.where(generator.random(held.shape) < 0.5, 1.0, -1.0)
    return np.asarray(held + signs * 2 * unit * 2.0 ** np.floor(np.log2(np.where(held, abs(held), 1.0))) * (held != 0))

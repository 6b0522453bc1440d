"""Are two sides within what rounding explains, after a step? A second look before the law is left.

The law may widen: where copies of the reference drift further than our own networks, or where this very step makes much
of the rounding that was there before it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradcheck_kit.side_by_side.amplification import GROWS, amplified
from gradcheck_kit.side_by_side.buffers import EVIDENCE, STAGE, Furthest, buffers_of, furthest
from gradcheck_kit.side_by_side.distance import Distance, distance, losses_apart
from gradcheck_kit.side_by_side.divergence import Divergence
from gradcheck_kit.side_by_side.envelope import FACTOR, drift, loss_drift
from gradcheck_kit.side_by_side.moment import Moment
from gradcheck_kit.side_by_side.scene import Scene
from gradcheck_kit.side_by_side.shadows import Shadows
from gradcheck_kit.side_by_side.trace import Trace
from gradcheck_kit.side_by_side.trainee import Trainee


@dataclass
class Law:
    """What rounding explains of one run.

    Attributes:
        sides: reference and candidate.
        shadows: copies of the reference, which measure the law's constant and what does not count in it.
        unit_roundoff: of the run.
        trace: where every step's distances go, and the first step beyond the law.
    """

    sides: tuple[Trainee, Trainee]
    shadows: Shadows
    unit_roundoff: float
    trace: Trace

    def begin(self) -> None:
        """The two starts."""
        now, beside = self._apart(), self._buffers()
        self._note(0, now, 0.0, beside, self._allowed(0, None))

    def compare(
        self, step: int, moments: tuple[Moment, Moment], scene: Callable[[], Scene], replayed: bool | None
    ) -> None:
        """The losses, all parameters and buffers after a step.

        Args:
            step: from 1.
            moments: the reference's and the candidate's.
            scene: all that is known of the step, where the law is left.
            replayed: whether copies of the reference are to follow its decisions; None where there is to be no second
                look, since they would take other branches.
        """
        reference, candidate = moments
        slope = next((known for moment in moments if (known := moment.slope) is not None), None)
        self.shadows.left_out.review(reference, candidate)
        losses = float(losses_apart((reference.loss, candidate.loss)))
        now, beside = self._apart(), self._buffers()
        allowed = self._allowed(step, slope, reference.loss)
        if _left((now.relative, losses, beside.apart), allowed) and replayed is not None:
            self.shadows.second_look(step, max(now.relative, beside.apart), replayed)
            self.shadows.leave_out(reference, candidate, now.norm, self._allowed(step, slope, reference.loss)[0])
            now = self._apart()
            apart = now.relative, losses, beside.apart
            self._ask_the_step(scene, now.norm, apart, self._allowed(step, slope, reference.loss))
            left = _left(apart, self._allowed(step, slope, reference.loss))
            self.shadows.given_up = self.shadows.given_up or (left and self.shadows.chaotic)
            allowed = self._allowed(step, slope, reference.loss)
        self.trace.loss_allowed.append(allowed[1])
        self._note(step, now, losses, beside, allowed)

    def _note(self, step: int, now: Distance, losses: float, beside: Furthest, allowed: Sequence[float]) -> None:
        """The distances, and that the law was left where it was."""
        self.trace.add_drift(now, allowed[0])
        if not losses <= allowed[1]:
            self.diverged(step, "loss", losses, allowed[1])
        if not now.relative <= allowed[0]:
            self.diverged(step, now.furthest, now.relative, allowed[0])
        if not beside.apart <= allowed[2]:
            self.diverged(step, beside.name, beside.apart, allowed[2], STAGE)

    def diverged(self, step: int, what: str, apart: float, allowed: float, stage: str | None = None) -> None:
        """The two have parted, if they had not before."""
        if self.trace.divergence is None:
            evidence = EVIDENCE if stage == STAGE else ""
            self.trace.divergence = Divergence(step, what, apart, allowed, stage, evidence=evidence)

    def _ask_the_step(
        self, scene: Callable[[], Scene], norm: float, apart: Sequence[float], allowed: Sequence[float]
    ) -> None:
        """A wider law where this very step, and no difference in it, is why it was left."""
        left = not apart[0] <= allowed[0], not apart[1] <= allowed[1]
        decided = self.trace.divergence is not None or not all(math.isfinite(most) for most in allowed)
        # A copy would follow a decision that is wrong, too.
        misjudged = not all(decision.within for decision in self.trace.ledger)
        if decided or misjudged or not any(left) or self.shadows.fixed:
            return
        seen = scene()
        if amplified(seen, norm, left, 0.0 if self.shadows.factor > FACTOR else GROWS):
            self.shadows.widen(seen.step, max(d / most for d, most in zip(apart[:2], allowed[:2], strict=True)))

    def _apart(self) -> Distance:
        reference, candidate = (side.parameters() for side in self.sides)
        return distance(reference, candidate, self.trace.norm, self.shadows.left_out.masks)

    def _buffers(self) -> Furthest:
        reference, candidate = (buffers_of(side) for side in self.sides)
        return furthest(reference, candidate, self.trace.norms)

    def _allowed(self, step: int, slope: float | None, loss: float | None = None) -> tuple[float, float, float]:
        """What rounding explains: of the parameters' relative distance, of the losses', of the buffers'."""
        factor = self.shadows.factor
        of_losses = math.inf if loss is None else loss_drift(self.unit_roundoff, step, loss, slope, factor)
        of_buffers = drift(self.unit_roundoff, step, self.shadows.factor_of_buffers)
        return drift(self.unit_roundoff, step, factor), of_losses, of_buffers


def _left(apart: Sequence[float], allowed: Sequence[float]) -> bool:
    """Whether any distance is beyond what is allowed, or is no number."""
    return any(not one <= most for one, most in zip(apart, allowed, strict=True))

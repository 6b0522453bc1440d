"""One input in one look: what has been measured of it, and whether that settles it."""

from dataclasses import dataclass

from gradcheck_kit.checks import small_elements
from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.checks.staircase import Staircase, seen_from_afar
from gradcheck_kit.verdict import Outcome, Verdict

STRIKES = 2
LOST = 0.1  # a gradient further than this from what the same backward gives in float64 is wrong in its own precision,
# unless the outputs themselves could not show so little


@dataclass
class Case:
    """What has been measured of one input in one look, and what follows from it.

    Attributes:
        kink: whether the input sits on a kink that excuses the gradient.
        outside: the measurement that shows a gradient which is not between the one-sided derivatives there.
        stairs: what the forward is where it moves in steps, and over longer ones the gradient agrees.
        lost: the part of itself that the gradient loses in its own precision.
    """

    measurements: list[Measurement]
    require: float
    verdict: Verdict | None = None
    kink: bool = False
    outside: Measurement | None = None
    lost: float | None = None
    stairs: Staircase | None = None

    @property
    def asked_enough(self) -> bool:
        """Whether another look at the same point would tell nothing new."""
        settled = (self.verdict, self.outside, self.lost, self.stairs)
        return self.kink or any(found is not None for found in settled)

    @property
    def leaves_the_domain(self) -> bool:
        """Whether it is open, and steps have left the function's domain."""
        return self.verdict is None and any(m.estimate.cut for m in self.measurements)

    def add(self, measurement: Measurement) -> None:
        """Settle the case if this measurement, with the earlier ones, allows it."""
        earlier = self.strikes()
        self.measurements.append(measurement)
        outcome = measurement.seen.comparison.outcome(self.require)
        if outcome is Outcome.AGREES:
            if self.outside is None and all(
                measurement.seen.comparison.clears(strike.seen.comparison, self.require) for strike in earlier
            ):
                self.verdict = Verdict.PASS
        elif outcome is Outcome.EXCUSED:
            self.kink = True
        elif measurement.seen.comparison.outside_kink:
            self.outside = measurement
        elif len(self.strikes()) >= STRIKES:
            self._struck_out()

    def _struck_out(self) -> None:
        """Wrong, unless the forward is a staircase, or the same backward is right in float64 and only digits are lost
        in its own precision."""
        strikes = self.strikes()
        self.stairs = seen_from_afar(strikes[-1])
        if self.stairs is not None:
            return
        lost = [(strike, digits) for strike in strikes if (digits := strike.digits_lost()) is not None]
        self.lost = max(digits.share for _, digits in lost) if len(lost) == len(strikes) else None
        shown = any(strike.shows(digits) for strike, digits in lost)
        if self.lost is None or (shown and self.lost > max(LOST, self.require)):
            self.verdict = Verdict.FAIL
        elif self.lost <= self.require:
            self.verdict = Verdict.PASS

    def look_upward(self, name: str) -> None:
        """Take the kink's excuse back where a tangent of positive elements contradicts the gradient.

        Along a tangent of both signs 0 lies between the slopes of a tie by chance, and a maximum whose gradient goes to
        no element is excused in every second look.
        """
        at = self.measurements[-1]
        v = abs(at.round.examination.library.vector(at.tangents[name]))
        upward = at.round.along(name, at.round.on_lattice(name, v))
        seen = upward.seen.comparison
        outcome = seen.outcome(self.require)
        if outcome is Outcome.STRIKE or (outcome is Outcome.UNDECIDED and seen.bound_at_kink is not None):
            self.measurements.append(upward)
            self.outside = upward

    def look_at_small_elements(self, name: str) -> None:
        """Take a match back that moved every element by its own size, where the small ones alone show errors."""
        at = self.measurements[-1]
        if self.verdict is Verdict.PASS and at.round.look.per_element:
            longer = list(small_elements.with_longer_steps(at, name, STRIKES))
            evidence = [m for m in longer if m.seen.comparison.outcome(self.require) is Outcome.STRIKE]
            if len(evidence) == STRIKES:
                self.measurements += evidence
                self.verdict = None
                self._struck_out()

    def strikes(self) -> list[Measurement]:
        """The measurements that contradict the gradient."""
        return [m for m in self.measurements if m.seen.comparison.outcome(self.require) is Outcome.STRIKE]

"""Does every gradient agree with the numerical derivative, along directions in which no element can hide?

⟨vjp(u), v⟩ = ⟨u, J v⟩ is asked for each input alone, three times with fresh u and v. A match is strong evidence (by
chance it happens as rarely as the resolution is small); a mismatch is weak evidence, since a kink or a hidden scale
may be at fault. So a mismatch is asked again with other steps and directions, and only a repeated one is a FAIL.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.checks.rounds import Measurement, Round
from gradcheck_kit.diagnose import diagnose
from gradcheck_kit.differences.estimate import Obstacle
from gradcheck_kit.differences.probe import Kind
from gradcheck_kit.locate import locate
from gradcheck_kit.report import Finding
from gradcheck_kit.verdict import Outcome, Verdict

QUESTION = "directional"
STRIKES = 2


@dataclass(frozen=True)
class Attempt:
    """How one look differs from the first: smaller steps, or every element moved by its own size."""

    shrink: float = 1.0
    per_element: bool = False


ATTEMPTS = (Attempt(), Attempt(shrink=8), Attempt(per_element=True), Attempt(shrink=8, per_element=True))

# Cotangents of three sizes: a backward that clamps its cotangent is right at one of them.
ROUNDS = ((Kind.PLAIN, 1.0), (Kind.ALIGNED, 8.0), (Kind.EQUALISED, 0.125))


@dataclass
class _Case:
    """What has been measured of one input in one round, and what follows from it."""

    measurements: list[Measurement]
    require: float
    verdict: Verdict | None = None

    def add(self, measurement: Measurement) -> None:
        """Settle the case if this measurement, with the earlier ones, allows it."""
        earlier = self.strikes()
        self.measurements.append(measurement)
        if measurement.comparison.outcome(self.require) is Outcome.AGREES:
            if all(measurement.comparison.clears(strike.comparison, self.require) for strike in earlier):
                self.verdict = Verdict.PASS
        elif len(self.strikes()) >= STRIKES:
            self.verdict = Verdict.FAIL

    def strikes(self) -> list[Measurement]:
        return [m for m in self.measurements if m.comparison.outcome(self.require) is Outcome.STRIKE]


def ask(examination: Examination) -> list[Finding]:
    """One finding for every differentiable input."""
    names = examination.subject.differentiable
    cases: dict[str, list[_Case]] = {name: [] for name in names}
    for kind, magnitude in ROUNDS:
        pending = [name for name in names if _still_open(cases[name])]
        for name, case in _settle(examination, kind, magnitude, pending).items():
            cases[name].append(case)
    return [_finding(examination, name, cases[name]) for name in names]


def _still_open(cases: list[_Case]) -> bool:
    """A wrong input is not asked again."""
    return all(case.verdict is not Verdict.FAIL for case in cases)


def _settle(examination: Examination, kind: Kind, magnitude: float, names: list[str]) -> Mapping[str, _Case]:
    """One round for all inputs together: they share the cotangent, and so the VJPs."""
    cases = {name: _Case([], examination.require) for name in names}
    for attempt in ATTEMPTS:
        pending = [name for name in names if cases[name].verdict is None]
        if not pending:
            break
        asked = Round.draw(examination, magnitude, attempt.shrink, attempt.per_element)
        for name in pending:
            cases[name].add(asked.measure(name, kind))
    return cases


def _finding(examination: Examination, name: str, cases: list[_Case]) -> Finding:
    measurements = [m for case in cases for m in case.measurements]
    last = measurements[-1].comparison
    for case in cases:
        if case.verdict is Verdict.FAIL:
            return _failure(examination, name, case.strikes())
    undecided = [case for case in cases if case.verdict is None]
    if undecided:
        return _undecided(name, undecided[0].measurements, examination.require)
    count = measurements[-1].elements
    if count == 0:
        return Finding(QUESTION, Verdict.PASS, f"{name} has no elements: there is nothing to differentiate", input=name)
    resolution = max(case.measurements[-1].comparison.resolution for case in cases)
    message = f"the gradient of {name} agrees; an error of {resolution:.1g} of it would have been seen"
    if last.scale == 0.0:
        message = f"the gradient of {name} is zero here, and so is the derivative, to within {last.bound:.1g}"
    return Finding(
        QUESTION,
        Verdict.PASS,
        message,
        name,
        None,
        last.analytic,
        last.numeric,
        last.bound,
        resolution=resolution,
    )


def _failure(examination: Examination, name: str, strikes: list[Measurement]) -> Finding:
    element = locate(strikes[-1])
    cause = diagnose([strike.comparison for strike in strikes], strikes[-1].elements)
    worst = strikes[-1].comparison
    lines = [f"the gradient of {name} is wrong", element.describe(name)]
    lines.append(
        f"along a random direction: backward {worst.analytic:.10g}, "
        f"numerical derivative {worst.numeric:.10g} ± {worst.bound:.1g}"
    )
    if cause is not None:
        lines.append(f"likely cause: {cause.sentence} [{cause.slug}]")
    return Finding(
        QUESTION,
        Verdict.FAIL,
        "\n".join(lines),
        input=name,
        index=element.index,
        analytic=element.analytic,
        numeric=element.numeric,
        error=element.error,
        resolution=None,
        cause=None if cause is None else cause.slug,
    )


def _undecided(name: str, measurements: list[Measurement], require: float) -> Finding:
    """The reason is the obstacle of the sharpest look."""
    sharpest = min(measurements, key=lambda m: m.comparison.bound)
    seen = sharpest.comparison
    obstacle = sharpest.estimate.obstacle or Obstacle.NOISE
    message = (
        f"the gradient of {name} could not be decided: backward {seen.analytic:.6g}, numerical derivative "
        f"{seen.numeric:.6g} ± {seen.bound:.1g}, which resolves {seen.resolution:.1g} where {require:.1g} is required\n"
        f"{obstacle.value}"
    )
    return Finding(
        QUESTION,
        Verdict.INCONCLUSIVE,
        message,
        input=name,
        analytic=seen.analytic,
        numeric=seen.numeric,
        error=seen.bound,
        cause=obstacle.name.lower(),
    )

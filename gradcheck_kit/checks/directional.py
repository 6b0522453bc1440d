"""Does every gradient agree with the numerical derivative, along directions in which no element can hide?

⟨vjp(u), v⟩ = ⟨u, J v⟩ is asked three times with fresh u and v: of all inputs moving together, so that the cost of
a pass does not grow with their number, and where that does not settle it of each alone. A match is strong evidence (by
chance it happens as rarely as the resolution is small); a mismatch is weak evidence, since a kink or a hidden scale
may be at fault. So a mismatch is asked again with other steps and directions, and only a repeated one is a FAIL.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradcheck_kit.checks.case import Case
from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.checks.failure import failure, sharpest_of
from gradcheck_kit.checks.illustrate import illustrated
from gradcheck_kit.checks.place import Look, Places
from gradcheck_kit.checks.rounds import Round, Seen
from gradcheck_kit.checks.undecided import sharpest_look, undecided
from gradcheck_kit.differences.probe import Kind
from gradcheck_kit.locate import EFFORT
from gradcheck_kit.report import Finding
from gradcheck_kit.report_text import TOLD
from gradcheck_kit.verdict import Outcome, Verdict

QUESTION = "directional"
REACHES = (2.0**10, 2.0**18, 2.0**26)  # the last leaves a step of 2⁻²⁰ a few last places of the input
LEAST_EFFORT = 10  # derivatives to locate one input's errors with; where many inputs are wrong they share the effort

# Cotangents of three sizes: a backward that clamps its cotangent is right at one of them.
LOOKS = (Look(Kind.PLAIN, 1.0), Look(Kind.ALIGNED, 8.0), Look(Kind.EQUALISED, 0.125))


def attempts(look: Look, low_precision: bool) -> Iterator[Look]:
    """How one look is repeated: every element moved by its own size, smaller steps, both.

    Where a forward in float64 was differentiated to no avail, the subject's own is at last.
    """
    changes = ((1.0, False), (1.0, True), (8.0, False), (8.0, True))
    yield from (replace(look, shrink=shrink, per_element=own) for shrink, own in changes)
    if low_precision:
        yield from (replace(look, shrink=shrink, per_element=own, reference=False) for shrink, own in changes[:3])


@np.errstate(all="ignore")  # a step may leave the domain, and a huge gradient overflow: both are answers
def ask(examination: Examination) -> list[Finding]:
    """One finding for every differentiable input."""
    names, places = examination.subject.differentiable, Places(examination)
    resolved = _together(examination, names, places) if len(names) > 1 else {}
    cases: dict[str, list[Case]] = {name: [] for name in names if name not in resolved}
    for look in LOOKS:
        pending = [name for name, settled in cases.items() if _still_open(settled)]
        for name, case in _alone(examination, look, pending, places).items():
            cases[name].append(case)
    wrong = sum(settled[-1].verdict is Verdict.FAIL for settled in cases.values())
    effort = max(LEAST_EFFORT, EFFORT // max(wrong, 1))
    findings = [resolved[n] if n in resolved else _finding(examination, n, cases[n], effort) for n in names]
    return _illustrated(findings, cases) if examination.figures else findings


def _illustrated(findings: list[Finding], cases: Mapping[str, list[Case]]) -> list[Finding]:
    """The same with numbers to draw for the first that failed, or could not be decided where none failed."""
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        chosen = [f for f in findings if f.verdict is verdict][:TOLD]
        if chosen:
            return [_with_illustration(f, cases) if f in chosen else f for f in findings]
    return findings


def _with_illustration(finding: Finding, cases: Mapping[str, list[Case]]) -> Finding:
    settled = next(case for case in cases[finding.input or ""] if case.verdict is not Verdict.PASS)
    wrong = finding.verdict is Verdict.FAIL
    sharpest = sharpest_of(settled.strikes()) if wrong else sharpest_look(settled)
    return replace(finding, illustration=illustrated(sharpest, wrong))


def _together(examination: Examination, names: Sequence[str], places: Places) -> dict[str, Finding]:
    """The inputs that agree when all move together, each resolved as sharply as is required of it alone."""
    worst = dict.fromkeys(names, 0.0)
    for look in LOOKS:
        seen = _look_together(examination, look, names, places)
        if seen.comparison.outcome(examination.require) is not Outcome.AGREES:
            return {}
        worst = {name: max(worst[name], seen.resolution_of(name)) for name in names}
    sharp = {name: resolution for name, resolution in worst.items() if resolution <= examination.require}
    return {name: _agreement(examination, seen, name, resolution) for name, resolution in sharp.items()}


def _look_together(examination: Examination, look: Look, names: Sequence[str], places: Places) -> Seen:
    """The first attempt that agrees, else the last. Numbers alone: the round's arrays, which may be large, go with it.

    One attempt more at all is cheaper than looks at each.
    """
    together = replace(look, together=True)
    lean = places.lean(together)
    for attempt in [*([] if lean is None else [lean]), together, replace(together, shrink=8.0)]:
        seen = Round(examination, attempt, places).seen(names)
        if seen.comparison.outcome(examination.require) is Outcome.AGREES:
            break
    return seen


def _still_open(cases: list[Case]) -> bool:
    """A wrong input is not asked again, nor one that could not be decided at all."""
    return all(case.verdict is Verdict.PASS for case in cases)


def _alone(examination: Examination, look: Look, names: Sequence[str], places: Places) -> Mapping[str, Case]:
    """One look at each input alone: they share the cotangent, and so the VJPs."""
    cases = {name: Case([], examination.require) for name in names}
    _agreeing(examination, places.lean(look) if names else None, cases, places)
    for attempt in attempts(look, examination.reference is not None):
        pending = [name for name in names if not cases[name].asked_enough]
        if not pending:
            break
        asked = Round(examination, attempt, places)
        for name in pending:
            cases[name].add(asked.measure([name]))
    _nearer(examination, look, cases, places)
    _beside_the_kink(examination, look, cases, places)
    if look.kind is Kind.EQUALISED:
        _among_rounding(examination, look, cases, places)
    if look.kind is Kind.PLAIN:  # once is enough
        for name, case in cases.items():
            case.look_at_small_elements(name)
    return cases


def _agreeing(examination: Examination, lean: Look | None, cases: Mapping[str, Case], places: Places) -> None:
    """Settle the cases that a lean look is enough for; of the others it is no evidence."""
    if lean is None:
        return
    asked = Round(examination, lean, places)
    for name, case in cases.items():
        measurement = asked.measure([name])
        if measurement.seen.comparison.outcome(examination.require) is Outcome.AGREES:
            case.add(measurement)


def _nearer(examination: Examination, look: Look, cases: Mapping[str, Case], places: Places) -> None:
    """Looks with far smaller steps at cases whose steps have left the domain: its edge is close, and the point inside.

    A function with fewer digits than it returns is a staircase to them, of slope zero, or of no slope that all its
    steps agree on: neither says anything of the gradient. Nor does one whose slope is beyond float64.
    """
    for reach in REACHES:
        pending = [name for name, case in cases.items() if case.leaves_the_domain]
        near = replace(look, reach=reach)
        if not pending or any(scheme.form.name != "float64" for scheme in places.of(near).schemes.values()):
            return
        asked = Round(examination, near, places)
        for name in pending:
            measurement = asked.measure([name])
            compared = measurement.seen.comparison
            agrees = compared.outcome(examination.require) is Outcome.AGREES
            says = math.isfinite(compared.numeric) and compared.numeric != 0.0
            if says and (agrees or measurement.estimate.smooth):
                cases[name].add(measurement)


def _beside_the_kink(examination: Examination, look: Look, cases: Mapping[str, Case], places: Places) -> None:
    """A look right beside the point, where that sits on a kink and the gradient lies between the one-sided slopes."""
    for name, case in cases.items():
        if case.kink and case.verdict is None and look.kind is Kind.PLAIN:  # the first look: once is enough
            case.look_upward(name)
    for shrink in (1.0, 8.0):
        pending = [name for name, case in cases.items() if case.kink and case.verdict is None]
        if pending:
            asked = Round(examination, replace(look, nudge=True, shrink=shrink), places)
            for name in pending:
                cases[name].add(asked.measure([name]))


def _among_rounding(examination: Examination, look: Look, cases: Mapping[str, Case], places: Places) -> None:
    """A plain look where an equalised one rests, undecided, on elements that are but the rounding of the largest."""
    for name, case in cases.items():
        if not case.asked_enough and case.measurements[-1].typical_is_rounding(name):
            case.add(Round(examination, replace(look, kind=Kind.PLAIN), places).measure([name]))


def _finding(examination: Examination, name: str, cases: list[Case], effort: int) -> Finding:
    for case in cases:
        if case.verdict is Verdict.FAIL:
            return failure(QUESTION, name, case.strikes(), effort)
    for case in cases:
        if case.verdict is None:
            return undecided(QUESTION, name, case, examination.require)
    resolution = max(case.lost or case.measurements[-1].seen.resolution_of(name) for case in cases)
    return _agreement(examination, cases[-1].measurements[-1].seen, name, resolution, any(case.kink for case in cases))


def _agreement(examination: Examination, seen: Seen, name: str, resolution: float, kink: bool = False) -> Finding:
    compared = seen.comparison
    if math.prod(examination.library.shape(examination.subject.point[name])) == 0:
        message = f"{name} has no elements: there is nothing to differentiate"
        return Finding(QUESTION, Verdict.PASS, message, input=name)
    message = f"the gradient of {name} agrees; an error of {resolution:.1g} of it would have been seen"
    if seen.sizes[name] == 0.0:
        message = f"the gradient of {name} is zero here, and so is the derivative, to within {compared.bound:.1g}"
    if kink:
        message += "; the input sits on a kink: there it lies between the one-sided derivatives, beside it it agrees"
    numbers = compared.analytic, compared.numeric, compared.bound
    return Finding(QUESTION, Verdict.PASS, message, name, None, *numbers, resolution=resolution)

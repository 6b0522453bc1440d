"""The smallest example that fails as the one that was found does, and what is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from gradcheck_kit.checks import batch, directional
from gradcheck_kit.exploration.attribution import telling_example, with_causes
from gradcheck_kit.exploration.construction import Call
from gradcheck_kit.exploration.course import Course
from gradcheck_kit.exploration.dependence import dependence
from gradcheck_kit.exploration.figures import with_figures
from gradcheck_kit.exploration.literals import literal, to_paste
from gradcheck_kit.exploration.own_dtype import OwnDtypeError
from gradcheck_kit.exploration.reduction import Reduction
from gradcheck_kit.exploration.structure import Example
from gradcheck_kit.exploration.trial import Outcome, Trial
from gradcheck_kit.report import Report

SIMPLIFICATIONS = 300  # examples tried to make a failing one smaller


@dataclass(frozen=True)
class _Smallest:
    """The example, how it fails, and how many were tried on the way."""

    example: Example
    trial: Trial
    report: Report
    call: Call
    tried: int


def told(course: Course, example: Example, trial: Trial, constants: Mapping[str, Any]) -> Report:
    """The report of the smallest example that fails as `example` does in `trial`.

    Args:
        course: of the search that found it.
        example: that fails.
        trial: its own.
        constants: what every call is given beside the arrays.
    """
    best = _reduced(course, example, trial)
    found = dependence(best.example, course.arrays, partial(_fails_alike, course, best.trial))
    explored = replace(
        course.summary(),
        simplified=best.tried,
        inputs={name: literal(array).to_dict() for name, array in best.example.arrays.items()},
        lines=to_paste(course.construction, best.example, best.call, constants, best.trial.failure[0], course.seed),
        cause=None if found is None else found.slug,
        condition="" if found is None else found.sentence,
    )
    made = partial(course.construction.subject, best.call)
    shown = with_figures(best.report, made, course.construction.demands.options(course.seed))
    course.forward += shown.cost.forward - best.report.cost.forward
    course.vjp += shown.cost.vjp - best.report.cost.vjp
    telling = telling_example(course.arrays, example.dtype, course.seed)
    report, attributions = with_causes(shown, telling, course.trial_elsewhere(telling))
    if not attributions:
        report, attributions = with_causes(report, example, trial)
    return replace(report, exploration=replace(explored, attributions=attributions), reproduction=None)


def _reduced(course: Course, example: Example, trial: Trial) -> _Smallest:
    seen = {id(example): trial}
    alike = {trial.failure}
    if trial.failure[0] == batch.QUESTION:  # what one row of several shows, differences show at that row, with a place
        alike.add((directional.QUESTION, trial.failure[1], None))

    def fails(candidate: Example) -> bool:
        if course.spent() or candidate.dtype not in course.construction.dtypes:
            return False
        try:
            seen[id(candidate)] = again = course.trial(candidate)
        except OwnDtypeError:
            return False
        kept.append(candidate)
        return again.outcome is Outcome.FAILED and again.failure in alike

    kept: list[Example] = []  # so that no id is used twice
    reduction = Reduction(example, course.arrays, fails, SIMPLIFICATIONS)
    best = reduction.run()
    final = seen[id(best)]
    if final.report is None or final.call is None:
        raise AssertionError("a trial that failed has a report")
    return _Smallest(best, final, final.report, final.call, reduction.tried)


def _fails_alike(course: Course, final: Trial, candidate: Example) -> bool | None:
    """Whether an example fails in the same input; None where it fails otherwise, raises or is undecided.

    A larger batch that fails for what it says of a single row is right at its own length.
    """
    trial = course.trial_elsewhere(candidate)
    if trial.outcome is Outcome.PASSED:
        return False
    if trial.outcome is not Outcome.FAILED or trial.failure[1] != final.failure[1]:
        return None
    single = trial.failure[0] == batch.QUESTION and trial.findings_that_fail[0].cause == batch.OF_ONE
    return final.failure[0] == batch.QUESTION if single else True

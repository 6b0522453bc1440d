"""Is the gradient the same whichever other inputs are frozen, whichever outputs are unused, and in a second backward?

Training freezes layers, uses one output of several, and runs backward twice on a retained graph; a backward that
computes only what it is asked for has a branch for each, and tests usually take one.
"""

from collections.abc import Callable
from functools import partial

from gradcheck_kit.checks.examination import Examination, Gradients, NotAskedError, passed
from gradcheck_kit.checks.rounding import Place, differing
from gradcheck_kit.report import Finding
from gradcheck_kit.space import Arrays
from gradcheck_kit.subject import BudgetSpentError, Recorded
from gradcheck_kit.verdict import Verdict, of_ratio

QUESTION = "frozen-subsets"
FEW = 3  # up to here every input is asked alone, and all but each
OUTPUTS = 2


def ask(examination: Examination) -> list[Finding]:
    """A finding for every gradient that is another one with inputs frozen, an output unused, or the second time."""
    recorded = examination.subject.recorded
    if recorded is None:
        raise NotAskedError("torch only")
    u = examination.cotangents(generator=examination.aside(QUESTION))
    base = examination.pulled(examination.subject.point, u)
    for question in (_of_subsets, _of_unused_outputs, _of_second_backward):
        findings = question(examination, recorded, u, base)
        if findings:
            return findings
    return [passed(QUESTION, "the gradients are the same with inputs frozen, outputs unused, and a second time")]


def _of_subsets(examination: Examination, recorded: Recorded, u: Arrays, base: Gradients) -> list[Finding]:
    point = examination.subject.point
    for names in _subsets(examination):
        frozen = [n for n in examination.subject.differentiable if n not in names]
        where = f"with {frozen[0] if len(frozen) == 1 else f'{len(frozen)} other inputs'} frozen"
        alone = {name: base.get(name) for name in names}
        findings = _compared(examination, u, where, "frozen-subset", alone, partial(recorded.partial, point, u, names))
        if findings:
            return findings
    return []


def _subsets(examination: Examination) -> list[tuple[str, ...]]:
    """Of a few inputs each alone and all but each; of many the inputs, the parameters, and some alone."""
    subject = examination.subject
    names = subject.differentiable
    if len(names) <= FEW:
        found = [(name,) for name in names] + [tuple(n for n in names if n != name) for name in names]
    else:
        drawn = examination.aside(f"{QUESTION}: which").choice(len(names), FEW, replace=False)
        parameters = tuple(n for n in names if n in subject.parameters)
        found = [tuple(n for n in names if n not in parameters), parameters, *((names[int(i)],) for i in drawn)]
    return list(dict.fromkeys(subset for subset in found if subset and len(subset) < len(names)))


def _of_unused_outputs(examination: Examination, recorded: Recorded, u: Arrays, base: Gradients) -> list[Finding]:
    """An undefined cotangent of one output beside a zero one."""
    if len(u) < 2:
        return []
    subject = examination.subject
    for unused in list(u)[:OUTPUTS]:
        zero = {**u, unused: examination.combined([(0.0, {unused: u[unused]})])[unused]}
        with_zero = examination.pulled(subject.point, zero)
        rest = {name: array for name, array in u.items() if name != unused}
        where = f"where {unused} is not used (its cotangent is undefined, not zero)"
        findings = _compared(
            examination,
            u,
            where,
            "undefined-cotangent",
            with_zero,
            partial(recorded.partial, subject.point, rest, subject.differentiable),
        )
        if findings:
            return findings
    return []


def _of_second_backward(examination: Examination, recorded: Recorded, u: Arrays, base: Gradients) -> list[Finding]:
    subject, where = examination.subject, "in a second backward on one retained graph"
    return _compared(
        examination,
        u,
        where,
        "second-backward",
        base,
        lambda: recorded.repeated(subject.point, u, subject.differentiable)[1],
    )


def _compared(
    examination: Examination, u: Arrays, where: str, cause: str, expected: Gradients, call: Callable[[], Gradients]
) -> list[Finding]:
    try:
        found = call()
    except BudgetSpentError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}"
        return [
            Finding(QUESTION, Verdict.FAIL, f"the backward raises {where}: {said}", input="the backward", cause=cause)
        ]
    asked = {name: found.get(name) for name in expected}
    wrong = differing(examination, expected, asked, Place(examination.subject.point, u))
    return [
        Finding(QUESTION, of_ratio(ratio), f"the gradient of {name} is another one {where}", input=name, cause=cause)
        for name, ratio in wrong.items()
        if name in expected
    ]

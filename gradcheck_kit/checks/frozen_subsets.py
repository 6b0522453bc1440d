"""Is the gradient the same whichever other inputs are frozen, whichever outputs are unused, and in a second backward?

Training freezes layers, uses one output of several, and runs backward twice on a retained graph; a backward that
computes only what it is asked for has a branch for each, and tests usually take one.
"""

from collections.abc import Callable, Sequence
from functools import partial

from gradcheck_kit.checks.examination import Examination, Gradients, NotAskedError, passed
from gradcheck_kit.checks.rounding import Place, differing
from gradcheck_kit.report import Finding
from gradcheck_kit.space import Arrays
from gradcheck_kit.subject import BudgetSpentError, Recorded, in_words
from gradcheck_kit.verdict import Verdict, of_ratio

QUESTION = "frozen-subsets"
FEW = 3  # up to here every input is asked alone, and all but each; of many inputs so many are drawn to be asked alone
ALONE = 16  # up to here every input is asked alone; of more, groups: the cost is bounded
OUTPUTS = 8  # up to here every output is once the only one used, and once the only one unused; of more, groups


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
    said = "the gradients are the same with inputs frozen, outputs unused, and a second time"
    return [passed(QUESTION, said + _in_groups(len(examination.subject.differentiable), len(u)))]


def _in_groups(inputs: int, outputs: int) -> str:
    """What was not asked one by one."""
    many = [
        f"{count} {kind}"
        for count, most, kind in ((inputs, ALONE, "inputs"), (outputs, OUTPUTS, "outputs"))
        if count > most
    ]
    return f"; the {' and '.join(many)} in groups, not each alone" if many else ""


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
    """Such that of any two inputs each is asked while the other is frozen."""
    subject = examination.subject
    names = subject.differentiable
    if len(names) <= FEW:
        return _proper([*_each(names), *_all_but_each(names)], names)
    parameters = tuple(n for n in names if n in subject.parameters)
    found = [tuple(n for n in names if n not in parameters), parameters]
    if len(names) <= ALONE:
        return _proper([*found, *_each(names)], names)
    drawn = examination.aside(f"{QUESTION}: which").choice(len(names), FEW, replace=False)
    return _proper([*found, *_halves(names), *((names[int(i)],) for i in drawn)], names)


def _each(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [(name,) for name in names]


def _all_but_each(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(n for n in names if n != name) for name in names]


def _halves(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Those whose place has a binary digit 0, and those where it is 1, for every digit: two places differ in one."""
    digits = range((len(names) - 1).bit_length())
    return [tuple(n for i, n in enumerate(names) if i >> d & 1 == side) for d in digits for side in (0, 1)]


def _proper(subsets: Sequence[tuple[str, ...]], names: Sequence[str]) -> list[tuple[str, ...]]:
    """Each once, without the empty one and the whole."""
    return list(dict.fromkeys(subset for subset in subsets if 0 < len(subset) < len(names)))


def _of_unused_outputs(examination: Examination, recorded: Recorded, u: Arrays, base: Gradients) -> list[Finding]:
    """Undefined cotangents of some outputs beside zero ones."""
    subject, names = examination.subject, list(u)
    used_of = [*_all_but_each(names), *_each(names)] if len(names) <= OUTPUTS else _halves(names)
    for used in _proper(used_of, names):
        unused = [name for name in names if name not in used]
        zeros = examination.combined([(0.0, {name: u[name] for name in unused})])
        with_zeros = examination.pulled(subject.point, {**u, **zeros})
        rest = {name: u[name] for name in used}
        call = partial(recorded.partial, subject.point, rest, subject.differentiable)
        where = f"where {_unused(unused)}"
        findings = _compared(examination, u, where, "undefined-cotangent", with_zeros, call)
        if findings:
            return findings
    return []


def _unused(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} is not used (its cotangent is undefined, not zero)"
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) <= FEW else f"{len(names)} outputs"
    return f"{listed} are not used (their cotangents are undefined, not zero)"


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
        message = f"the backward raises {where}: {in_words(error)}"
        return [Finding(QUESTION, Verdict.FAIL, message, input="the backward", cause=cause)]
    asked = {name: found.get(name) for name in expected}
    wrong = differing(examination, expected, asked, Place(examination.subject.point, u))
    return [
        Finding(QUESTION, of_ratio(ratio), f"the gradient of {name} is another one {where}", input=name, cause=cause)
        for name, ratio in wrong.items()
        if name in expected
    ]

"""Are the inputs and the cotangent bit for bit what they were afterwards, and does no call depend on an earlier one?"""

from collections.abc import Callable

from gradcheck_kit.checks.examination import Examination, Gradients, another_point, passed
from gradcheck_kit.checks.rounding import Place, differing
from gradcheck_kit.report import Finding
from gradcheck_kit.space import Arrays, copies_of
from gradcheck_kit.subject import BudgetSpentError
from gradcheck_kit.verdict import Verdict, of_ratio

QUESTION = "purity"


def ask(examination: Examination) -> list[Finding]:
    """A finding for every array that the forward or the backward wrote to."""
    subject = examination.subject
    cotangents = examination.cotangents()
    by_forward = _mutated(examination, {**subject.point}, subject.forward)
    by_backward = _mutated(
        examination,
        {**subject.point, **{_cotangent_key(name): u for name, u in cotangents.items()}},
        lambda given: subject.pullback(
            {name: given[name] for name in subject.point},
            {name: given[_cotangent_key(name)] for name in cotangents},
        ),
    )
    findings = [_wrong("forward", name) for name in by_forward]
    findings += [_wrong("backward", name) for name in by_backward if name not in by_forward]
    findings = findings or _of_another_forward(examination)
    return findings or [
        passed(QUESTION, "inputs and cotangents are bit-identical afterwards; no call depends on another")
    ]


def _of_another_forward(examination: Examination) -> list[Finding]:
    """A forward elsewhere must not change what the backward says here: it would, if the backward read a stale cache.

    Of a layer whose backward belongs to its latest forward this asks only that a new forward replaces all of the cache.
    """
    subject, first = examination.subject, examination.first_pull
    elsewhere = another_point(subject, examination.aside(QUESTION))
    try:
        subject.forward(dict(elsewhere))
    except BudgetSpentError:
        raise
    except Exception:
        return []  # another point may lie outside the domain
    if subject.recorded is None:
        found = examination.pulled(subject.point, first.cotangents)
    else:
        found = subject.recorded.interleaved(subject.point, elsewhere, first.cotangents, subject.differentiable)
    place = Place(subject.point, first.cotangents)
    wrong = differing(examination, first.gradients, found, place)
    if not wrong or differing(examination, first.gradients, _straight(examination), place):
        return []  # without the other forward it differs as well: that is for the next question
    message = (
        "the gradient of {} changes when another forward runs before the backward; keep what is saved with the call"
    )
    return [
        Finding(QUESTION, of_ratio(ratio), message.format(name), input=name, cause="stale-state")
        for name, ratio in wrong.items()
    ]


def _straight(examination: Examination) -> Gradients:
    """The gradients after a forward at the point itself."""
    subject = examination.subject
    subject.forward(dict(subject.point))
    return examination.pulled(subject.point, examination.first_pull.cotangents)


def _cotangent_key(output: str) -> str:
    return f"the cotangent of {output}"


def _mutated(examination: Examination, arrays: Arrays, call: Callable[[Arrays], object]) -> list[str]:
    """The names of the arrays that `call` changed; it is given copies."""
    library = examination.library
    given = copies_of(library, arrays)
    call(given)
    return [name for name in arrays if not library.identical(given[name], arrays[name])]


def _wrong(side: str, name: str) -> Finding:
    cause = "mutated-cotangent" if name.startswith("the cotangent") else "mutated-input"
    message = f"the {side} overwrites {name}; work on a copy of it"
    return Finding(QUESTION, Verdict.FAIL, message, input=name, cause=cause, of_forward=side == "forward")

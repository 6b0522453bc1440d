"""Are the inputs and the cotangent bit for bit what they were, after the forward and after the backward?"""

from collections.abc import Callable

from gradcheck_kit.checks.examination import Examination, passed
from gradcheck_kit.report import Finding
from gradcheck_kit.space import Arrays
from gradcheck_kit.verdict import Verdict

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
    return findings or [passed(QUESTION, "inputs and cotangents are bit-identical afterwards")]


def _cotangent_key(output: str) -> str:
    return f"the cotangent of {output}"


def _mutated(examination: Examination, arrays: Arrays, call: Callable[[Arrays], object]) -> list[str]:
    """The names of the arrays that `call` changed; it is given copies."""
    library = examination.library
    given = {name: library.copy(array) for name, array in arrays.items()}
    call(given)
    return [name for name in arrays if not library.identical(given[name], arrays[name])]


def _wrong(side: str, name: str) -> Finding:
    cause = "mutated-cotangent" if name.startswith("the cotangent") else "mutated-input"
    message = f"the {side} overwrites {name}; work on a copy of it"
    return Finding(QUESTION, Verdict.FAIL, message, input=name, cause=cause)

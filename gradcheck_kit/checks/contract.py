"""Does the backward return what it owes: a finite gradient of the right shape and dtype for every input?"""

import numpy as np

from gradcheck_kit.checks.examination import Examination, passed
from gradcheck_kit.checks.infinite import infinite_by_right
from gradcheck_kit.locate.box import Box
from gradcheck_kit.report import Finding
from gradcheck_kit.space import FORMATS, Array, Library, copies_of, is_finite
from gradcheck_kit.subject import Subject
from gradcheck_kit.verdict import Verdict

QUESTION = "contract"


def ask(examination: Examination) -> list[Finding]:
    """A finding for an input that is not finite, for every output that is unusable or every gradient that is malformed,
    the first of these that there are; one PASS if there is none."""
    findings = _of_inputs(examination) or _of_outputs(examination)
    if not findings:
        subject = examination.subject
        for name in subject.differentiable:
            findings += _of_gradient(examination, name, examination.first_pull.gradients.get(name))
    if findings:
        return findings
    notes = "".join(f"; {missing_gradient(name, examination.subject)}" for name in missing(examination))
    hurtful, harmless = _of_sharing(examination)
    return hurtful or [passed(QUESTION, "; ".join([SAID + notes, *harmless]))]


SAID = "outputs and gradients are finite, of the right number, shapes and dtypes"


def missing(examination: Examination) -> list[str]:
    """The differentiable inputs for which the backward returned no gradient at all."""
    gradients = examination.first_pull.gradients
    return [name for name in examination.subject.differentiable if gradients.get(name) is None]


def missing_gradient(name: str, subject: Subject) -> str:
    """What a missing gradient means, and what to do about it."""
    to_do = "return one"
    origin = subject.origin
    if origin is not None and origin.builder == "layer" and name in origin.places:
        to_do = "keep one beside it, as self.dW beside self.W or self.grads['W'] beside self.params['W']"
    return f"there is no gradient for {name}, which claims that it is zero; {to_do}, or leave {name} out by wrt="


def _of_sharing(examination: Examination) -> tuple[list[Finding], list[str]]:
    """Findings for gradients in memory that the caller will write to otherwise, and notes on what does no harm.

    A gradient is scaled, clipped or decayed in place. One that is the array of an input or a parameter takes that
    along, and so do two parameters that share one. Handing the cotangent on, also to two inputs, is what an addition
    does.
    """
    subject = examination.subject
    if subject.sharing is None:
        return [], []
    first, findings, notes = examination.first_pull, [], []
    copies = [copies_of(subject.library, arrays) for arrays in (subject.point, first.cotangents)]
    for shared in subject.sharing(*copies):
        if shared.gradient not in subject.differentiable:
            continue
        pair = shared.kind == "gradient" and {shared.gradient, shared.name} <= set(subject.parameters)
        whose = f"the {shared.kind} {'of ' if shared.kind in ('cotangent', 'gradient') else ''}{shared.name}"
        said = f"the gradient of {shared.gradient} shares memory with {whose}"
        if shared.kind in ("input", "parameter") or pair:
            findings.append(
                _wrong(f"{said}: writing to one changes the other; return a copy", shared.gradient, "aliased")
            )
        else:
            notes.append(said)
    return findings, notes


def _of_inputs(examination: Examination) -> list[Finding]:
    library, point = examination.library, examination.subject.point
    for name in examination.subject.differentiable:
        if not is_finite(library, point[name]):
            said = f"the input {name} is not finite, and no step leads away from there; pass finite numbers"
            return [Finding(QUESTION, Verdict.INCONCLUSIVE, said, input=name)]
    return []


def _of_outputs(examination: Examination) -> list[Finding]:
    library = examination.library
    if not examination.outputs:
        said = "the forward returned no floating-point output"
        return [Finding(QUESTION, Verdict.FAIL, said, cause="no-output", of_forward=True)]
    return [
        Finding(
            QUESTION,
            Verdict.INCONCLUSIVE,
            f"the output {name} is not finite at this point; pass inputs at which the function is defined",
        )
        for name, output in examination.outputs.items()
        if not is_finite(library, output)
    ]


def _of_gradient(examination: Examination, name: str, gradient: Array | None) -> list[Finding]:
    """None is let through: it claims a zero derivative, and the differences will see whether that is so."""
    if gradient is None:
        return []
    library, primal = examination.library, examination.subject.point[name]
    dtype, expected = library.dtype(gradient), library.dtype(primal)
    if library.shape(gradient) != library.shape(primal):
        return [_wrong(_shape_message(name, library.shape(gradient), library.shape(primal)), name, "wrong-shape")]
    if dtype not in FORMATS or dtype != expected:
        advice = f"return it as {expected}"
        return [
            _wrong(
                f"the gradient of {name} is {dtype}, {name} itself is {expected}; {advice}",
                name,
                "wrong-dtype",
            )
        ]
    if library.device(gradient) != library.device(primal):
        places = f"on {library.device(gradient)}, {name} itself on {library.device(primal)}"
        return [_wrong(f"the gradient of {name} is {places}", name, "wrong-device")]
    return [] if is_finite(library, gradient) else [_not_finite(examination, name, gradient)]


def _not_finite(examination: Examination, name: str, gradient: Array) -> Finding:
    if not infinite_by_right(examination, name, gradient):
        index, where = _first_not_finite(examination.library, name, gradient)
        message = f"the gradient of {name} is not finite where the output is\n{where}"
        return Finding(QUESTION, Verdict.FAIL, message, input=name, index=index, cause="not-finite")
    message = f"the gradient of {name} is infinite here, and so is the derivative; pass inputs at which it is finite"
    return Finding(QUESTION, Verdict.INCONCLUSIVE, message, input=name, cause="infinite-derivative")


def _first_not_finite(library: Library, name: str, gradient: Array) -> tuple[tuple[int, ...], str]:
    """The index of the first element that is no finite number; where it is, what it is, and how many there are."""
    shape, values = library.shape(gradient), library.numpy(library.vector(gradient))
    at = np.flatnonzero(~np.isfinite(values))
    index = tuple(int(i) for i in np.unravel_index(int(at[0]), shape)) if shape else ()
    where = f"at {Box.element(shape, index).describe(name)}: {values[at[0]]}"
    if at.size > 1:
        many = f"{at.size} of its" if at.size < values.size else "all"
        where += f"; {many} {values.size} elements are not finite"
    return index, where


def _shape_message(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    message = f"the gradient of {name} has shape {found}, {name} itself has {expected}"
    offset = len(found) - len(expected)
    if offset >= 0 and all(e in (1, f) for e, f in zip(expected, found[offset:], strict=True)):
        return f"{message}; sum it over the axes that the forward broadcast"
    return message


def _wrong(message: str, name: str, cause: str) -> Finding:
    return Finding(QUESTION, Verdict.FAIL, message, input=name, cause=cause)

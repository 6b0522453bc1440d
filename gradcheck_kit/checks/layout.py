"""Is the answer the same for every memory layout of the cotangent and of the inputs?

A sum hands back a cotangent of stride 0 along every axis, or along one, a transposed matrix product a transposed one, a
concatenation a slice of a wider array, an every-second-element view one with gaps: backwards that read memory as if it
were contiguous are wrong there.
"""

from collections.abc import Mapping

from gradcheck_kit.checks.examination import Examination, Gradients, NotAskedError, passed
from gradcheck_kit.checks.rounding import Place, differing, outputs_differ
from gradcheck_kit.report import Finding
from gradcheck_kit.space import FORMATS, ROW_AGAIN, STRIDE_0, STRIDED, Arrays, copies_of
from gradcheck_kit.subject import BudgetSpentError, in_words
from gradcheck_kit.verdict import Verdict, of_ratio

QUESTION = "layout"
FIRST = (STRIDED, "transposed", "channels-last")  # between them they differ from the usual layout in every way


def ask(examination: Examination) -> list[Finding]:
    """A finding for every gradient that changes with a layout, or a layout on which the backward raises."""
    tried, left_out = [], []
    for layout in FIRST:
        cotangents, inputs = _cotangents(examination, layout), _inputs(examination, layout)
        if inputs and not _same_forward(examination, inputs):
            left_out.append(layout)
            inputs = {}
        if cotangents or inputs:
            tried.append(layout)
            findings = _asked(examination, layout, cotangents, inputs)
            if findings:
                return findings
    for layout in (STRIDE_0, ROW_AGAIN):
        findings = _of_stride_0(examination, layout)
        if findings:
            return findings
    if not tried:
        raise NotAskedError("every array has one layout")
    said = "the gradients are the same for other memory layouts of the cotangent and the inputs"
    if left_out:
        said += f"; the forward raises or is another function for inputs laid out as {' or '.join(left_out)}: not asked"
    return [passed(QUESTION, said)]


def _cotangents(examination: Examination, layout: str) -> dict[str, object]:
    """The cotangents that have this layout, in it."""
    return _laid(examination, examination.first_pull.cotangents, layout)


def _inputs(examination: Examination, layout: str) -> dict[str, object]:
    """The inputs that have this layout, in it; parameters lie as their owner laid them."""
    subject, library = examination.subject, examination.library
    own = {n: a for n, a in subject.point.items() if n not in subject.parameters and library.dtype(a) in FORMATS}
    return _laid(examination, own, layout)


def _laid(examination: Examination, arrays: Arrays, layout: str) -> dict[str, object]:
    # One array after another: in all of its layouts it takes much memory, in one of them little.
    laid = {name: examination.library.layouts(array).get(layout) for name, array in arrays.items()}
    return {name: array for name, array in laid.items() if array is not None}


def _same_forward(examination: Examination, inputs: Mapping[str, object]) -> bool:
    """Whether the forward is the same function so: right code may insist on contiguous inputs, and raise, or draw its
    random numbers in the order of the memory."""
    outputs = examination.outputs_at({**examination.subject.point, **inputs})
    return outputs is not None and not outputs_differ(examination, outputs, examination.outputs)


def _asked(
    examination: Examination, layout: str, cotangents: Mapping[str, object], inputs: Mapping[str, object]
) -> list[Finding]:
    """Findings of one layout of both; what is wrong there is asked of each alone, and of simpler layouts."""
    if not _wrong(examination, layout, cotangents, inputs):
        return []
    for whose, laid in (("cotangent", cotangents), ("inputs", inputs)):
        names = [n for n in _simpler(examination, layout) if n != layout] if layout == STRIDED else []
        for simpler in [*names, layout]:
            alone = _cotangents(examination, simpler) if whose == "cotangent" else _inputs(examination, simpler)
            if not laid or not alone or (whose == "inputs" and not _same_forward(examination, alone)):
                continue
            both = (alone, {}) if whose == "cotangent" else ({}, alone)
            wrong = _wrong(examination, simpler, *both)
            if wrong:
                return _findings(whose, simpler, wrong)
    return _findings("cotangent and inputs", layout, _wrong(examination, layout, cotangents, inputs))


def _simpler(examination: Examination, layout: str) -> list[str]:
    every = [*examination.first_pull.cotangents.values(), *examination.subject.point.values()]
    found = dict.fromkeys(name for array in every for name in examination.library.layouts(array))
    return [name for name in found if name not in FIRST]


def _wrong(
    examination: Examination, layout: str, cotangents: Mapping[str, object], inputs: Mapping[str, object]
) -> dict[str, float] | str:
    """What differs from the usual layout, or the words of what was raised; empty where nothing is wrong."""
    first, point = examination.first_pull, examination.subject.point
    try:
        pulled = examination.subject.pullback({**point, **inputs}, {**first.cotangents, **cotangents})
    except BudgetSpentError:
        raise
    except Exception as error:
        examination.pulled(point, first.cotangents)  # where the usual layout raises now too, that goes to the caller
        return in_words(error)

    def laid(moved: Arrays, u: Arrays) -> Gradients:
        own = _laid(examination, {name: moved[name] for name in inputs}, layout)
        theirs = _laid(examination, {name: u[name] for name in cotangents}, layout)
        return examination.pulled({**moved, **own}, {**u, **theirs})

    place = Place(point, first.cotangents, inputs=bool(inputs), other=laid)
    return differing(examination, first.gradients, pulled, place)


def _of_stride_0(examination: Examination, layout: str) -> list[Finding]:
    """The cotangent of a sum, beside its contiguous copy."""
    library, point, u = examination.library, examination.subject.point, examination.first_pull.cotangents
    given = _expanded(examination, layout, u)
    if not given:
        return []
    same = copies_of(library, {**u, **given})
    base: Gradients = examination.pulled(point, same)
    try:
        pulled = examination.subject.pullback(point, {**u, **given})
    except BudgetSpentError:
        raise
    except Exception as error:
        examination.pulled(point, same)
        return _findings("cotangent", layout, in_words(error))

    def expanded(moved: Arrays, u: Arrays) -> Gradients:
        return examination.pulled(moved, {**u, **_expanded(examination, layout, u)})

    return _findings("cotangent", layout, differing(examination, base, pulled, Place(point, same, other=expanded)))


def _expanded(examination: Examination, layout: str, u: Arrays) -> dict[str, object]:
    """The cotangents that have this layout of stride 0, in it."""
    found = {name: examination.library.expanded(array).get(layout) for name, array in u.items()}
    return {name: array for name, array in found.items() if array is not None}


def _findings(whose: str, layout: str, wrong: dict[str, float] | str) -> list[Finding]:
    if isinstance(wrong, str):
        message = f"the backward raises in another memory layout of the {whose} ({layout}): {wrong}"
        return [Finding(QUESTION, Verdict.FAIL, message, input=f"the {whose}", cause="layout")]
    advice = "read arrays by their strides, or copy them into contiguous memory first"
    return [
        Finding(
            QUESTION,
            of_ratio(ratio),
            f"the gradient of {name} is another one in another memory layout of the {whose} ({layout}); {advice}",
            input=name,
            cause="layout",
        )
        for name, ratio in wrong.items()
    ]

"""Do the same inputs give the same answer twice?"""

from collections.abc import Mapping

from gradcheck_kit.checks.examination import Examination, passed
from gradcheck_kit.checks.stale_slice import SLUG, of_the_call_before
from gradcheck_kit.report import Finding
from gradcheck_kit.space import FORMATS, Array, Library, norm_of, norm_of_difference
from gradcheck_kit.verdict import Verdict

QUESTION = "determinism"
REORDERING = 100.0  # units in the last place: what another order of summation may change, not what randomness does


def ask(examination: Examination) -> list[Finding]:
    """INCONCLUSIVE for a forward that is random, FAIL for a backward that is although its forward is not."""
    subject = examination.subject
    forward = _spread(examination, dict(examination.outputs), dict(subject.forward(subject.point)))
    if forward is not None:
        name, spread = forward
        message = f"the forward gave two answers at the same inputs: {name} differs by {spread:.1g} of its size"
        advice = (
            "freeze its randomness, for example a Generator seeded inside the function; let no forward keep a state "
            "that the next one reads, such as a recurrent one, and no backward change what the forward reads, as one "
            "does that also takes the step"
        )
        return [Finding(QUESTION, Verdict.INCONCLUSIVE, f"{message}; {advice}")]
    first = examination.first_pull
    again = dict(subject.pullback(subject.point, first.cotangents))
    backward = _spread(examination, first.gradients, again)
    if backward is not None:
        return [_of_backward(examination, *backward)]
    return [passed(QUESTION, "the same inputs gave the same answers")]


def _of_backward(examination: Examination, name: str, spread: float) -> Finding:
    """Two gradients at the same inputs and cotangent, and whether a slice of them is that of the call before."""
    said = f"two calls of the backward gave two gradients of {name} at the same inputs and cotangent: they differ by "
    said += f"{spread:.1g} of their size"
    stale = None if spread == float("inf") else of_the_call_before(examination, name)
    if stale is None:
        message = f"{said}; overwrite the gradient instead of adding to it, keep no state between calls"
        subject = examination.subject
        if subject.origin is not None and subject.origin.builder == "layer" and name in subject.parameters:
            message += f"\na layer that adds by design has a method zero_grad() that clears {name}'s gradient: "
            message += "it is called before each backward"
        return Finding(QUESTION, Verdict.FAIL, message, input=name, cause="nondeterministic-backward")
    words = f"{stale.describe(name)}, is that of the call before; fill it before it is returned"
    message = f"{said}\nlikely cause: {words} [{SLUG}]"
    place = stale.describe(name)
    return Finding(QUESTION, Verdict.FAIL, message, input=name, place=place, cause=SLUG)


def _spread(
    examination: Examination, one: Mapping[str, Array | None], other: Mapping[str, Array | None]
) -> tuple[str, float] | None:
    """The first array that differs by more than a reordered sum would, and by how much of its size."""
    library = examination.library
    for name in {**one, **other}:
        array, again = one.get(name), other.get(name)
        if array is None and again is None:
            continue
        if array is None or again is None or _form(library, array) != _form(library, again):
            return name, float("inf")
        size = norm_of(library, array)
        spread = norm_of_difference(library, array, again)
        if not spread <= REORDERING * FORMATS[library.dtype(array)].unit_roundoff * size:
            return name, spread / size if size else float("inf")
    return None


def _form(library: Library, array: Array) -> tuple[str, tuple[int, ...]]:
    return library.dtype(array), library.shape(array)

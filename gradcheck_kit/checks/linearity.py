"""Is the VJP linear in the cotangent: vjp(a·u + b·w) = a·vjp(u) + b·vjp(w), vjp(−s·u) = −s·vjp(u), vjp(0) = 0?

Every pullback is, whatever the function: no numerical derivative is needed, and rounding is all that may be in the way.
Losses are scaled by 65536 and more, and averaged over many terms: multiples are asked far above the ordinary size, and
combinations far below it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradcheck_kit.checks.casting import keeps_no_more
from gradcheck_kit.checks.cotangent_use import far_scale, likely_use, wide_scale
from gradcheck_kit.checks.examination import Examination, Gradients, passed
from gradcheck_kit.checks.rounding import Place, differing
from gradcheck_kit.diagnose.precision import SLUG
from gradcheck_kit.report import Finding
from gradcheck_kit.space import Array, Arrays, Library, Vector, built, norm_of
from gradcheck_kit.verdict import Verdict, of_ratio

Trial = Callable[[Examination, bool], tuple[Gradients, Gradients, Arrays]]
"""(examination, far) → two ways to the same gradients, and the cotangents that they were asked for; far from the
ordinary size, or near it."""


@dataclass(frozen=True)
class Law:
    """A law, how it is tried, and which cotangents show it broken where those of ordinary size do not."""

    words: str
    trial: Trial
    far: str = ""


QUESTION = "linearity"
FAR_BELOW = 2.0**-30
DOWN = 2.0**-4
LARGER = 4.0  # w beside u
DIGITS_KEPT = 0.6
"""Of its digits: a gradient that is linear in so many is. A series that stops by the size of its argument, such as the
exponential of a block matrix that holds u, is linear to 4e-13 in float64; a cotangent rounded to float32 to 4e-8."""
GROSS = 0.125
"""Of a gradient: what must be wrong, three times over, if only cotangents far from the ordinary size show it. Such a
series loses more digits the larger u is; what is cut off, or taken for zero, changes most of the gradient."""


@np.errstate(over="ignore", invalid="ignore")  # a cotangent scaled up may overflow: it is then scaled down
def ask(examination: Examination) -> list[Finding]:
    """A finding for every input whose gradient is no linear function of the cotangent; one PASS if there is none."""
    coarse: set[str | None] = set()
    for law in LAWS:
        suspects, where = _suspects(examination, law)
        broken = f"{law.words} does not hold{where}"
        findings = [_finding(examination, name, broken, ratio) for name, ratio in suspects.items()]
        as_coarse = [
            f.input for f in findings if (where or f.cause == SLUG) and keeps_no_more(examination, str(f.input))
        ]
        if len(as_coarse) < len(findings):
            return [finding for finding in findings if finding.input not in as_coarse]
        coarse |= set(as_coarse)
    said = "the gradients are linear in the cotangent"
    if coarse:
        said += f", that of {' and '.join(map(str, coarse))} in the digits that the forward keeps of it"
    return [passed(QUESTION, said)]


def _suspects(examination: Examination, law: Law) -> tuple[dict[str, float], str]:
    """The inputs whose gradients differ, and for which cotangents if not for those of ordinary size.

    The gradients themselves, which may be large, go before the next trial.
    """
    accuracy = math.pow(examination.coarsest.unit_roundoff, DIGITS_KEPT)
    far = law.trial(examination, True)
    if not _differing(examination, far, accuracy):
        return {}, ""
    near = _differing(examination, law.trial(examination, False), accuracy)
    if near:
        return near, ""
    gross = _differing(examination, far, max(accuracy, GROSS))
    return {name: ratio for name, ratio in gross.items() if of_ratio(ratio) is Verdict.FAIL}, law.far


def _differing(
    examination: Examination, tried: tuple[Gradients, Gradients, Arrays], accuracy: float
) -> dict[str, float]:
    one, other, cotangents = tried
    return differing(examination, one, other, Place(examination.subject.point, cotangents, accuracy=accuracy))


def _of_zero(examination: Examination, far: bool) -> tuple[Gradients, Gradients, Arrays]:
    """vjp(0) beside 0."""
    u = examination.first_pull.cotangents
    return examination.subject.pullback(examination.subject.point, examination.combined([(0.0, u)])), {}, u


def _of_a_multiple(examination: Examination, far: bool) -> tuple[Gradients, Gradients, Arrays]:
    """vjp(u) beside vjp(−s·u)/−s, s a power of two: the roundings are the very same. Downwards if upwards overflows."""
    base, u = examination.first_pull.gradients, examination.first_pull.cotangents
    for scale in (*([-far_scale(examination)] if far else []), -wide_scale(examination), -DOWN):
        pulled = examination.subject.pullback(examination.subject.point, examination.combined([(scale, u)]))
        if examination.finite(pulled):
            break
    return base, _sum(examination, [(1.0 / scale, pulled)]), u


def _of_a_combination(examination: Examination, far: bool) -> tuple[Gradients, Gradients, Arrays]:
    """vjp(a·u + b·w) beside a·vjp(u) + b·vjp(w)."""
    pullback, point, generator = examination.subject.pullback, examination.subject.point, examination.aside(QUESTION)
    base, u = examination.first_pull.gradients, examination.first_pull.cotangents
    a, b = (float(generator.choice([-1.0, 1.0]) * generator.uniform(0.25, 1.0)) for _ in range(2))
    small = FAR_BELOW if far and _has_room_below(examination) else 1.0
    for magnitude in (LARGER, 1.0 / LARGER) if small == 1.0 else (small / LARGER,):  # downwards if the larger overflow
        w = examination.cotangents(magnitude, generator=generator)
        given = examination.combined([(small * a, u), (b, w)])
        expected = _sum(examination, [(small * a, base), (b, pullback(point, w))])
        found = pullback(point, given)
        if examination.finite(expected) and examination.finite(found):
            break
    return expected, found, given


def _has_room_below(examination: Examination) -> bool:
    """Whether gradients of cotangents far below the ordinary size keep their digits, and so do their products."""
    if examination.holds("float16"):
        return False
    library, form = examination.library, examination.coarsest
    sizes = [norm_of(library, g) for g in examination.first_pull.gradients.values() if g is not None]
    return all(FAR_BELOW * size >= 2.0 ** (form.least_exponent + 2 * form.digits) for size in sizes if size > 0.0)


LAWS = (
    Law("vjp(0) = 0", _of_zero),
    Law("vjp(-s·u) = -s·vjp(u)", _of_a_multiple, " for large cotangents (s up to 2^18)"),
    Law("vjp(a·u + b·w) = a·vjp(u) + b·vjp(w)", _of_a_combination, " for small cotangents (around 2^-30)"),
)


def _sum(examination: Examination, parts: list[tuple[float, Gradients]]) -> dict[str, Array | None]:
    """Σ factor · gradient for every input."""
    library, found = examination.library, {}
    for name in examination.subject.differentiable:
        given = [(factor, library.flat(g[name])) for factor, g in parts if g.get(name) is not None]
        like = examination.subject.point[name]
        found[name] = built(library, like, partial(_block, library, given)) if given else None
    return found


def _block(library: Library, parts: Sequence[tuple[float, Array]], block: slice) -> Vector:
    first, *others = [factor * library.vector(flat[block]) for factor, flat in parts]
    return sum(others, first)


def _finding(examination: Examination, name: str, broken: str, ratio: float) -> Finding:
    use = likely_use(examination, name)
    lines = [f"the gradient of {name} is not linear in the cotangent u: {broken}"]
    lines.append(f"likely cause: {use.sentence} [{use.slug}]")
    return Finding(QUESTION, of_ratio(ratio), "\n".join(lines), input=name, cause=use.slug)

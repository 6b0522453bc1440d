"""A cause is proved by prediction: a hypothesis that reproduces the candidate's numbers where the others do not."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from gradcheck_kit.side_by_side.scene import relative
from gradcheck_kit.side_by_side.trainee import Named, Values

EXPLAINS = 0.01  # of the difference that was there may be left
SLACK = 8.0  # times what rounding explains

FORMATS = {"float32": 24, "bfloat16": 8, "float16": 11}
FEW = 64  # numbers: fewer can be representable by chance


@dataclass(frozen=True)
class Cause:
    """A slug and its proof in words; `number` tells hypotheses of one slug apart: it holds in every step."""

    slug: str
    evidence: str
    number: str = ""


@dataclass(frozen=True)
class Hypothesis:
    """What the candidate's numbers would be if this were the cause.

    `predict` gives a tensor's numbers from its name, or None where it says nothing of that tensor. `number` is what was
    fitted to the numbers, or what else tells the hypothesis apart; left out, the words do.
    """

    slug: str
    words: str
    predict: Callable[[str], Values | None]
    number: float | str | None = None


def fitting(
    hypotheses: Iterable[Hypothesis],
    seen: Named,
    without: Mapping[str, float],
    allowed: float,
    apart: Callable[[str, Values, Values], float],
) -> list[Cause]:
    """The hypotheses that reproduce every tensor of `seen`, in their order.

    Args:
        hypotheses: what may be.
        seen: the candidate's tensors that are off.
        without: how far each of them is from the reference, relative.
        allowed: what rounding explains of it.
        apart: how far two values of a tensor are from one another, relative, in what counts of it.
    """
    found = []
    for hypothesis in hypotheses:
        left = _left(hypothesis, seen, apart)
        if left and all(left[n] <= min(SLACK * allowed, EXPLAINS * _finite(without[n])) for n in left):
            worst = max(left.values())
            number = hypothesis.words if hypothesis.number is None else hypothesis.number
            number = number if isinstance(number, str) else f"{number:.6g}"
            told = f"{hypothesis.words}; that leaves {worst:.0e} of {_most(without)}"
            found.append(Cause(hypothesis.slug, told, number))
    return found


def _left(
    hypothesis: Hypothesis, seen: Named, apart: Callable[[str, Values, Values], float]
) -> dict[str, float] | None:
    left = {}
    for name, values in seen.items():
        predicted = hypothesis.predict(name)
        if predicted is None or predicted.shape != values.shape:
            return None
        with np.errstate(all="ignore"):
            left[name] = apart(name, values, predicted)
    return left


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 1.0


def _most(without: Mapping[str, float]) -> str:
    return f"a relative {max(without.values()):.1e}"


def ratio(one: Iterable[Values], other: Iterable[Values]) -> float:
    """The c for which c·one is nearest to other, over all arrays together; NaN where `one` is zero."""
    pairs = [
        (np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()) for a, b in zip(one, other, strict=True)
    ]
    squares = sum(float(a @ a) for a, _ in pairs)
    return sum(float(a @ b) for a, b in pairs) / squares if squares else float("nan")


def coarser_format(arrays: Iterable[Values], beside: Iterable[Values]) -> str | None:
    """The coarsest format that holds every number of `arrays` exactly, while it does not hold those of `beside`."""
    mine, theirs = (np.concatenate([np.asarray(a, np.float64).ravel() for a in held]) for held in (arrays, beside))
    if np.count_nonzero(mine) < FEW or not np.isfinite(mine).all():
        return None
    for form in ("bfloat16", "float16", "float32"):
        bits = FORMATS[form]
        if _held(mine, bits) and not _held(theirs, bits) and relative(theirs, mine) <= 2.0 ** (3 - bits):
            return form
    return None


def _held(values: Values, bits: int) -> bool:
    """Whether every significand has at most `bits` bits."""
    fraction = np.frexp(values)[0] * 2.0**bits
    return bool(np.all(fraction == np.round(fraction)))

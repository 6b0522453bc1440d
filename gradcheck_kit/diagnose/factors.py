"""Is the backward a constant times the derivative, and does the problem have a number like that?"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain, combinations

from gradcheck_kit.diagnose.evidence import MATCH, Cause
from gradcheck_kit.verdict import Comparison

Shape = tuple[int, ...]

LEAST_COUNT = 3  # a factor of 2 or 1/2 has more causes than an average
SIMPLE = (2, Fraction(1, 2), 3, Fraction(1, 3), 4, Fraction(1, 4), Fraction(3, 2), Fraction(2, 3))


def constant_factor(
    seen: Sequence[Comparison], name: str, shape: Shape, outputs: Mapping[str, Shape], elements: int
) -> Cause | None:
    """The cause where one factor explains all the comparisons: the right gradient is the backward's divided by it.

    Args:
        seen: mismatches of one input along independent directions.
        name, shape: of that input.
        outputs: the outputs' shapes.
        elements: of the gradient that are not zero; with one, any mismatch looks like a constant factor.
    """
    factor = _fitted(seen)
    if factor is None:
        return None
    cause = _sign(factor, _doubt(seen)) or (_named(factor, seen, name, shape, outputs) if elements > 1 else None)
    return None if cause is None else replace(cause, right=lambda p: p.gradient / factor)


def _doubt(seen: Sequence[Comparison]) -> float:
    """How far, relatively, the factor may be off."""
    return MATCH * min(c.bound / abs(c.numeric) for c in seen)


def _sign(factor: float, doubt: float) -> Cause | None:
    return Cause("sign-flip", "backward has the wrong sign") if abs(factor + 1.0) <= doubt else None


def _named(factor: float, seen: Sequence[Comparison], name: str, shape: Shape, outputs: Mapping[str, Shape]) -> Cause:
    """What a number like this may come from."""
    doubt = _doubt(seen)
    for n, words, reduced in _averaged(shape, outputs):
        if abs(factor * n - 1.0) <= doubt:
            return Cause(
                "averaged-not-summed", f"backward is 1/{n} of the derivative, {words}: it averages where a sum belongs"
            )
        if reduced and abs(factor / n - 1.0) <= doubt:
            return Cause(
                "summed-not-averaged",
                f"backward is {n} times the derivative, {words}: it sums where an average belongs",
            )
    return Cause("constant-factor", f"backward is {_spelled(factor, doubt, name, shape, outputs)} times the derivative")


def _fitted(seen: Sequence[Comparison]) -> float | None:
    """The one number by which every analytic value is the numeric one times, to within the bounds."""
    if any(c.analytic == 0.0 or c.numeric == 0.0 for c in seen):
        return None
    sharpest = min(seen, key=lambda c: c.bound / abs(c.numeric))  # a factor from a cancelling pair is blurred
    factor = sharpest.analytic / sharpest.numeric
    spread = MATCH * max(1.0, abs(factor))
    return factor if all(abs(c.analytic - factor * c.numeric) <= spread * c.bound for c in seen) else None


def _averaged(shape: Shape, outputs: Mapping[str, Shape]) -> Iterator[tuple[int, str, bool]]:
    """Numbers of elements that are summed between the input and an output: axes that only one of the two has.

    With each how it is written, and whether the forward reduces over them: only then can it be that which averages.
    """
    for output, other in outputs.items():
        spread, lost = Counter(other) - Counter(shape), Counter(shape) - Counter(other)
        for counter, side in ((spread, output), (lost if not spread else Counter[int](), "the input")):
            for chosen in _choices(sorted(counter.elements())):
                if math.prod(chosen) >= LEAST_COUNT:
                    words = f"{math.prod(chosen)} being {_lengths(chosen)} of {side}"
                    yield math.prod(chosen), words, not spread


def _choices(lengths: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """One or several of them, the fewest first."""
    return chain.from_iterable(combinations(lengths, count) for count in range(1, len(lengths) + 1))


def _lengths(chosen: Sequence[int]) -> str:
    return "the length of an axis" if len(chosen) == 1 else " × ".join(map(str, chosen)) + ", axes"


def _spelled(factor: float, doubt: float, name: str, shape: Shape, outputs: Mapping[str, Shape]) -> str:
    for simple in SIMPLE:
        for signed in (simple, -simple):
            if abs(factor / float(signed) - 1.0) <= doubt:
                return str(signed)
    for value, words in _sizes(name, shape, outputs):
        if value > 0.0 and abs(abs(factor) / value - 1.0) <= doubt:
            return f"{'-' if factor < 0 else ''}{words}"
    return f"(1 {factor - 1.0:+.1e})" if abs(factor - 1.0) < 1e-3 else f"{factor:.6g}"


def _sizes(name: str, shape: Shape, outputs: Mapping[str, Shape]) -> Iterator[tuple[float, str]]:
    """Numbers made of a length or a size, and how they are written."""
    for owner, lengths in ((name, shape), *outputs.items()):
        named = [(n, f"the length of axis {axis} of {owner}") for axis, n in enumerate(lengths)]
        for n, what in [*named, (math.prod(lengths), f"the size of {owner}")]:
            if n < 2:
                continue
            yield n, f"{n} ({what})"
            yield 1 / n, f"1/{n} ({n} is {what})"
            yield math.sqrt(n), f"√{n} ({n} is {what})"
            yield 1 / math.sqrt(n), f"1/√{n} ({n} is {what})"
            yield n / (n - 1), f"{n}/{n - 1} ({n} is {what})"
            yield (n - 1) / n, f"{n - 1}/{n} ({n} is {what})"

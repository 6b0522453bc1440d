"""What does a failure depend on: the lengths of the axes, or an exact tie?

Asked of the reduced example by trying others beside it. A condition is named only if all examples that meet it fail,
all that do not pass, there are enough of both, and no other condition says the same of them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from operator import eq, ge, gt, lt, ne

import numpy as np

from gradcheck_kit.exploration.axes import Axes, Axis
from gradcheck_kit.exploration.structure import Example, Structure

Lengths = Mapping[str, int]
Fails = Callable[[Example], bool | None]
"""Whether an example fails as the reduced one does; None where it shows neither that nor that it is right."""

FEW = 2  # examples on either side of a condition, at least
TRIED = (1, 2, 3, 4, 5)
TWICE, FEW_LENGTHS = 2, 12  # values are drawn twice at each of so few lengths
MOST_NAMES = 2  # axes whose lengths are varied together; of more, each alone
SHIFTS = (0.3, -0.7, 1.1)
SPREADS = (0.05, -0.05, 0.4, -0.4)


@dataclass(frozen=True)
class Dependence:
    """A stable slug, and in words where the backward is wrong and what shows it."""

    slug: str
    sentence: str


@dataclass(frozen=True)
class _Condition:
    """Two lengths (a number stands for itself) compared; without a slug it is an alternative that must be excluded."""

    one: Axis
    compare: Callable[[int, int], bool]
    other: Axis
    words: str = ""
    slug: str | None = None

    def holds(self, lengths: Lengths) -> bool:
        one, other = (axis if isinstance(axis, int) else lengths[axis] for axis in (self.one, self.other))
        return self.compare(one, other)


def dependence(best: Example, arrays: Mapping[str, Axes], fails: Fails) -> Dependence | None:
    """The condition that decides whether an example fails, if one alone explains all that were tried.

    Args:
        best: the reduced example, which fails.
        arrays: what may be drawn.
        fails: tries another one.
    """
    return _of_lengths(best, arrays, fails) or _of_ties(best, arrays, fails)


# ---------------------------------------------------------------- lengths


def _of_lengths(best: Example, arrays: Mapping[str, Axes], fails: Fails) -> Dependence | None:
    tried, told = _beside(best.lengths, arrays), list(_conditions(best.lengths, arrays))
    draws = range(1, 1 + (TWICE if len(tried) <= FEW_LENGTHS else 1))
    wrong = right = 0
    for lengths, draw in product(tried, draws):
        if all(condition.slug is None for condition in told):
            return None  # nothing is left that more examples could name
        failed = fails(_ordinary(lengths, best, arrays, draw))
        if failed is not None:
            told = [condition for condition in told if condition.holds(lengths) == failed]
            wrong, right = wrong + failed, right + (not failed)
    if min(wrong, right) < FEW or len(told) != 1 or told[0].slug is None:
        return None
    shown = f"wrong in {wrong} examples like that, right in {right} others"
    return Dependence(told[0].slug, f"wrong only where {told[0].words}: {shown}")


def _beside(lengths: Lengths, arrays: Mapping[str, Axes]) -> list[dict[str, int]]:
    """Short lengths, those that are fixed elsewhere, and those around the example's own."""
    fixed = {axis for array in arrays.values() for axis in array.lengths if isinstance(axis, int) and axis > 0}
    choices = {name: sorted({*TRIED, *fixed, max(n - 1, 1), n, n + 1} - {0}) for name, n in lengths.items()}
    if len(choices) <= MOST_NAMES:
        return [dict(zip(choices, chosen, strict=True)) for chosen in product(*choices.values())]
    return [{**lengths, name: n} for name, tried in choices.items() for n in tried]


def _ordinary(lengths: Lengths, best: Example, arrays: Mapping[str, Axes], draw: int) -> Example:
    """Ordinary values, drawn anew: what depends on lengths alone fails whatever they are."""
    kinds = tuple((name, "normal") for name in arrays)
    return Structure(tuple(lengths.items()), best.dtype, "C", kinds, best.seed + draw).example(arrays)


def _conditions(own: Lengths, arrays: Mapping[str, Axes]) -> Iterator[_Condition]:
    leading = {array.lengths[0] for array in arrays.values() if array.lengths and array.below is None}
    pairs = _pairs(arrays)
    for name, n in own.items():
        yield _Condition(name, eq, 1, f"{name} is 1", "batch-of-one" if name in leading else "axis-of-one")
        if n > 1:
            yield _Condition(name, ge, n, f"{name} is {n} or more", "wrong-from-length")
            if (name, n) not in pairs:
                yield _Condition(name, eq, n)
    for one, other in pairs:
        yield _Condition(one, ne, other, _spelled(one, other, "differ", "is not"), "wrong-for-non-square")
        yield _Condition(one, eq, other, _spelled(one, other, "are equal", "is"), "wrong-for-square")
        if isinstance(other, str):
            yield from (_Condition(one, compare, other) for compare in (lt, gt))


def _spelled(one: Axis, other: Axis, both: str, single: str) -> str:
    return f"{one} and {other} {both}" if isinstance(other, str) else f"{one} {single} {other}"


def _pairs(arrays: Mapping[str, Axes]) -> list[tuple[Axis, Axis]]:
    """Two different axes of one array of which one at least has a name, that one first; 1 is a condition of its own."""
    found = [pair for array in arrays.values() for pair in combinations(array.lengths, 2) if pair[0] != pair[1]]
    named = [(one, other) if isinstance(one, str) else (other, one) for one, other in found]
    return list(dict.fromkeys(pair for pair in named if isinstance(pair[0], str) and pair[1] != 1))


# ---------------------------------------------------------------- ties


def _of_ties(best: Example, arrays: Mapping[str, Axes], fails: Fails) -> Dependence | None:
    """An array in which equal elements fail wherever they are moved together, and pass once they are apart."""
    for name, axes in arrays.items():
        values = best.arrays[name]
        if axes.below is not None or values.size < 2:
            continue
        _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
        tied = (counts > 1)[group].reshape(values.shape)
        if not tied.any():
            continue
        order = np.cumsum(tied.reshape(-1)).reshape(values.shape)
        together = [values + shift for shift in SHIFTS]
        apart = [values + np.where(tied, spread * order, 0.0) for spread in SPREADS]
        low, high = axes.within
        if any(((x <= low) | (x >= high)).any() for x in (*together, *apart)):
            continue
        expected = [(x, True) for x in together] + [(x, False) for x in apart]
        if all(fails(best.with_array(name, x.astype(values.dtype))) == failed for x, failed in expected):
            words = f"wrong only where elements of {name} are exactly equal"
            return Dependence(
                "wrong-at-ties", f"{words}: so wherever they are moved together, right once they are apart"
            )
    return None

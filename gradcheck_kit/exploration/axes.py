"""What arrays a search may draw: their axes by name or length, and their domain."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradcheck_kit.arguments import UsageError, as_integer, integer

Axis = str | int


@dataclass(frozen=True)
class Axes:
    """One array to be drawn.

    Attributes:
        lengths: an axis by name, of any length, the same wherever the name stands; or a fixed length.
        below: for an array of integers from 0 to `below` - 1 (labels, indices): a number, or the name of an axis.
        within: the open interval in which floating-point values lie.
        fixed: whether it is drawn but not differentiated, such as the target of a loss.
    """

    lengths: tuple[Axis, ...]
    below: Axis | None = None
    within: tuple[float, float] = (-math.inf, math.inf)
    fixed: bool = False

    @property
    def rest(self) -> float:
        """The plainest value: zero, or where that is outside the interval a number inside."""
        low, high = self.within
        if low < 0.0 < high:
            return 0.0
        if math.isfinite(low) and math.isfinite(high):
            return (low + high) / 2.0
        return low + 1.0 if math.isfinite(low) else high - 1.0

    def shape(self, lengths: Mapping[str, int]) -> tuple[int, ...]:
        """The shape where the named axes have these lengths."""
        return tuple(axis if isinstance(axis, int) else lengths[axis] for axis in self.lengths)

    def classes(self, lengths: Mapping[str, int]) -> int:
        """The number of integers to choose from, where the named axes have these lengths."""
        if isinstance(self.below, str):
            return lengths[self.below]
        return self.below or 0


def axes(
    *lengths: Axis, below: Axis | None = None, within: tuple[float, float] | None = None, fixed: bool = False
) -> Axes:
    """An array for `gk.explore` to draw, where a tuple of axes does not say enough.

    Args:
        lengths: names ("n") of axes whose length is searched, or fixed lengths (3); none for a single number.
        below: integers from 0 up to it are drawn: a number, or the name of an axis (`labels=gk.axes("n", below="m")`).
        within: floating-point values are drawn from this open interval, such as (0.0, 1.0).
        fixed: the backward owes this array no gradient, as a loss owes none to its target.

    Raises:
        UsageError: a length, a bound or an interval that cannot be meant.
    """
    spelled = f"axes{lengths!r}"
    lengths = tuple(_axis(length, spelled) for length in lengths)
    if below is not None and not isinstance(below, str):
        below = integer("below", below, 1, ", or the name of an axis")
    if within is None:
        return Axes(lengths, below, fixed=fixed)
    if below is not None:
        raise UsageError(f"{spelled}: below= is for integers and within= for floating-point values; pass one of them")
    if not isinstance(within, tuple | list) or len(within) != 2 or not float(within[0]) < float(within[1]):
        raise UsageError(f"{spelled}: within={within!r}; pass two numbers (low, high) with low < high")
    return Axes(lengths, None, (float(within[0]), float(within[1])), fixed)


def _axis(length: object, spelled: str) -> Axis:
    found = length if isinstance(length, str) else as_integer(length, 0)
    if found is None:
        raise UsageError(f"{spelled}: {length!r} is no axis; pass a name such as 'n', or a length such as 3")
    return found


def arrays_and_constants(given: Mapping[str, Any]) -> tuple[dict[str, Axes], dict[str, Any]]:
    """What is to be drawn (tuples, lists and `Axes`), and what is passed on as it is (everything else).

    Raises:
        UsageError: there is nothing to draw, or `below` names an axis that no array has.
    """
    arrays = {
        name: value if isinstance(value, Axes) else axes(*value)
        for name, value in given.items()
        if isinstance(value, Axes | tuple | list)
    }
    if not any(array.below is None and not array.fixed for array in arrays.values()):
        raise UsageError("there is no array to differentiate; name the inputs with their axes, such as x=('n', 3)")
    named_axes(arrays)
    return arrays, {name: value for name, value in given.items() if name not in arrays}


def named_axes(arrays: Mapping[str, Axes]) -> list[str]:
    """Every name of an axis, in the order met.

    Raises:
        UsageError: `below` names an axis that no array has.
    """
    met = dict.fromkeys(axis for array in arrays.values() for axis in array.lengths if isinstance(axis, str))
    for name, array in arrays.items():
        if isinstance(array.below, str) and array.below not in met:
            raise UsageError(f"{name}: below={array.below!r} is no axis of any array; the axes are {', '.join(met)}")
    return list(met)

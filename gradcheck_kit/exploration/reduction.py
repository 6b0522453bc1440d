"""From a failing example to the smallest one that a person can work through by hand.

First structure: fewer rows along every named axis. Then values: zeros, in ever smaller blocks, then fewer digits. A
step is kept if the same failure stays. (Delta debugging: Zeller & Hildebrandt 2002, "Simplifying and isolating
failure-inducing input".)
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from gradcheck_kit.exploration.axes import Axes
from gradcheck_kit.exploration.structure import Example, NDArray

Fails = Callable[[Example], bool]

FEW = 64  # elements whose digits are looked at one by one
ROUNDS = 3
SMALL = (1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 100.0)


class Reduction:
    """Makes one failing example simpler while it fails.

    Attributes:
        best: the simplest so far.
        tried: how many others were tried.
    """

    def __init__(self, example: Example, arrays: Mapping[str, Axes], fails: Fails, limit: int) -> None:
        self.best, self.tried = example, 0
        self._arrays, self._fails, self._limit = arrays, fails, limit

    def run(self) -> Example:
        """The simplest example that the limit allows."""
        for _ in range(ROUNDS):
            before = self.best
            for name in self.best.lengths:
                self._shorten(name)
            if self.best.dtype != "float64":
                self._try(_in_float64(self.best, self._arrays))
            self._try(replace(self.best, layout="C"))
            for name in self._arrays:
                self._to_rest(name)
            self._round_together()
            for name in self._arrays:
                self._fewer_digits(name)
            if self.best is before:
                break
        return self.best

    def _try(self, candidate: Example) -> bool:
        if self.tried >= self._limit or _same(candidate, self.best):
            return False
        self.tried += 1
        if self._fails(candidate):
            self.best = candidate
            return True
        return False

    def _shorten(self, axis: str) -> None:
        """One row along the axis, then without ever smaller blocks of rows."""
        for row in {0, self.best.lengths[axis] // 2, self.best.lengths[axis] - 1}:
            if self.best.lengths[axis] > 1 and self._try(self._with_rows(axis, [row])):
                return
        block = self.best.lengths[axis] // 2
        while block >= 1:
            start = 0
            while start < (length := self.best.lengths[axis]) and length > 1:
                kept = [i for i in range(length) if not start <= i < start + block]
                if not kept or not self._try(self._with_rows(axis, kept)):
                    start += block
            block //= 2

    def _with_rows(self, axis: str, kept: list[int]) -> Example:
        shortened = {}
        for name, array in self.best.arrays.items():
            axes = self._arrays[name]
            values = array % len(kept) if axes.below == axis else array
            for dimension in (d for d, at in enumerate(axes.lengths) if at == axis):
                values = np.take(values, kept, axis=dimension)
            shortened[name] = values
        return replace(self.best, arrays=shortened, lengths={**self.best.lengths, axis: len(kept)})

    def _to_rest(self, name: str) -> None:
        """All elements at their plainest value, else in blocks."""
        rest = self._rest(name)
        block = self.best.arrays[name].size
        while block >= 1:
            for start in range(0, self.best.arrays[name].size, block):
                values = self.best.arrays[name].copy()
                values.reshape(-1)[start : start + block] = rest
                self._try(self.best.with_array(name, values))
            block //= 2

    def _rest(self, name: str) -> float:
        return self._arrays[name].rest if self._arrays[name].below is None else 0

    def _round_together(self) -> None:
        """All arrays rounded alike, which keeps a tie of two of them."""
        names = [name for name, axes in self._arrays.items() if axes.below is None]
        for rounding in ROUNDINGS if len(names) > 1 else ():
            rounded = {name: rounding(self.best.arrays[name]) for name in names}
            inside = all(self._inside(name, values) for name, values in rounded.items())
            if inside and self._try(replace(self.best, arrays={**self.best.arrays, **rounded})):
                return

    def _fewer_digits(self, name: str) -> None:
        """All elements rounded alike, as roughly as can be; then one by one what still has many digits."""
        if self._arrays[name].below is not None:
            return
        for rounding in ROUNDINGS:
            rounded = rounding(self.best.arrays[name])
            if self._inside(name, rounded) and self._try(self.best.with_array(name, rounded)):
                break
        flat = self.best.arrays[name].reshape(-1)
        for position in np.flatnonzero(flat != self._rest(name))[:FEW]:
            self._plainer(name, int(position))

    def _plainer(self, name: str, position: int) -> None:
        value = float(self.best.arrays[name].reshape(-1)[position])
        for candidate in plainer_numbers(value):
            values = self.best.arrays[name].copy()
            values.reshape(-1)[position] = candidate
            if self._inside(name, values) and self._try(self.best.with_array(name, values)):
                return

    def _inside(self, name: str, values: NDArray) -> bool:
        low, high = self._arrays[name].within
        return bool(((values > low) & (values < high)).all())


def _same(one: Example, other: Example) -> bool:
    return (one.dtype, one.layout, dict(one.lengths)) == (other.dtype, other.layout, dict(other.lengths)) and all(
        np.array_equal(one.arrays[name], other.arrays[name], equal_nan=True) for name in one.arrays
    )


def _in_float64(example: Example, arrays: Mapping[str, Axes]) -> Example:
    """The same values in float64."""
    wide = {n: a.astype(np.float64) if arrays[n].below is None else a for n, a in example.arrays.items()}
    return replace(example, dtype="float64", arrays=wide)


def _to_digits(values: NDArray, digits: int) -> NDArray:
    return np.array([float(f"{v:.{digits - 1}e}") for v in values.reshape(-1)], values.dtype).reshape(values.shape)


ROUNDINGS: tuple[Callable[[NDArray], NDArray], ...] = (
    np.sign,
    np.rint,
    lambda values: np.rint(2 * values) / 2,
    lambda values: _to_digits(values, 1),
    lambda values: _to_digits(values, 2),
)
"""How a whole array loses digits, the roughest first."""


def digits_of(value: float) -> int:
    """The number of significant decimal digits in the shortest spelling of a float64."""
    mantissa = repr(abs(value)).split("e")[0].replace(".", "")
    return len(mantissa.strip("0"))


def plainer_numbers(value: float) -> list[float]:
    """Numbers with fewer digits than `value`, shorter to write or smaller, the plainest first."""
    small = [float(np.copysign(n, value)) for n in SMALL]
    near = [
        float(f"{value:.0e}"),
        *(float(f(value)) for f in (np.rint, np.floor, np.ceil)),
        float(np.rint(2 * value) / 2),
    ]
    step = 10.0 ** (np.floor(np.log10(abs(value))) - 1) if value else 1.0
    near += [float(f"{value:.1e}"), float(f"{value + np.copysign(step, value):.1e}")]
    plainness = _plainness(value)
    return [n for n in dict.fromkeys([*small, *near]) if n != 0.0 and _plainness(n) < plainness]


def _plainness(value: float) -> tuple[int, int, float]:
    return digits_of(value), len(repr(value)), abs(value)

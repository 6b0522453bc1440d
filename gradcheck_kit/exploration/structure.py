"""What Hypothesis draws: lengths, dtype, layout, the kind of every array's values, and the seed of the values.

Only booleans are drawn. Every choice is then as likely as it is listed, and Hypothesis neither mixes in numbers that
it finds in the caller's source files nor keeps a cache of those in the working directory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from gradcheck_kit.exploration.axes import Axes, named_axes
from gradcheck_kit.exploration.values import KINDS, drawn

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

NDArray = npt.NDArray[Any]
Item = TypeVar("Item")

# Powers of two of them, the simplest first: a choice is so many bits.
LENGTHS = (2, 3, 1, 1, 1, 2, 3, 4, 5, 5, 7, 16, 17, 17, 32, 0)
DTYPES = ("float64", "float64", "float64", "float32")
LAYOUTS = ("C", "C", "Fortran", "step 2")
KINDS_LISTED = (*KINDS, "normal")
SEED_BITS = 20


@dataclass(frozen=True)
class Structure:
    """One draw; equal structures make equal examples."""

    lengths: tuple[tuple[str, int], ...]
    dtype: str
    layout: str
    kinds: tuple[tuple[str, str], ...]
    seed: int

    def example(self, arrays: Mapping[str, Axes]) -> "Example":
        """The arrays that it stands for."""
        generator, lengths, kinds = np.random.default_rng(self.seed), dict(self.lengths), dict(self.kinds)
        values = {
            name: drawn(axes, kinds[name], generator, lengths, self.dtype) for name, axes in sorted(arrays.items())
        }
        return Example(lengths, self.dtype, self.layout, {name: values[name] for name in arrays}, self.seed)


@dataclass(frozen=True)
class Example:
    """Drawn arrays, by name, and what they have in common.

    Attributes:
        lengths: of the named axes.
        dtype: of the floating-point arrays.
        layout: of the arrays that a constructor is given (a check itself copies inputs into C order).
        arrays: the values.
        seed: of random numbers that a constructor draws from the global generators.
    """

    lengths: Mapping[str, int]
    dtype: str
    layout: str
    arrays: Mapping[str, NDArray]
    seed: int

    def with_array(self, name: str, values: NDArray) -> "Example":
        return replace(self, arrays={**self.arrays, name: values})

    def laid_out(self, name: str) -> NDArray:
        """A fresh array in the example's layout."""
        return LAID_OUT[self.layout](self.arrays[name])

    def where(self) -> str:
        """The lengths in words, such as "n=1, m=3"."""
        return ", ".join(f"{name}={length}" for name, length in self.lengths.items()) or "the given shapes"

    @property
    def empty(self) -> bool:
        return any(array.size == 0 for array in self.arrays.values())


def _every_second(values: NDArray) -> NDArray:
    return np.repeat(values, 2, axis=-1)[..., ::2] if values.ndim else values.copy()


LAID_OUT = {
    "C": lambda values: np.array(values, order="C"),
    "Fortran": lambda values: np.array(values, order="F"),
    "step 2": _every_second,
}


@dataclass(frozen=True)
class _Bits:
    """Choices out of Hypothesis's booleans."""

    draw: "DrawFn"
    booleans: "SearchStrategy[bool]" = field(repr=False)

    def number(self, bits: int) -> int:
        return sum(self.draw(self.booleans) << i for i in range(bits))

    def choice(self, items: Sequence[Item]) -> Item:
        return items[self.number((len(items) - 1).bit_length())]


def structures(arrays: Mapping[str, Axes], dtypes: Sequence[str]) -> "SearchStrategy[Structure]":
    """The strategy of structures for these arrays, in one of a power of two of dtypes; needs Hypothesis."""
    from hypothesis import strategies

    names = named_axes(arrays)
    booleans = strategies.booleans()

    @strategies.composite
    def structure(draw: "DrawFn") -> Structure:
        bits = _Bits(draw, booleans)
        return Structure(
            lengths=tuple((name, bits.choice(LENGTHS)) for name in names),
            dtype=bits.choice(dtypes),
            layout=bits.choice(LAYOUTS),
            kinds=tuple((name, bits.choice(KINDS_LISTED)) for name in arrays),
            seed=bits.number(SEED_BITS),
        )

    return structure()

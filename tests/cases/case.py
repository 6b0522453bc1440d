"""A row of the table: how to draw a point of a layer, and which torch function is its twin.

Hypothesis draws the structure (dtype, shapes, settings, layout, kind of values) and a seed; the values come from that
seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

import gradcheck_kit as gk
from gradcheck_kit.cli.torch_twins import Point

Array = npt.NDArray[Any]
DTypeName = str
Shape = tuple[int, ...]

NORMAL, TINY, LARGE, ZEROS = "normal", "tiny 1e-6", "large 1e3", "exact zeros and ties"
KINDS = (NORMAL, TINY, LARGE, ZEROS)
SCALE = {NORMAL: 1.0, TINY: 1e-6, LARGE: 1e3}
ROWS = st.sampled_from([0, 1, 2, 3, 5, 7])
SIDES = st.sampled_from([1, 2, 3, 5])
ANY_SHAPE = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
KINK_AT_ZERO = frozenset({ZEROS})

Twin = Callable[[Point], Tensor]


def read_only(a: Array) -> Array:
    a = a.copy()
    a.flags.writeable = False
    return a


def every_second(a: Array) -> Array:
    return np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a.copy()


def backwards(a: Array) -> Array:
    everything_reversed = (slice(None, None, -1),) * a.ndim
    return a[everything_reversed].copy()[everything_reversed]


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C": lambda a: np.array(a, order="C"),
    "Fortran": lambda a: np.array(a, order="F"),
    "step 2": every_second,
    "negative strides": backwards,
    "read-only": read_only,
}


@dataclass(frozen=True)
class Draw:
    """What the values of one point have in common. Its repr, in a failure, is all that a repetition needs."""

    dtype: DTypeName
    kind: str
    layout: str
    seed: int


class Values:
    """Arrays of one dtype, kind and layout, from one generator."""

    def __init__(self, draw: Draw) -> None:
        self.kind, self.dtype, self.rng = draw.kind, np.dtype(draw.dtype), np.random.default_rng(draw.seed)
        self._laid_out = LAYOUTS[draw.layout]

    def placed(self, values: Any) -> Array:
        """The values in this dtype and layout."""
        return self._laid_out(np.asarray(values, self.dtype))

    def normal(self, *shape: int) -> Array:
        """Ordinary numbers, whatever the kind."""
        return self.placed(self.rng.normal(size=shape))

    def real(self, *shape: int) -> Array:
        """Numbers of both signs."""
        if self.kind == ZEROS:
            return self.placed(self.rng.integers(-2, 3, shape) / 2)
        return self.placed(SCALE[self.kind] * self.rng.normal(size=shape))

    def off_zero(self, *shape: int) -> Array:
        """As `real`, but only exact zeros are near zero."""
        if self.kind == ZEROS:
            return self.real(*shape)
        size = self.rng.uniform(0.5, 1.5, shape) * self.rng.choice([-1.0, 1.0], shape)
        return self.placed(SCALE[self.kind] * size)

    def apart(self, *shape: int) -> Array:
        """As `real`, but ordinary numbers are no nearer than a tenth to one another: maxima stay away from ties."""
        if self.kind != NORMAL:
            return self.real(*shape)
        count = int(np.prod(shape))
        return self.placed(0.1 * (self.rng.permutation(count).reshape(shape) - count / 2 + 0.25))

    def probability(self, *shape: int) -> Array:
        """Within [0, 1]: well inside, near 0, near 1, or exactly 0, 1/2 and 1."""
        uniform = self.rng.uniform(0.1, 0.9, shape)
        near_one = 1 - 1e-3 * uniform
        return self.placed(
            {
                NORMAL: uniform,
                TINY: 1e-6 * uniform,
                LARGE: near_one,
                ZEROS: self.rng.integers(0, 3, shape) / 2,
            }[self.kind]
        )


LayerAndInputs = tuple[Any, tuple[Any, ...]]


@dataclass(frozen=True)
class Example:
    """One layer at one point."""

    draw: Draw
    shapes: Any
    layer: Any
    inputs: tuple[Any, ...]

    @property
    def empty(self) -> bool:
        return any(np.size(value) == 0 for value in self.inputs)


@dataclass(frozen=True)
class Case:
    """One reference layer or network.

    Attributes:
        name: the class, and which variant of it.
        of: the class.
        shapes: the strategy of what `build` is given: shapes, sizes, settings of the layer.
        build: values and shapes → the layer and its inputs.
        twin: the same function in torch.
        twin_with: shapes → the same function in torch, where the settings are drawn. Not taken from the layer, which
            may have lost them.
        wrt: the inputs that have a gradient, where that is not all.
        kinks: the kinds of values at which the derivative does not exist, so that differences are not asked.
        smooth: whether ordinary values stay away from every kink.
        batched: how many of the inputs have the batch as their first axis; 0 where there is no batch.
        divides_by: the positive numbers that the layer divides by: a small one magnifies rounding errors.
    """

    name: str
    of: type
    shapes: st.SearchStrategy[Any]
    build: Callable[[Values, Any], LayerAndInputs]
    twin: Twin | None = None
    twin_with: Callable[[Any], Twin] | None = None
    wrt: tuple[str, ...] | None = None
    kinks: frozenset[str] = frozenset()
    smooth: bool = True
    batched: int = 0
    divides_by: Callable[[Example], Array] | None = None

    def examples(
        self,
        dtypes: tuple[DTypeName, ...] = ("float64", "float32"),
        kinds: tuple[str, ...] = KINDS,
        layouts: tuple[str, ...] = ("C",),
    ) -> st.SearchStrategy[Example]:
        """Points of this case."""
        draws = st.builds(
            Draw,
            st.sampled_from(dtypes),
            st.sampled_from(kinds),
            st.sampled_from(layouts),
            st.integers(0, 2**32 - 1),
        )
        return st.builds(self.example, draws, self.shapes)

    def example(self, draw: Draw, shapes: Any) -> Example:
        layer, inputs = self.build(Values(draw), shapes)
        return Example(draw, shapes, layer, inputs)

    def contiguous(self, example: Example) -> Example:
        """The same values in ordinary arrays, for a layer of its own."""
        return self.example(replace(example.draw, layout="C"), example.shapes)

    def twin_at(self, example: Example) -> Twin:
        """The torch function with the example's settings."""
        twin = self.twin if self.twin_with is None else self.twin_with(example.shapes)
        assert twin is not None, f"{self.name} has no twin"
        return twin

    def subject(self, example: Example) -> gk.Subject:
        return gk.layer(example.layer, *example.inputs, name=self.name).restricted_to(self.wrt)

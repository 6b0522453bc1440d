"""One table of every reference layer and network: how to draw a point of it, and which torch function is its twin.

Hypothesis draws the structure (dtype, shapes, layout, kind of values) and a seed; the values come from that seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, sigmoid
from torch.nn import functional

import gradcheck_kit as gk
from gradcheck_kit.cli.torch_twins import TWINS, Point
from reference_impls.layers import Add, Affine, BCELoss, MSELoss, Mul, ReLU, Sigmoid, SoftmaxWithLoss
from reference_impls.networks import MLP, XORNet

Array = npt.NDArray[Any]
DTypeName = str
Shape = tuple[int, ...]

NORMAL, TINY, LARGE, ZEROS = "normal", "tiny 1e-6", "large 1e3", "exact zeros and ties"
KINDS = (NORMAL, TINY, LARGE, ZEROS)
SCALE = {NORMAL: 1.0, TINY: 1e-6, LARGE: 1e3}
ROWS = st.sampled_from([0, 1, 2, 3, 5, 7])
SIDES = st.sampled_from([1, 2, 3, 5])


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
        shapes: the strategy of what `build` is given: shapes, sizes.
        build: values and shapes → the layer and its inputs.
        twin: the same function in torch.
        wrt: the inputs that have a gradient, where that is not all.
        kinks: the kinds of values at which the derivative does not exist, so that differences are not asked.
        smooth: whether ordinary values stay away from every kink.
        batched: how many of the inputs have the batch as their first axis; 0 where there is no batch.
    """

    name: str
    of: type
    shapes: st.SearchStrategy[Any]
    build: Callable[[Values, Any], LayerAndInputs]
    twin: Callable[[Point], Tensor]
    wrt: tuple[str, ...] | None = None
    kinks: frozenset[str] = frozenset()
    smooth: bool = True
    batched: int = 0

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

    def subject(self, example: Example) -> gk.Subject:
        return gk.layer(example.layer, *example.inputs, name=self.name).restricted_to(self.wrt)


def _two_operands(layer: type[Add] | type[Mul]) -> Callable[[Values, Any], LayerAndInputs]:
    def build(values: Values, shapes: Any) -> LayerAndInputs:
        return layer(), tuple(values.real(*shape) for shape in shapes.input_shapes)

    return build


def _affine(values: Values, shapes: tuple[int, int, Shape]) -> LayerAndInputs:
    rows, columns, features = shapes
    W = values.real(int(np.prod(features)), columns)
    return Affine(W, values.real(columns)), (values.real(rows, *features),)


def _softmax(reduction: str, labels: str) -> Callable[[Values, Any], LayerAndInputs]:
    def build(values: Values, shapes: Shape) -> LayerAndInputs:
        rows, classes = shapes
        layer: Any = SoftmaxWithLoss(reduction)  # type: ignore[arg-type]
        logits = values.real(rows, classes)
        chosen = values.rng.integers(0, classes, rows)
        if labels == "integer":
            return layer, (logits, chosen)
        if labels == "one-hot":
            return layer, (logits, values.placed(np.eye(classes)[chosen]))
        if values.kind == ZEROS:  # rows that do not sum to 1, some of them nothing but zeros
            return layer, (logits, values.placed(values.rng.integers(0, 3, shapes) / 2))
        return layer, (logits, values.placed(values.rng.dirichlet(np.ones(classes), rows)))

    return build


def _mse(reduction: str) -> Callable[[Values, Any], LayerAndInputs]:
    return lambda v, shape: (MSELoss(reduction), (v.real(*shape), v.real(*shape)))  # type: ignore[arg-type]


def _bce(reduction: str) -> Callable[[Values, Any], LayerAndInputs]:
    def build(values: Values, shape: Shape) -> LayerAndInputs:
        target = values.rng.uniform(size=shape).round(1 if values.kind == ZEROS else 16)
        return BCELoss(reduction), (values.probability(*shape), values.placed(target))  # type: ignore[arg-type]

    return build


def _with_biases(network: Any, values: Values) -> Any:
    """A fresh network has none; but at zero inputs and biases every unit lies on its kink, so there they stay."""
    if values.kind != ZEROS:
        for name, parameter in network.params.items():
            if name.endswith(".b"):
                parameter[...] = values.normal(*parameter.shape)
    return network


def _mlp(values: Values, shapes: tuple[int, list[int]]) -> LayerAndInputs:
    rows, sizes = shapes
    network = _with_biases(MLP(sizes, values.rng, dtype=values.dtype), values)
    return network, (values.real(rows, sizes[0]),)


def _xor(hidden: str) -> Callable[[Values, Any], LayerAndInputs]:
    def build(values: Values, rows: int) -> LayerAndInputs:
        network = XORNet(values.rng, hidden=hidden, dtype=values.dtype)  # type: ignore[arg-type]
        return _with_biases(network, values), (values.real(rows, 2),)

    return build


_ANY_SHAPE = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
_MATRIX = st.tuples(ROWS, SIDES)
_BROADCASTING = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=4)
_FEATURES = st.lists(SIDES, min_size=1, max_size=2).map(tuple)
_KINK_AT_ZERO = frozenset({ZEROS})


def _losses() -> list[Case]:
    cases = []
    for reduction in ("mean", "sum"):
        for labels in ("integer", "one-hot", "soft"):
            cases.append(
                Case(
                    f"SoftmaxWithLoss, {reduction}, {labels} labels",
                    SoftmaxWithLoss,
                    _MATRIX,
                    _softmax(reduction, labels),
                    lambda p, r=reduction: functional.cross_entropy(p["logits"], p["labels"], reduction=r),  # type: ignore[misc]
                    wrt=("logits",),
                    batched=2,
                )
            )
        cases.append(
            Case(
                f"MSELoss, {reduction}",
                MSELoss,
                _ANY_SHAPE,
                _mse(reduction),
                lambda p, r=reduction: functional.mse_loss(p["prediction"], p["target"], reduction=r),  # type: ignore[misc]
                wrt=("prediction",),
                batched=2,
            )
        )
        cases.append(
            Case(
                f"BCELoss, {reduction}",
                BCELoss,
                _ANY_SHAPE,
                _bce(reduction),
                lambda p, r=reduction: functional.binary_cross_entropy(p["probability"], p["target"], reduction=r),  # type: ignore[misc]
                wrt=("probability",),
                # At probability 0 and 1 the clamped loss has torch's gradient, which is no derivative.
                kinks=frozenset({ZEROS}),
                batched=2,
            )
        )
    return cases


CASES: tuple[Case, ...] = (
    Case("Add", Add, _BROADCASTING, _two_operands(Add), TWINS["Add"]),
    Case("Mul", Mul, _BROADCASTING, _two_operands(Mul), TWINS["Mul"]),
    Case(
        "ReLU",
        ReLU,
        _ANY_SHAPE,
        lambda v, shape: (ReLU(), (v.off_zero(*shape),)),
        TWINS["ReLU"],
        kinks=_KINK_AT_ZERO,
        batched=1,
    ),
    Case("Sigmoid", Sigmoid, _ANY_SHAPE, lambda v, shape: (Sigmoid(), (v.real(*shape),)), TWINS["Sigmoid"], batched=1),
    Case("Affine", Affine, st.tuples(ROWS, SIDES, _FEATURES), _affine, TWINS["Affine"], batched=1),
    *_losses(),
    *(
        Case(
            f"MLP of {depth} affine layer{'s' if depth > 1 else ''}",
            MLP,
            st.tuples(ROWS, st.lists(SIDES, min_size=depth + 1, max_size=depth + 1)),
            _mlp,
            TWINS["MLP"],
            kinks=_KINK_AT_ZERO if depth > 1 else frozenset(),
            smooth=depth == 1,
            batched=1,
        )
        for depth in (1, 2, 3)
    ),
    Case("XORNet, sigmoid", XORNet, ROWS, _xor("sigmoid"), TWINS["XORNet"], batched=1),
    Case(
        "XORNet, relu",
        XORNet,
        ROWS,
        _xor("relu"),
        lambda p: sigmoid(TWINS["MLP"](p)),
        kinks=_KINK_AT_ZERO,
        smooth=False,
        batched=1,
    ),
)

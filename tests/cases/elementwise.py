"""Layers that treat every element alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.nn import functional

from gradcheck_kit.cli.torch_twins import TWINS
from reference_impls.layers import Add, Dropout, LeakyReLU, Mul, ReLU, Sigmoid, Tanh
from tests.cases.case import ANY_SHAPE, KINK_AT_ZERO, Case, LayerAndInputs, Shape, Twin, Values

_BROADCASTING = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=4)
_DropoutSettings = tuple[Shape, float, bool, int]


def _two_operands(layer: type[Add] | type[Mul]) -> Callable[[Values, Any], LayerAndInputs]:
    def build(values: Values, shapes: Any) -> LayerAndInputs:
        return layer(), tuple(values.real(*shape) for shape in shapes.input_shapes)

    return build


def _dropout(values: Values, settings: _DropoutSettings) -> LayerAndInputs:
    shape, p, training, seed = settings
    return Dropout(p, np.random.default_rng(seed)).train(training), (values.real(*shape),)


def _dropout_twin(settings: _DropoutSettings) -> Twin:
    """torch draws other numbers, so the mask is drawn here; the scaling is torch's."""
    shape, p, training, seed = settings
    dropped = torch.tensor(np.random.default_rng(seed).random(shape) < p)
    if not training:
        return lambda point: point["x"].clone()
    return lambda point: point["x"].masked_fill(dropped.to(point["x"].device), 0.0) / (1 - p)


ELEMENTWISE = (
    Case("Add", Add, _BROADCASTING, _two_operands(Add), TWINS["Add"]),
    Case("Mul", Mul, _BROADCASTING, _two_operands(Mul), TWINS["Mul"]),
    Case(
        "ReLU",
        ReLU,
        ANY_SHAPE,
        lambda v, shape: (ReLU(), (v.off_zero(*shape),)),
        TWINS["ReLU"],
        kinks=KINK_AT_ZERO,
        batched=1,
    ),
    Case(
        "LeakyReLU",
        LeakyReLU,
        st.tuples(ANY_SHAPE, st.sampled_from([0.0, 0.01, 0.3, 1.0, 2.0])),
        lambda v, drawn: (LeakyReLU(drawn[1]), (v.off_zero(*drawn[0]),)),
        twin_with=lambda drawn: lambda p: functional.leaky_relu(p["x"], drawn[1]),
        kinks=KINK_AT_ZERO,
        batched=1,
    ),
    Case("Sigmoid", Sigmoid, ANY_SHAPE, lambda v, shape: (Sigmoid(), (v.real(*shape),)), TWINS["Sigmoid"], batched=1),
    Case("Tanh", Tanh, ANY_SHAPE, lambda v, shape: (Tanh(), (v.real(*shape),)), TWINS["Tanh"], batched=1),
    Case(
        "Dropout",
        Dropout,
        st.tuples(ANY_SHAPE, st.sampled_from([0.0, 0.25, 0.5]), st.booleans(), st.integers(0, 1000)),
        _dropout,
        twin_with=_dropout_twin,
    ),
)

"""Layers on rows: affine, flatten, embedding, softmax."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradcheck_kit.cli.torch_twins import TWINS
from reference_impls.layers import Affine, Embedding, Flatten, LogSoftmax, Softmax
from tests.cases.case import ROWS, SIDES, Case, LayerAndInputs, Shape, Values

_FEATURES = st.lists(SIDES, min_size=1, max_size=2).map(tuple)
_IMAGES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=3)


def _affine(values: Values, shapes: tuple[int, int, Shape]) -> LayerAndInputs:
    rows, columns, features = shapes
    W = values.real(int(np.prod(features)), columns)
    return Affine(W, values.real(columns)), (values.real(rows, *features),)


def _embedding(values: Values, shapes: tuple[int, int, Shape]) -> LayerAndInputs:
    rows, features, indices = shapes
    return Embedding(values.real(rows, features)), (values.rng.integers(0, rows, indices),)


def _along_an_axis(layer: type[Softmax] | type[LogSoftmax]) -> Callable[[Values, Any], LayerAndInputs]:
    return lambda values, drawn: (layer(_axis(drawn)), (values.real(*drawn[0]),))


def _axis(drawn: tuple[Shape, int]) -> int:
    """One that the shape has, from either end."""
    shape, number = drawn
    return number % (2 * len(shape)) - len(shape)


_WITH_AXIS = st.tuples(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5), st.integers(0, 5))

ROW_LAYERS = (
    Case("Affine", Affine, st.tuples(ROWS, SIDES, _FEATURES), _affine, TWINS["Affine"], batched=1),
    Case("Flatten", Flatten, _IMAGES, lambda v, shape: (Flatten(), (v.real(*shape),)), TWINS["Flatten"], batched=1),
    Case(
        "Embedding",
        Embedding,
        st.tuples(SIDES, SIDES, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4)),
        _embedding,
        TWINS["Embedding"],
    ),
    Case(
        "Softmax",
        Softmax,
        _WITH_AXIS,
        _along_an_axis(Softmax),
        twin_with=lambda drawn: lambda p: torch.softmax(p["x"], _axis(drawn)),
        batched=1,
    ),
    Case(
        "LogSoftmax",
        LogSoftmax,
        _WITH_AXIS,
        _along_an_axis(LogSoftmax),
        twin_with=lambda drawn: lambda p: torch.log_softmax(p["x"], _axis(drawn)),
        batched=1,
    ),
)

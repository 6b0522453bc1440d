"""Layers that normalise by a mean and a variance, with shapes, mode and statistics drawn."""

from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st
from torch.nn import functional

from gradcheck_kit.cli.torch_twins import Point
from reference_impls.layers import BatchNorm1d, BatchNorm2d, LayerNorm
from tests.cases.case import Array, Case, Example, LayerAndInputs, Shape, Twin, Values


@dataclass(frozen=True)
class BatchNorm:
    """Settings of a batch norm; the running statistics are those of `running`."""

    x: Shape
    training: bool
    eps: float

    @property
    def running(self) -> tuple[Array, Array]:
        """Mean and variance, different in every channel."""
        number = np.arange(self.x[1])
        return 0.5 - number, 0.5 + number

    def build(self, values: Values) -> LayerAndInputs:
        channels = self.x[1]
        norm = BatchNorm2d if len(self.x) == 4 else BatchNorm1d
        layer = norm(values.normal(channels), values.normal(channels), eps=self.eps).train(self.training)
        for buffer, running in zip(layer.buffers.values(), self.running, strict=True):
            buffer[...] = running
        return layer, (values.real(*self.x),)

    def twin(self) -> Twin:
        def run(p: Point) -> torch.Tensor:
            mean, var = (torch.tensor(a, dtype=p["x"].dtype, device=p["x"].device) for a in self.running)
            return functional.batch_norm(p["x"], mean, var, p["gamma"], p["beta"], self.training, eps=self.eps)

        return run


@dataclass(frozen=True)
class LayerNormalization:
    """Settings of a layer norm."""

    batch: Shape
    normalized: Shape
    eps: float

    def build(self, values: Values) -> LayerAndInputs:
        gamma, beta = values.normal(*self.normalized), values.normal(*self.normalized)
        return LayerNorm(gamma, beta, eps=self.eps), (values.real(*self.batch, *self.normalized),)

    def twin(self) -> Twin:
        return lambda p: functional.layer_norm(p["x"], self.normalized, p["gamma"], p["beta"], self.eps)


def _variances(example: Example) -> Array:
    """Not their roots: the gradient of a normalised number divides by the standard deviation once more."""
    settings, x = example.shapes, example.inputs[0].astype(np.float64)
    if x.size == 0:
        return np.ones(1)
    if isinstance(settings, LayerNormalization):
        var = x.var(axis=tuple(range(-len(settings.normalized), 0)))
    elif settings.training:
        var = x.var(axis=(0, *range(2, x.ndim)))
    else:
        var = settings.running[1]
    return np.asarray(var + settings.eps)


_LEAST = st.sampled_from([1e-5, 1e-3, 0.1])
_CHANNELS = st.integers(1, 3)
_SIDES = st.integers(1, 3)


def _batches(*tail: st.SearchStrategy[int]) -> st.SearchStrategy[BatchNorm]:
    """In training, not a single value a channel, and not two: of two, the normalised are ±1 whatever they are."""
    shapes = st.tuples(st.sampled_from([0, 1, 2, 3, 5]), _CHANNELS, *tail)
    drawn = st.builds(BatchNorm, shapes, st.booleans(), _LEAST)
    return drawn.filter(lambda b: not b.training or b.x[0] * int(np.prod(b.x[2:])) not in (1, 2))


_LAYER_NORMS = st.builds(
    LayerNormalization,
    st.lists(st.integers(0, 3), max_size=2).map(tuple),
    st.lists(st.integers(1, 4), min_size=1, max_size=2).map(tuple).filter(lambda shape: int(np.prod(shape)) > 2),
    _LEAST,
)

NORMALIZATION = (
    Case(
        "BatchNorm1d",
        BatchNorm1d,
        _batches() | _batches(_SIDES),
        lambda v, settings: settings.build(v),
        twin_with=BatchNorm.twin,
        batched=1,
        divides_by=_variances,
    ),
    Case(
        "BatchNorm2d",
        BatchNorm2d,
        _batches(_SIDES, _SIDES),
        lambda v, settings: settings.build(v),
        twin_with=BatchNorm.twin,
        batched=1,
        divides_by=_variances,
    ),
    Case(
        "LayerNorm",
        LayerNorm,
        _LAYER_NORMS,
        lambda v, settings: settings.build(v),
        twin_with=LayerNormalization.twin,
        divides_by=_variances,
    ),
)

"""Which reference layers and networks are verified, at which points, and which torch function is their twin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck_kit.adapters import build
from gradcheck_kit.subject import Subject
from reference_impls.layers import (
    Add,
    Affine,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    BCELoss,
    BCEWithLogitsLoss,
    Conv2d,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool2d,
    MSELoss,
    Mul,
    ReLU,
    Sigmoid,
    Softmax,
    SoftmaxWithLoss,
    Tanh,
)
from reference_impls.networks import MLP, LeNet, SimpleNet, XORNet

# What a twin cannot read off the point: the share dropped and the seed, and statistics of earlier batches.
DROPOUT = (0.4, 7)
RUNNING_MEAN = (0.5, -1.0, 2.0)
RUNNING_VAR = (0.5, 1.0, 2.0)

DType = type[np.floating[Any]]
Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Entry:
    """One reference layer at random points.

    Attributes:
        name: what tables call it; also the key of its twin in `torch_twins`.
        draw: generator and dtype → the layer and its inputs.
        wrt: the inputs that it has a gradient for, where that is not all.
    """

    name: str
    draw: Callable[[np.random.Generator, DType], tuple[Any, tuple[Any, ...]]]
    wrt: Sequence[str] | None = None

    def subject(self, generator: np.random.Generator, dtype: DType) -> Subject:
        """The layer at a random point."""
        layer, inputs = self.draw(generator, dtype)
        return self.subject_of(layer, *inputs)

    def subject_of(self, layer: Any, *inputs: Any) -> Subject:
        """The layer at a given point."""
        return build.layer(layer, *inputs, name=self.name).restricted_to(self.wrt)


def _normal(generator: np.random.Generator, dtype: DType, *shape: int) -> Values:
    return generator.normal(size=shape).astype(dtype)


def _broadcasting(layer: type[Add] | type[Mul]) -> Callable[[np.random.Generator, DType], tuple[Any, tuple[Any, ...]]]:
    return lambda g, dtype: (layer(), (_normal(g, dtype, 4, 1, 3), _normal(g, dtype, 5, 1)))


def _affine(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return Affine(_normal(g, dtype, 6, 4), _normal(g, dtype, 4)), (_normal(g, dtype, 5, 2, 3),)


def _dropout(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    p, seed = DROPOUT
    return Dropout(p, np.random.default_rng(seed)), (_normal(g, dtype, 5, 6),)


def _embedding(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return Embedding(_normal(g, dtype, 5, 3)), (g.integers(0, 5, (4, 3)),)


def _convolution(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    W, b = _normal(g, dtype, 6, 2, 3, 2), _normal(g, dtype, 6)
    layer = Conv2d(W, b, stride=2, padding=(1, 2), dilation=(2, 1), groups=2)
    return layer, (_normal(g, dtype, 2, 4, 7, 6),)


def _batch_norm(
    norm: type[BatchNorm1d] | type[BatchNorm2d], *shape: int, training: bool = True
) -> Callable[[np.random.Generator, DType], tuple[Any, tuple[Any, ...]]]:
    def draw(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
        layer = norm(_normal(g, dtype, 3), _normal(g, dtype, 3)).train(training)
        layer.buffers["running_mean"][...] = RUNNING_MEAN
        layer.buffers["running_var"][...] = RUNNING_VAR
        return layer, (_normal(g, dtype, *shape),)

    return draw


def _layer_norm(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return LayerNorm(_normal(g, dtype, 3, 4), _normal(g, dtype, 3, 4)), (_normal(g, dtype, 5, 3, 4),)


def _classes(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return SoftmaxWithLoss(), (_normal(g, dtype, 7, 5), g.integers(0, 5, 7))


def _soft_labels(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    labels = g.dirichlet(np.ones(5), 7).astype(dtype)
    return SoftmaxWithLoss(reduction="sum"), (_normal(g, dtype, 7, 5), labels)


def _smoothed(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return SoftmaxWithLoss(label_smoothing=0.1), (_normal(g, dtype, 7, 5), g.integers(0, 5, 7))


def _squared(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return MSELoss(), (_normal(g, dtype, 6, 3), _normal(g, dtype, 6, 3))


def _binary(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return BCELoss(), (g.uniform(0.1, 0.9, (6, 3)).astype(dtype), g.uniform(size=(6, 3)).astype(dtype))


def _binary_of_logits(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return BCEWithLogitsLoss(), (_normal(g, dtype, 6, 3), g.uniform(size=(6, 3)).astype(dtype))


def _mlp(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return MLP([8, 6, 4], g, dtype=dtype), (_normal(g, dtype, 5, 8),)


def _xor(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return XORNet(g, hidden="sigmoid", dtype=dtype), (_normal(g, dtype, 4, 2),)


def _simple(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return SimpleNet(g, dtype=dtype), (_normal(g, dtype, 5, 10),)


def _lenet(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return LeNet(g, dtype=dtype), (g.uniform(size=(1, 1, 28, 28)).astype(dtype),)


CATALOGUE = (
    Entry("Add", _broadcasting(Add)),
    Entry("Mul", _broadcasting(Mul)),
    Entry("ReLU", lambda g, dtype: (ReLU(), (_normal(g, dtype, 5, 6),))),
    Entry("LeakyReLU", lambda g, dtype: (LeakyReLU(0.1), (_normal(g, dtype, 5, 6),))),
    Entry("Sigmoid", lambda g, dtype: (Sigmoid(), (2 * _normal(g, dtype, 5, 6),))),
    Entry("Tanh", lambda g, dtype: (Tanh(), (_normal(g, dtype, 5, 6),))),
    Entry("Dropout", _dropout),
    Entry("Affine", _affine),
    Entry("Flatten", lambda g, dtype: (Flatten(), (_normal(g, dtype, 3, 2, 4),))),
    Entry("Embedding", _embedding),
    Entry("Softmax", lambda g, dtype: (Softmax(), (_normal(g, dtype, 5, 6),))),
    Entry("LogSoftmax", lambda g, dtype: (LogSoftmax(), (_normal(g, dtype, 5, 6),))),
    Entry("Conv2d", _convolution),
    Entry("MaxPool2d", lambda g, dtype: (MaxPool2d(3, stride=2, padding=1), (_normal(g, dtype, 2, 2, 5, 6),))),
    Entry("AvgPool2d", lambda g, dtype: (AvgPool2d(3, stride=2, padding=1), (_normal(g, dtype, 2, 2, 5, 6),))),
    Entry("BatchNorm1d", _batch_norm(BatchNorm1d, 7, 3)),
    Entry("BatchNorm2d", _batch_norm(BatchNorm2d, 4, 3, 2, 3)),
    Entry("BatchNorm2d (evaluation)", _batch_norm(BatchNorm2d, 4, 3, 2, 3, training=False)),
    Entry("LayerNorm", _layer_norm),
    Entry("SoftmaxWithLoss", _classes),
    Entry("SoftmaxWithLoss (soft labels)", _soft_labels, wrt=("logits",)),
    Entry("SoftmaxWithLoss (label smoothing)", _smoothed),
    Entry("MSELoss", _squared, wrt=("prediction",)),
    Entry("BCELoss", _binary, wrt=("probability",)),
    Entry("BCEWithLogitsLoss", _binary_of_logits, wrt=("logits",)),
    Entry("MLP", _mlp),
    Entry("SimpleNet", _simple),
    Entry("XORNet", _xor),
)
LARGE = (Entry("LeNet", _lenet),)
"""Together with those every layer and network of `reference_impls`; a test compares this with what the packages export.
A checker that visits every element would not come to an end on the large ones.
"""

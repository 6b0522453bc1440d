"""Which reference layers and networks are verified, at which points, and which torch function is their twin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck_kit.adapters import build
from gradcheck_kit.subject import Subject
from reference_impls.layers import Add, Affine, BCELoss, MSELoss, Mul, ReLU, Sigmoid, SoftmaxWithLoss
from reference_impls.networks import MLP, XORNet

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


def _classes(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return SoftmaxWithLoss(), (_normal(g, dtype, 7, 5), g.integers(0, 5, 7))


def _soft_labels(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    labels = g.dirichlet(np.ones(5), 7).astype(dtype)
    return SoftmaxWithLoss(reduction="sum"), (_normal(g, dtype, 7, 5), labels)


def _squared(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return MSELoss(), (_normal(g, dtype, 6, 3), _normal(g, dtype, 6, 3))


def _binary(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return BCELoss(), (g.uniform(0.1, 0.9, (6, 3)).astype(dtype), g.uniform(size=(6, 3)).astype(dtype))


def _mlp(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return MLP([8, 6, 4], g, dtype=dtype), (_normal(g, dtype, 5, 8),)


def _xor(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return XORNet(g, hidden="sigmoid", dtype=dtype), (_normal(g, dtype, 4, 2),)


CATALOGUE = (
    Entry("Add", _broadcasting(Add)),
    Entry("Mul", _broadcasting(Mul)),
    Entry("ReLU", lambda g, dtype: (ReLU(), (_normal(g, dtype, 5, 6),))),
    Entry("Sigmoid", lambda g, dtype: (Sigmoid(), (2 * _normal(g, dtype, 5, 6),))),
    Entry("Affine", _affine),
    Entry("SoftmaxWithLoss", _classes),
    Entry("SoftmaxWithLoss (soft labels)", _soft_labels, wrt=("logits",)),
    Entry("MSELoss", _squared, wrt=("prediction",)),
    Entry("BCELoss", _binary, wrt=("probability",)),
    Entry("MLP", _mlp),
    Entry("XORNet", _xor),
)
"""Every layer and network of `reference_impls`; a test compares this with what the packages export."""

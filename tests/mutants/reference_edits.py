"""Six edits of the reference layers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from reference_impls.layers import Add, Affine, Mul, ReLU, Sigmoid, SoftmaxWithLoss
from reference_impls.layers.summation import sum_to_shape
from tests.mutants.planting import Array, Rng, layer, off_zero, one, two


class SigmoidWithoutComplement(Sigmoid):
    def backward(self, cotangent: Array) -> Array:
        return np.asarray(cotangent * self._saved_by_forward())


class AffineAveragesBias(Affine):
    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        self.grads["b"] = cotangent.mean(axis=0)
        return dx


class ReLUMasksByCotangent(ReLU):
    def backward(self, cotangent: Array) -> Array:
        return np.where(cotangent <= 0, 0.0, cotangent)


class MulDoesNotSwap(Mul):
    def backward(self, cotangent: Any) -> tuple[Array, Array]:
        x, y = self._saved_by_forward()
        return sum_to_shape(cotangent * x, x.shape, x.dtype), sum_to_shape(cotangent * y, y.shape, y.dtype)


class SoftmaxIgnoresCotangent(SoftmaxWithLoss):
    def backward(self, cotangent: Any = 1.0) -> Array:
        return super().backward(1.0)


class AddForgetsToSum(Add):
    def backward(self, cotangent: Any) -> tuple[Array, Array]:
        return cotangent.copy(), cotangent.copy()


def affine(cls: type[Affine]) -> Callable[[Rng], Affine]:
    return lambda g: cls(g.normal(size=(4, 3)), g.normal(size=3))


REFERENCE_EDITS = (
    layer(
        "Sigmoid loses its (1 - out) factor",
        lambda _: Sigmoid(),
        lambda _: SigmoidWithoutComplement(),
        one(3, 4),
        cause="missing-factor",
    ),
    layer(
        "Affine averages db",
        affine(Affine),
        affine(AffineAveragesBias),
        one(5, 4),
        input="b",
        cause="averaged-not-summed",
    ),
    layer(
        "ReLU masks by the cotangent",
        lambda _: ReLU(),
        lambda _: ReLUMasksByCotangent(),
        off_zero(3, 4),
        cause="nonlinear-in-cotangent",
        question="linearity",
    ),
    layer(
        "Mul does not swap its inputs",
        lambda _: Mul(),
        lambda _: MulDoesNotSwap(),
        two((3, 4), (3, 4)),
        cause="swapped-gradients",
    ),
    layer(
        "SoftmaxWithLoss ignores its cotangent",
        lambda _: SoftmaxWithLoss(),
        lambda _: SoftmaxIgnoresCotangent(),
        lambda g: (g.normal(size=(5, 4)), g.integers(0, 4, 5)),
        input="logits",
        cause="cotangent-ignored",
        question="linearity",
    ),
    layer(
        "Add forgets to sum over a broadcast axis",
        lambda _: Add(),
        lambda _: AddForgetsToSum(),
        two((4, 3), (3,)),
        input="y",
        cause="wrong-shape",
        question="contract",
    ),
)

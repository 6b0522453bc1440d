"""Layers that keep state, or write where they should not."""

from collections.abc import Callable

import numpy as np

from reference_impls.layers import Affine, ReLU
from reference_impls.layers.layer import Layer
from tests.mutants.planting import Array, Rng, both_signs, layer, one
from tests.mutants.reference_edits import affine


class Square(Layer[Array]):
    """A right layer of one input, to be broken in one place."""

    def forward(self, x: Array) -> Array:
        self._save(x)
        return np.asarray(x**2)

    def backward(self, cotangent: Array) -> Array:
        return np.asarray(2 * self._saved_by_forward() * cotangent)


class SquareOfFirstInput(Square):
    def forward(self, x: Array) -> Array:
        first = self._saved
        output = super().forward(x)
        if first is not None:
            self._save(first)
        return output


class SquareInPlace(Square):
    def forward(self, x: Array) -> Array:
        self._save(x.copy())
        x *= x
        return x.copy()


class SquareOverwritesCotangent(Square):
    def backward(self, cotangent: Array) -> Array:
        cotangent *= 2 * self._saved_by_forward()
        return cotangent.copy()


class SquareNoisyBackward(Square):
    def __init__(self) -> None:
        super().__init__()
        self._rng = np.random.default_rng(0)

    def backward(self, cotangent: Array) -> Array:
        return super().backward(cotangent) * (1 + 1e-9 * self._rng.normal(size=cotangent.shape))


class SquareBackwardOverwritesInput(Square):
    def backward(self, cotangent: Array) -> Array:
        gradient = super().backward(cotangent)
        self._saved_by_forward().fill(0.0)
        return gradient


class ReLUInPlace(ReLU):
    """Overwrites by an idempotent operation, so that a second call changes nothing more."""

    def forward(self, x: Array) -> Array:
        np.maximum(x, 0.0, out=x)
        return super().forward(x)


class AffineAccumulates(Affine):
    def backward(self, cotangent: Array) -> Array:
        before = self.grads
        dx = super().backward(cotangent)
        for name, gradient in before.items():
            self.grads[name] += gradient
        return dx


class AffineWithFirstWeights(Affine):
    def __init__(self, W: Array, b: Array) -> None:
        super().__init__(W, b)
        self._W = W + 0.1

    def backward(self, cotangent: Array) -> Array:
        super().backward(cotangent)
        return np.asarray(cotangent @ self._W.T)


class AffineForgetsBias(Affine):
    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        self.grads["b"] = np.zeros_like(self.params["b"])
        return dx


def _square(cls: type[Square]) -> Callable[[Rng], Square]:
    return lambda _: cls()


STATEFUL = (
    layer("backward uses the first forward's input", _square(Square), _square(SquareOfFirstInput), one(7)),
    layer(
        "forward overwrites its input",
        _square(Square),
        _square(SquareInPlace),
        one(7),
        cause="mutated-input",
        question="purity",
    ),
    layer(
        "forward applies ReLU in place",
        lambda _: ReLU(),
        lambda _: ReLUInPlace(),
        both_signs(7),
        cause="mutated-input",
        question="purity",
    ),
    layer(
        "backward overwrites the cotangent",
        _square(Square),
        _square(SquareOverwritesCotangent),
        one(7),
        input="the cotangent of output",
        cause="mutated-cotangent",
        question="purity",
    ),
    layer(
        "backward overwrites its input",
        _square(Square),
        _square(SquareBackwardOverwritesInput),
        one(7),
        cause="mutated-input",
        question="purity",
    ),
    layer(
        "backward is random",
        _square(Square),
        _square(SquareNoisyBackward),
        one(7),
        cause="nondeterministic-backward",
        question="determinism",
    ),
    layer(
        "gradients accumulate over calls",
        affine(Affine),
        affine(AffineAccumulates),
        one(5, 4),
        input="W",
        cause="nondeterministic-backward",
        question="determinism",
    ),
    layer(
        "backward uses a copy of the weights that is out of date",
        affine(Affine),
        affine(AffineWithFirstWeights),
        one(5, 4),
    ),
    layer(
        "a bias without a gradient",
        affine(Affine),
        affine(AffineForgetsBias),
        one(5, 4),
        input="b",
        cause="zero-gradient",
    ),
)

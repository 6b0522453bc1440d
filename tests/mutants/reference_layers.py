"""Edits of the reference layers on elements and rows: activations, softmax, dropout, embedding, losses."""

from collections.abc import Callable
from typing import Any

import numpy as np

from reference_impls.layers import (
    BCEWithLogitsLoss,
    Dropout,
    Embedding,
    Flatten,
    LeakyReLU,
    LogSoftmax,
    Softmax,
    SoftmaxWithLoss,
    Tanh,
)
from reference_impls.layers.activations import sigmoid
from tests.mutants.planting import Array, Mutant, Rng, both_signs, layer, one


class TanhWithoutSquare(Tanh):
    def backward(self, cotangent: Array) -> Array:
        return np.asarray(cotangent * (1 - self._saved_by_forward()))


class TanhOfSigmoidsSlope(Tanh):
    def backward(self, cotangent: Array) -> Array:
        out = self._saved_by_forward()
        return np.asarray(cotangent * out * (1 - out))


class LeakyReLUForgetsSlope(LeakyReLU):
    def backward(self, cotangent: Array) -> Array:
        right, _ = self._saved_by_forward()
        return np.where(right, cotangent, 0.0)


class LeakyReLUDividesBySlope(LeakyReLU):
    def backward(self, cotangent: Array) -> Array:
        right, _ = self._saved_by_forward()
        return np.where(right, cotangent, cotangent / self.slope)


class SoftmaxOfDiagonal(Softmax):
    def backward(self, cotangent: Array) -> Array:
        out = self._saved_by_forward()
        return np.asarray(cotangent * out * (1 - out))


class SoftmaxSumsOverBatch(Softmax):
    def backward(self, cotangent: Array) -> Array:
        out = self._saved_by_forward()
        return np.asarray(out * (cotangent - (cotangent * out).sum(axis=0, keepdims=True)))


class LogSoftmaxDetachesItsSum(LogSoftmax):
    def backward(self, cotangent: Array) -> Array:
        self._saved_by_forward()
        return cotangent.copy()


class LogSoftmaxForgetsExp(LogSoftmax):
    def backward(self, cotangent: Array) -> Array:
        return np.asarray(cotangent - self._saved_by_forward() * cotangent.sum(axis=-1, keepdims=True))


class DropoutForgetsScale(Dropout):
    def backward(self, cotangent: Array) -> Array:
        return np.where(self._saved_by_forward() > 0, cotangent, 0.0)


class DropoutDrawsAgain(Dropout):
    """Another mask, yet the same one after every forward: its generator is replayed, so that it is no randomness."""

    def backward(self, cotangent: Array) -> Array:
        kept = self.rng.random(cotangent.shape) >= self.p
        return np.asarray(cotangent * kept / (1 - self.p))


class FlattenInFortranOrder(Flatten):
    def backward(self, cotangent: Array) -> Array:
        return np.array(cotangent.reshape(self._saved_by_forward()[0], order="F"), order="C")


class FlattenStaysFlat(Flatten):
    def backward(self, cotangent: Array) -> Array:
        self._saved_by_forward()
        return cotangent.copy()


class EmbeddingKeepsLastOfEqualIndices(Embedding):
    def backward(self, cotangent: Array) -> None:
        indices, W = self._saved_by_forward()
        self.grads = {"W": np.zeros_like(W)}
        self.grads["W"][indices] += cotangent


class EmbeddingAveragesEqualIndices(Embedding):
    def backward(self, cotangent: Array) -> None:
        super().backward(cotangent)
        indices, W = self._saved_by_forward()
        counts = np.bincount(indices.ravel(), minlength=len(W))
        self.grads["W"] /= np.maximum(counts, 1)[:, np.newaxis]


class LogitsLossOfProbability(BCEWithLogitsLoss):
    def backward(self, cotangent: Any = 1.0) -> Array:
        """Of BCELoss, without the slope of the sigmoid."""
        z, t = self._saved_by_forward()
        p = sigmoid(z)
        return np.asarray((p - t) / (p * (1 - p)) * cotangent / z.size)


class LogitsLossForgetsMean(BCEWithLogitsLoss):
    def backward(self, cotangent: Any = 1.0) -> Array:
        z, t = self._saved_by_forward()
        return np.asarray((sigmoid(z) - t) * cotangent)


class SmoothingInForwardAlone(SoftmaxWithLoss):
    def backward(self, cotangent: Any = 1.0) -> Array:
        log_p, smoothed = self._saved_by_forward()
        self._save((log_p, smoothed.argmax(axis=1)))
        return super().backward(cotangent)


class SmoothingOverOtherClasses(SoftmaxWithLoss):
    def backward(self, cotangent: Any = 1.0) -> Array:
        """s / (K - 1) for the other classes, nothing for the label's own."""
        log_p, smoothed = self._saved_by_forward()
        rows, classes = log_p.shape
        labels = np.full(log_p.shape, self.label_smoothing / (classes - 1))
        labels[np.arange(rows), smoothed.argmax(axis=1)] = 1 - self.label_smoothing
        self._save((log_p, labels))
        return super().backward(cotangent)


def _leaky(cls: type[LeakyReLU]) -> Callable[[Rng], LeakyReLU]:
    return lambda _: cls(0.2)


def _dropout(cls: type[Dropout]) -> Callable[[Rng], Dropout]:
    return lambda g: cls(0.4, np.random.default_rng(g.integers(2**31)))


def _embedding(cls: type[Embedding]) -> Callable[[Rng], Embedding]:
    return lambda g: cls(g.normal(size=(5, 3)))


def _smoothing(cls: type[SoftmaxWithLoss]) -> Callable[[Rng], SoftmaxWithLoss]:
    return lambda _: cls(label_smoothing=0.3)


def _repeated(_: Rng) -> tuple[Any, ...]:
    return (np.array([[2, 0, 2], [1, 1, 2]]),)


def _labels(g: Rng) -> tuple[Any, ...]:
    return g.normal(size=(5, 4)), g.integers(0, 4, 5)


def _targets(g: Rng) -> tuple[Any, ...]:
    return g.normal(size=(5, 4)), g.integers(0, 2, (5, 4))


def _plain(right: type, wrong: type) -> tuple[Callable[[Rng], Any], Callable[[Rng], Any]]:
    return lambda _: right(), lambda _: wrong()


def _pair(
    build: Callable[[Any], Callable[[Rng], Any]], right: type, wrong: type
) -> tuple[Callable[[Rng], Any], Callable[[Rng], Any]]:
    return build(right), build(wrong)


REFERENCE_LAYERS: tuple[Mutant, ...] = (
    layer("Tanh forgets to square", *_plain(Tanh, TanhWithoutSquare), one(3, 4), cause="missing-factor"),
    layer("Tanh has the sigmoid's slope", *_plain(Tanh, TanhOfSigmoidsSlope), one(3, 4), cause="wrong-factor"),
    layer(
        "LeakyReLU forgets its slope",
        *_pair(_leaky, LeakyReLU, LeakyReLUForgetsSlope),
        both_signs(3, 4),
        cause="wrong-where-negative",
    ),
    layer(
        "LeakyReLU divides by its slope",
        *_pair(_leaky, LeakyReLU, LeakyReLUDividesBySlope),
        both_signs(3, 4),
        cause="wrong-where-negative",
    ),
    layer("Softmax keeps the diagonal of its Jacobian alone", *_plain(Softmax, SoftmaxOfDiagonal), one(3, 4)),
    layer(
        "Softmax sums over the batch on the way back",
        *_plain(Softmax, SoftmaxSumsOverBatch),
        one(3, 4),
        cause="wrong-axis",
    ),
    layer("LogSoftmax detaches its sum", *_plain(LogSoftmax, LogSoftmaxDetachesItsSum), one(3, 4)),
    layer("LogSoftmax forgets its exp", *_plain(LogSoftmax, LogSoftmaxForgetsExp), one(3, 4)),
    layer(
        "Dropout forgets to scale", *_pair(_dropout, Dropout, DropoutForgetsScale), one(5, 6), cause="constant-factor"
    ),
    layer(
        "Dropout draws another mask for backward",
        *_pair(_dropout, Dropout, DropoutDrawsAgain),
        one(5, 6),
    ),
    layer("Flatten unflattens in Fortran order", *_plain(Flatten, FlattenInFortranOrder), one(3, 2, 4)),
    layer(
        "Flatten leaves the gradient flat",
        *_plain(Flatten, FlattenStaysFlat),
        one(3, 2, 4),
        cause="wrong-shape",
        question="contract",
    ),
    layer(
        "Embedding keeps the last of equal indices",
        *_pair(_embedding, Embedding, EmbeddingKeepsLastOfEqualIndices),
        _repeated,
        input="W",
    ),
    layer(
        "Embedding averages over equal indices",
        *_pair(_embedding, Embedding, EmbeddingAveragesEqualIndices),
        _repeated,
        input="W",
    ),
    layer(
        "BCEWithLogitsLoss has the slope of BCELoss",
        *_plain(BCEWithLogitsLoss, LogitsLossOfProbability),
        _targets,
        input="logits",
    ),
    layer(
        "BCEWithLogitsLoss forgets the mean",
        *_plain(BCEWithLogitsLoss, LogitsLossForgetsMean),
        _targets,
        input="logits",
        cause="summed-not-averaged",
    ),
    layer(
        "label smoothing in forward alone",
        *_pair(_smoothing, SoftmaxWithLoss, SmoothingInForwardAlone),
        _labels,
        input="logits",
    ),
    layer(
        "label smoothing over the other classes alone",
        *_pair(_smoothing, SoftmaxWithLoss, SmoothingOverOtherClasses),
        _labels,
        input="logits",
    ),
)

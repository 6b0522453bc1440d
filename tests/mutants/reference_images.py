"""Edits of the reference layers on images and of the norms."""

from collections.abc import Callable
from typing import Any

import numpy as np

from reference_impls.layers import AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, LayerNorm, MaxPool2d
from tests.mutants.planting import Array, Mutant, Rng, layer, one


class ConvOverwritesOverlaps(Conv2d):
    def backward(self, cotangent: Array) -> Array:
        """col2im that assigns where it should add."""
        dx = super().backward(cotangent)
        _, W, shape, out_shape = self._saved_by_forward()
        u = cotangent.reshape(out_shape[0], 1, out_shape[1], -1)
        dwindows = (W.reshape(len(W), -1).T @ u).reshape(*shape[:2], *W.shape[2:], *out_shape[2:])
        places = self.windows.cut(dx, writeable=True)
        for i, j in np.ndindex(*W.shape[2:]):
            places[:, :, i, j] = dwindows[:, :, i, j]
        return dx


class ConvFlipsItsFilter(Conv2d):
    def backward(self, cotangent: Array) -> Array:
        columns, W, *shapes = self._saved_by_forward()
        self._save((columns, W[:, :, ::-1, ::-1].copy(), *shapes))
        return super().backward(cotangent)


class ConvForgetsPositionsOfBias(Conv2d):
    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        self.grads["b"] = cotangent[:, :, 0, 0].sum(axis=0)
        return dx


class ConvTakesFirstImageForW(Conv2d):
    def backward(self, cotangent: Array) -> Array:
        columns, W, *_ = self._saved_by_forward()
        dx = super().backward(cotangent)
        u = cotangent.reshape(len(cotangent), 1, len(W), -1)
        self.grads["W"] = (u @ columns.swapaxes(-1, -2))[0].reshape(W.shape)
        return dx


class MaxPoolGivesToAll(MaxPool2d):
    def backward(self, cotangent: Array) -> Array:
        _, shape, _ = self._saved_by_forward()
        share = np.broadcast_to(
            cotangent[:, :, np.newaxis, np.newaxis], (*shape[:2], *self.windows.kernel, *cotangent.shape[2:])
        )
        return self.windows.add(share, shape)


class MaxPoolPicksTransposed(MaxPool2d):
    def backward(self, cotangent: Array) -> Array:
        winner, *rest = self._saved_by_forward()
        rows, columns = self.windows.kernel
        self._save((winner % columns * rows + winner // columns, *rest))
        dx = super().backward(cotangent)
        self._save((winner, *rest))
        return dx


class AvgPoolForgetsToDivide(AvgPool2d):
    def backward(self, cotangent: Array) -> Array:
        return super().backward(cotangent) * self._saved_by_forward()[0].max()


class AvgPoolCountsWithoutPadding(AvgPool2d):
    def backward(self, cotangent: Array) -> Array:
        """As for count_include_pad=False, which is not what forward divided by."""
        count, shape, *rest = self._saved_by_forward()
        self._save((self._sums(self.windows.pad(np.ones((1, 1, *shape[2:])))), shape, *rest))
        dx = super().backward(cotangent)
        self._save((count, shape, *rest))
        return dx


class ConstantStatistics1d(BatchNorm1d):
    def backward(self, cotangent: Array) -> Array:
        return _with_constant_statistics(super().backward, self, cotangent)


class ConstantStatistics2d(BatchNorm2d):
    def backward(self, cotangent: Array) -> Array:
        return _with_constant_statistics(super().backward, self, cotangent)


class GammaWithoutNormalization(BatchNorm1d):
    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        self.grads["gamma"] = cotangent.sum(axis=0)
        return dx


class BatchStatisticsInEvaluation(BatchNorm2d):
    def backward(self, cotangent: Array) -> Array:
        xhat, std, gamma, _, dtype = self._saved_by_forward()
        self._save((xhat, std, gamma, True, dtype))
        return super().backward(cotangent)


class LayerNormOverBatch(LayerNorm):
    def backward(self, cotangent: Array) -> Array:
        xhat, std, gamma, *_ = self._saved_by_forward()
        super().backward(cotangent)
        dxhat = cotangent * gamma
        mean, along = dxhat.mean(axis=0), (dxhat * xhat).mean(axis=0)
        return np.asarray((dxhat - mean - xhat * along) / std)


class LayerNormForgetsVariance(LayerNorm):
    def backward(self, cotangent: Array) -> Array:
        _, std, gamma, *_ = self._saved_by_forward()
        super().backward(cotangent)
        dxhat = cotangent * gamma
        return np.asarray((dxhat - dxhat.mean(axis=-1, keepdims=True)) / std)


def _with_constant_statistics(backward: Callable[[Array], Array], norm: Any, cotangent: Array) -> Array:
    """As in evaluation: the mean and the variance taken for constants."""
    xhat, std, gamma, _, dtype = norm._saved_by_forward()
    norm._save((xhat, std, gamma, False, dtype))
    return backward(cotangent)


def _conv(cls: type[Conv2d]) -> Callable[[Rng], Conv2d]:
    return lambda g: cls(g.normal(size=(3, 2, 3, 2)), g.normal(size=3))


def _norm(cls: Any, *shape: int, training: bool = True) -> Callable[[Rng], Any]:
    return lambda g: cls(g.uniform(0.5, 1.5, shape), g.normal(size=shape)).train(training)


def _apart(g: Rng) -> tuple[Any, ...]:
    return (0.1 * g.permutation(60).reshape(1, 2, 6, 5) - 3,)


_IMAGES = one(2, 2, 5, 4)

REFERENCE_IMAGES: tuple[Mutant, ...] = (
    layer("Conv2d overwrites where windows overlap", _conv(Conv2d), _conv(ConvOverwritesOverlaps), _IMAGES),
    layer("Conv2d flips its filter on the way back", _conv(Conv2d), _conv(ConvFlipsItsFilter), _IMAGES),
    layer("Conv2d sums db over the images alone", _conv(Conv2d), _conv(ConvForgetsPositionsOfBias), _IMAGES, input="b"),
    layer("Conv2d takes dW from the first image", _conv(Conv2d), _conv(ConvTakesFirstImageForW), _IMAGES, input="W"),
    layer(
        "MaxPool2d gives its gradient to the whole window",
        lambda _: MaxPool2d(2),
        lambda _: MaxPoolGivesToAll(2),
        _apart,
    ),
    layer(
        "MaxPool2d mixes up rows and columns of its window",
        lambda _: MaxPool2d((3, 2)),
        lambda _: MaxPoolPicksTransposed((3, 2)),
        _apart,
    ),
    layer(
        "AvgPool2d forgets to divide",
        lambda _: AvgPool2d(2),
        lambda _: AvgPoolForgetsToDivide(2),
        _IMAGES,
        cause="constant-factor",
    ),
    layer(
        "AvgPool2d counts otherwise on the way back",
        lambda _: AvgPool2d(3, padding=1),
        lambda _: AvgPoolCountsWithoutPadding(3, padding=1),
        _IMAGES,
    ),
    layer(
        "BatchNorm1d takes its statistics for constants",
        _norm(BatchNorm1d, 3),
        _norm(ConstantStatistics1d, 3),
        one(6, 3),
    ),
    layer(
        "BatchNorm1d forgets xhat in dgamma",
        _norm(BatchNorm1d, 3),
        _norm(GammaWithoutNormalization, 3),
        one(6, 3),
        input="gamma",
    ),
    layer(
        "BatchNorm2d takes its statistics for constants",
        _norm(BatchNorm2d, 3),
        _norm(ConstantStatistics2d, 3),
        one(4, 3, 2, 2),
    ),
    layer(
        "BatchNorm2d goes through statistics in evaluation",
        _norm(BatchNorm2d, 3, training=False),
        _norm(BatchStatisticsInEvaluation, 3, training=False),
        one(4, 3, 2, 2),
    ),
    layer("LayerNorm takes its means over the batch", _norm(LayerNorm, 4), _norm(LayerNormOverBatch, 4), one(5, 4)),
    layer(
        "LayerNorm takes its variance for constant", _norm(LayerNorm, 4), _norm(LayerNormForgetsVariance, 4), one(5, 4)
    ),
)

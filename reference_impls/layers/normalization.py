"""BatchNorm1d, BatchNorm2d and LayerNorm: numbers are centred and scaled by their own mean and variance.

All normalise as ``xhat = (x - mean) / std`` with ``std = sqrt(var + eps)``, the variance being the mean of the
squared deviations, and return ``out = gamma * xhat + beta``. With ``dxhat = gamma * cotangent``, and since mean
and std depend on x too,

``dx = (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat)) / std``

where the means run over the same elements as those of x. float16 is computed in float32, and rounded at the end.
"""

import math
from typing import Any, ClassVar

import numpy as np

from reference_impls.layers.arguments import cotangent_array, float_array, real_number, same_dtype
from reference_impls.layers.layer import Array, Layer
from reference_impls.layers.summation import sum_over

Axes = tuple[int, ...]
Normalized = tuple[Array, Array, Array, bool, np.dtype[Any]]


class _BatchNorm(Layer[Normalized]):
    """Batch norm over every axis but the channels' (Ioffe & Szegedy 2015).

    In training the statistics are the batch's, and the running ones in ``buffers`` follow them, as in torch:
    ``running = (1 - momentum) * running + momentum * batch``, where the batch's variance is the unbiased one,
    over (count - 1). An empty batch leaves them as they are. In evaluation the running ones are used, which
    do not depend on x, so ``dx = dxhat / std``.
    """

    _shapes: ClassVar[dict[int, str]]  # that x may have, by their number of axes

    def __init__(self, gamma: Array, beta: Array, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        """Keep the very arrays ``gamma`` and ``beta``, of shape (channels,); running mean 0, variance 1.

        Args:
            gamma, beta: float16, float32 or float64, of one dtype.
            eps: added to the variance.
            momentum: the weight of the batch in the running statistics, from 0 to 1.

        Raises:
            TypeError: gamma or beta is no float array, or their dtypes differ; eps or momentum is no number.
            ValueError: the shapes are not (channels,), eps is negative, or momentum outside [0, 1].
        """
        super().__init__()
        name = type(self).__name__
        self.params = _scale_and_shift(name, gamma, beta)
        if gamma.ndim != 1:
            raise ValueError(f"{name}: gamma has shape {gamma.shape}; pass one number for each channel, (channels,)")
        self.eps = real_number(name, "eps", eps, low=0.0)
        self.momentum = real_number(name, "momentum", momentum, 0.0, 1.0)
        self.buffers = {"running_mean": np.zeros_like(gamma), "running_var": np.ones_like(gamma)}

    def forward(self, x: Array) -> Array:
        """Return the output, of x's shape; in training also move the running statistics.

        Args:
            x: gamma's dtype and a shape that the class names; the batch may be empty.

        Raises:
            TypeError: x is no float array, or its dtype is not gamma's.
            ValueError: another shape, or in training a single value a channel, which has no variance.
        """
        gamma, beta = self.params["gamma"], self.params["beta"]
        x = self._checked(x, gamma)
        wide, axes = _wide(x), _all_but_channels(x)
        if self.training:
            mean, var = _statistics(wide, axes)
            self._follow(mean, var, x.size // max(x.shape[1], 1))
        else:
            mean, var = (_by_channel(_wide(self.buffers[n]), x) for n in ("running_mean", "running_var"))
        std = np.sqrt(var + self.eps)
        xhat = (wide - mean) / std
        self._save((xhat, std, gamma, self.training, x.dtype))
        return np.asarray(_by_channel(gamma, x) * xhat + _by_channel(beta, x), dtype=x.dtype)

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx``, of x's shape and dtype, for a cotangent of that shape; fill ``grads``.

        Raises:
            RuntimeError: called before forward.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        xhat, std, gamma, of_batch, dtype = self._saved_by_forward()
        u = _wide(cotangent_array(type(self).__name__, cotangent, xhat.shape, dtype))
        axes = _all_but_channels(xhat)
        self.grads = {"gamma": sum_over(u * xhat, axes).astype(dtype), "beta": sum_over(u, axes).astype(dtype)}
        dxhat = u * _by_channel(gamma, xhat)
        dx = _through_statistics(dxhat, xhat, std, axes) if of_batch else dxhat / std
        return dx.astype(dtype, copy=False)

    def _checked(self, x: Array, gamma: Array) -> Array:
        name, channels = type(self).__name__, len(gamma)
        x = float_array(name, "x", x)
        same_dtype(name, "x", x, "gamma", gamma)
        if x.ndim not in self._shapes or x.shape[1] != channels:
            raise ValueError(
                f"{name}: x has shape {x.shape}, gamma has shape {gamma.shape}; pass x of shape "
                f"{' or '.join(self._shapes.values())}, with {channels} channels"
            )
        if self.training and x.shape[0] * math.prod(x.shape[2:]) == 1:
            raise ValueError(
                f"{name}: x has shape {x.shape}, a single value a channel, which has no variance; pass a larger "
                f"batch in training, or call {name}.eval() first"
            )
        return x

    def _follow(self, mean: Array, var: Array, count: int) -> None:
        if count == 0:
            return
        for name, batch in (("running_mean", mean), ("running_var", var * (count / (count - 1)))):
            running = self.buffers[name]
            running[...] = (1 - self.momentum) * running + self.momentum * batch.reshape(running.shape)


class BatchNorm1d(_BatchNorm):
    """Batch norm of x (batch, channels) or (batch, channels, length): each channel by its own statistics."""

    _shapes: ClassVar = {2: "(batch, channels)", 3: "(batch, channels, length)"}


class BatchNorm2d(_BatchNorm):
    """Batch norm of images x (batch, channels, rows, columns): each channel by its own statistics."""

    _shapes: ClassVar = {4: "(batch, channels, rows, columns)"}


class LayerNorm(Layer[tuple[Array, Array, Array, np.dtype[Any]]]):
    """Each example by its own statistics, over the last axes, in training and evaluation alike.

    Ba, Kiros & Hinton (2016).
    """

    def __init__(self, gamma: Array, beta: Array, *, eps: float = 1e-5) -> None:
        """Keep the very arrays ``gamma`` and ``beta``, whose shape is that of the axes to normalise over.

        Raises:
            TypeError: gamma or beta is no float array, or their dtypes differ; eps is no number.
            ValueError: the shapes differ or are (), or eps is negative.
        """
        super().__init__()
        self.params = _scale_and_shift("LayerNorm", gamma, beta)
        if gamma.ndim == 0:
            raise ValueError("LayerNorm: gamma has shape (); pass gamma of the shape of x's last axes")
        self.eps = real_number("LayerNorm", "eps", eps, low=0.0)

    def forward(self, x: Array) -> Array:
        """Return the output, of x's shape, for x of shape (..., *gamma.shape) and gamma's dtype.

        Raises:
            TypeError: x is no float array, or its dtype is not gamma's.
            ValueError: x's last axes are not gamma's.
        """
        gamma, beta = self.params["gamma"], self.params["beta"]
        x = float_array("LayerNorm", "x", x)
        same_dtype("LayerNorm", "x", x, "gamma", gamma)
        if x.shape[-gamma.ndim :] != gamma.shape:
            raise ValueError(
                f"LayerNorm: x has shape {x.shape}, gamma has shape {gamma.shape}; pass x whose last axes are "
                f"{gamma.shape}"
            )
        mean, var = _statistics(_wide(x), _last_axes(gamma))
        std = np.sqrt(var + self.eps)
        xhat = (_wide(x) - mean) / std
        self._save((xhat, std, gamma, x.dtype))
        return np.asarray(gamma * xhat + beta, dtype=x.dtype)

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx``, of x's shape and dtype, for a cotangent of that shape; fill ``grads``.

        Raises:
            RuntimeError: called before forward.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        xhat, std, gamma, dtype = self._saved_by_forward()
        u = _wide(cotangent_array("LayerNorm", cotangent, xhat.shape, dtype))
        examples = tuple(range(u.ndim - gamma.ndim))
        self.grads = {
            "gamma": sum_over(u * xhat, examples).astype(dtype),
            "beta": sum_over(u, examples).astype(dtype),
        }
        return _through_statistics(u * gamma, xhat, std, _last_axes(gamma)).astype(dtype, copy=False)


def _statistics(x: Array, axes: Axes) -> tuple[Array, Array]:
    """The mean and the variance over ``axes``, which stay with length 1."""
    mean = _mean(x, axes)
    return mean, _mean((x - mean) ** 2, axes)


def _through_statistics(dxhat: Array, xhat: Array, std: Array, axes: Axes) -> Array:
    """dx from dxhat, by way of x itself, its mean and its std."""
    dx: Array = (dxhat - _mean(dxhat, axes) - xhat * _mean(dxhat * xhat, axes)) / std
    return dx


def _mean(x: Array, axes: Axes) -> Array:
    # Not np.mean, which warns of an empty batch.
    count = math.prod(x.shape[axis] for axis in axes)
    mean: Array = np.sum(x, axis=axes, keepdims=True) / max(count, 1)
    return mean


def _wide(x: Array) -> Array:
    return x.astype(np.promote_types(x.dtype, np.float32), copy=False)


def _all_but_channels(x: Array) -> Axes:
    return (0, *range(2, x.ndim))


def _last_axes(gamma: Array) -> Axes:
    return tuple(range(-gamma.ndim, 0))


def _by_channel(values: Array, x: Array) -> Array:
    """Values (channels,) in a shape that broadcasts against x (batch, channels, ...)."""
    return values.reshape(-1, *[1] * (x.ndim - 2))


def _scale_and_shift(owner: str, gamma: Array, beta: Array) -> dict[str, Array]:
    gamma, beta = float_array(owner, "gamma", gamma), float_array(owner, "beta", beta)
    if gamma.shape != beta.shape:
        raise ValueError(
            f"{owner}: gamma has shape {gamma.shape}, beta has shape {beta.shape}; pass both with one shape"
        )
    same_dtype(owner, "beta", beta, "gamma", gamma)
    return {"gamma": gamma, "beta": beta}

"""One mechanism after the other, in as many kinds of layers as it occurs in."""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by
from typing import Any

import numpy as np

from tests.mutants.functions import _normalise, _normalise_vjp, _softmax, _softmax_vjp
from tests.mutants.places import _affine, _affine_vjp, _convolve, _convolve_vjp
from tests.mutants.planting import Array, Rng, both_signs, function, off_zero, one, two


def _matmul_draw(g: Rng) -> tuple[Any, ...]:
    return g.normal(size=(5, 4)), g.normal(size=(4, 3))


def _square_draw(g: Rng) -> tuple[Any, ...]:
    return g.normal(size=(5, 4)), g.normal(size=(4, 4))


def _conv_draw(g: Rng) -> tuple[Any, ...]:
    return g.normal(size=(2, 3, 9)), g.normal(size=(4, 3, 3))


def _conv(dx: Any = None, dK: Any = None) -> Any:
    """The VJP of the convolution with one gradient replaced by a function of the right one."""

    def vjp(u: Array, x: Array, K: Array) -> tuple[Array, Array]:
        right = _convolve_vjp(u, x, K)
        return right[0] if dx is None else dx(right[0]), right[1] if dK is None else dK(right[1])

    return vjp


def _mm(dx: Any = None, dW: Any = None) -> Any:
    def vjp(u: Array, x: Array, W: Array) -> tuple[Array, Array]:
        right = _affine_vjp(u, x, W)
        return right[0] if dx is None else dx(right[0]), right[1] if dW is None else dW(right[1])

    return vjp


def _attend(q: Array, k: Array, v: Array) -> Array:
    return _softmax(q @ k.T / np.sqrt(q.shape[1])) @ v


def _attend_vjp(u: Array, q: Array, k: Array, v: Array, scale: float | None = None) -> tuple[Array, Array, Array]:
    root = np.sqrt(q.shape[1])
    p = _softmax(q @ k.T / root)
    dp = u @ v.T
    ds = p * (dp - (dp * p).sum(axis=1, keepdims=True)) / (root if scale is None else scale)
    return ds @ k, ds.T @ q, p.T @ u


def _attend_draw(g: Rng) -> tuple[Any, ...]:
    return tuple(g.normal(size=(4, 5)) for _ in range(3))


def _gain(x: Array, gamma: Array, beta: Array) -> Array:
    return np.asarray(_normalise(x) * gamma + beta)


def _gain_vjp(u: Array, x: Array, gamma: Array, beta: Array) -> tuple[Array, Array, Array]:
    return _normalise_vjp(u * gamma, x), (u * _normalise(x)).sum(axis=0), u.sum(axis=0)


def _gain_draw(g: Rng) -> tuple[Any, ...]:
    return g.normal(size=(6, 5)), g.uniform(0.5, 1.5, 5), g.normal(size=5)


def _average(x: Array) -> Array:
    return np.asarray(x.reshape(-1, 4).mean(axis=1))


def _average_vjp(u: Array, x: Array) -> Array:
    return np.repeat(u / 4, 4).reshape(x.shape)


def _leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.1 * np.sin(x))


def _leaky_vjp(u: Array, x: Array) -> Array:
    return np.where(x > 0, u, 0.1 * u * np.cos(x))


def _clipped(x: Array) -> Array:
    return np.asarray(np.tanh(x))


def _clipped_vjp(u: Array, x: Array) -> Array:
    return np.asarray(u * (1 - np.tanh(x) ** 2))


def _both_sizes(g: Rng) -> tuple[Any, ...]:
    """A third of the elements are large."""
    sizes = np.where(np.arange(30) % 3 == 0, 2.5, 0.5) * g.uniform(0.8, 1.2, 30)
    return (sizes * g.choice([-1.0, 1.0], 30),)


def _mean_square(x: Array, t: Array) -> Array:
    return np.asarray(((x - t) ** 2).mean())


def _mean_square_vjp(u: Array, x: Array, t: Array) -> tuple[Array, Array]:
    g = u * 2 * (x - t) / x.size
    return g, -g


def _unit(x: Array) -> Array:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def _unit_vjp(u: Array, x: Array) -> Array:
    y = _unit(x)
    return np.asarray((u - y * (u * y).sum(axis=1, keepdims=True)) / np.linalg.norm(x, axis=1, keepdims=True))


def _residual(x: Array) -> Array:
    return np.asarray(x + np.sin(x) * np.cos(2 * x))


def _inner_vjp(u: Array, x: Array) -> Array:
    return np.asarray(u * (np.cos(x) * np.cos(2 * x) - 2 * np.sin(x) * np.sin(2 * x)))


def _single(a: Array) -> Array:
    return a.astype(np.float32).astype(np.float64)


MECHANISMS = (
    # signs and factors
    function("matrix product: dW negated", _affine, _affine_vjp, _mm(dW=lambda g: -g), _matmul_draw, "W", "sign-flip"),
    function("convolution: dK negated", _convolve, _convolve_vjp, _conv(dK=lambda g: -g), _conv_draw, "K", "sign-flip"),
    function("softmax: negated", _softmax, _softmax_vjp, lambda u, x: -_softmax_vjp(u, x), one(3, 4), "x", "sign-flip"),
    function(
        "attention: the scale is not passed on",
        _attend,
        _attend_vjp,
        lambda u, q, k, v: _attend_vjp(u, q, k, v, scale=1.0),
        _attend_draw,
        "q",
        "constant-factor",
    ),
    function(
        "convolution: dx twice", _convolve, _convolve_vjp, _conv(dx=lambda g: 2 * g), _conv_draw, "x", "constant-factor"
    ),
    function(
        "average pooling: not divided",
        _average,
        _average_vjp,
        lambda u, x: 4 * _average_vjp(u, x),
        one(12),
        "x",
        "constant-factor",
    ),
    function(
        "power: the exponent is forgotten",
        lambda x: x**3,
        lambda u, x: 3 * u * x**2,
        lambda u, x: u * x**2,
        one(9),
        "x",
        "constant-factor",
    ),
    # averages and sums
    function(
        "matrix product: dW averaged over the batch",
        _affine,
        _affine_vjp,
        _mm(dW=lambda g: g / 5),
        _matmul_draw,
        "W",
        "averaged-not-summed",
    ),
    function(
        "layer norm: d beta averaged",
        _gain,
        _gain_vjp,
        lambda u, x, gamma, beta: (*_gain_vjp(u, x, gamma, beta)[:2], u.mean(axis=0)),
        _gain_draw,
        "beta",
        "averaged-not-summed",
    ),
    function(
        "sum of rows: averaged",
        lambda x: x.sum(axis=1) * 1.0,
        lambda u, x: np.repeat(u[:, None], 5, axis=1),
        lambda u, x: np.repeat(u[:, None], 5, axis=1) / 5,
        one(4, 5),
        "x",
        "averaged-not-summed",
    ),
    function(
        "mean of rows: summed",
        lambda x: x.mean(axis=1),
        lambda u, x: np.repeat(u[:, None], 5, axis=1) / 5,
        lambda u, x: np.repeat(u[:, None], 5, axis=1),
        one(4, 5),
        "x",
        "summed-not-averaged",
    ),
    function(
        "mean squared error: summed",
        _mean_square,
        _mean_square_vjp,
        lambda u, x, t: tuple(x.size * g for g in _mean_square_vjp(u, x, t)),
        two((4, 3), (4, 3)),
        "x",
        "summed-not-averaged",
    ),
    # the right numbers in the wrong places
    function(
        "matrix product: dW transposed",
        _affine,
        _affine_vjp,
        _mm(dW=lambda g: g.T.copy()),
        _square_draw,
        "W",
        "transposed",
    ),
    function(
        "matrix product: dW laid out transposed",
        _affine,
        _affine_vjp,
        _mm(dW=lambda g: g.T.reshape(g.shape).copy()),
        _matmul_draw,
        "W",
        "transposed",
    ),
    function(
        "convolution: dK flipped",
        _convolve,
        _convolve_vjp,
        _conv(dK=lambda g: g[:, :, ::-1].copy()),
        _conv_draw,
        "K",
        "flipped",
    ),
    function(
        "convolution: dx shifted",
        _convolve,
        _convolve_vjp,
        _conv(dx=lambda g: np.roll(g, 1, 2)),
        _conv_draw,
        "x",
        "rolled",
    ),
    function(
        "a shift passed on unshifted",
        lambda x: np.roll(np.sin(x), 1),
        lambda u, x: np.roll(u, -1) * np.cos(x),
        lambda u, x: np.roll(np.roll(u, -1) * np.cos(x), 1),
        one(9),
        "x",
        "rolled",
    ),
    function(
        "reversal: passed on in order",
        lambda x: x[::-1] * 1.0,
        lambda u, x: u[::-1].copy(),
        lambda u, x: u.copy(),
        one(9),
        "x",
        "flipped",
    ),
    function(
        "attention: dq and dk exchanged",
        _attend,
        _attend_vjp,
        lambda u, q, k, v: tuple(_attend_vjp(u, q, k, v)[i] for i in (1, 0, 2)),
        _attend_draw,
        "q",
        "swapped-gradients",
    ),
    # sums over axes
    function(
        "broadcast: the first row's cotangent alone",
        lambda x, b: x + b,
        lambda u, x, b: (u.copy(), u.sum(axis=0)),
        lambda u, x, b: (u.copy(), u[0].copy()),
        two((6, 4), (4,)),
        "b",
        "missing-sum",
    ),
    function(
        "broadcast: the last column's cotangent alone",
        lambda x, s: x + s,
        lambda u, x, s: (u.copy(), u.sum(axis=1, keepdims=True)),
        lambda u, x, s: (u.copy(), u[:, -1:].copy()),
        two((6, 4), (6, 1)),
        "s",
        "missing-sum",
    ),
    function(
        "broadcast: the column's sum for the row's",
        lambda x, s: x + s,
        lambda u, x, s: (u.copy(), u.sum(axis=1, keepdims=True)),
        lambda u, x, s: (u.copy(), u.sum(axis=0)[:, None]),
        two((5, 5), (5, 1)),
        "s",
        "wrong-axis",
    ),
    function(
        "a row's total, passed on unsummed",
        lambda x: np.repeat(x.sum(axis=1, keepdims=True), 4, axis=1),
        lambda u, x: np.repeat(u.sum(axis=1, keepdims=True), 4, axis=1),
        lambda u, x: u.copy(),
        one(5, 4),
        "x",
        "missing-sum",
    ),
    # missing terms and factors
    function(
        "softmax without its sum", _softmax, _softmax_vjp, lambda u, x: u * _softmax(x), one(3, 4), "x", "missing-term"
    ),
    function(
        "unit vectors with a constant length",
        _unit,
        _unit_vjp,
        lambda u, x: u / np.linalg.norm(x, axis=1, keepdims=True),
        one(4, 5),
        "x",
        "missing-term",
    ),
    function(
        "centring passed straight through",
        lambda x: x - x.mean(axis=0),
        lambda u, x: u - u.mean(axis=0),
        lambda u, x: u.copy(),
        one(6, 4),
        "x",
        "missing-mean",
    ),
    function(
        "a residual path is forgotten",
        _residual,
        lambda u, x: u + _inner_vjp(u, x),
        _inner_vjp,
        one(4, 5),
        "x",
        "missing-term",
    ),
    function(
        "a residual path counts twice",
        _residual,
        lambda u, x: u + _inner_vjp(u, x),
        lambda u, x: 2 * u + _inner_vjp(u, x),
        one(4, 5),
        "x",
        "extra-term",
    ),
    function(
        "tanh without its derivative",
        lambda x: np.tanh(x),
        _clipped_vjp,
        lambda u, x: u.copy(),
        one(4, 3),
        "x",
        "missing-factor",
    ),
    function(
        "the product's other factor is forgotten",
        lambda x, y: np.sin(x) * y,
        lambda u, x, y: (u * np.cos(x) * y, u * np.sin(x)),
        lambda u, x, y: (u * np.cos(x), u * np.sin(x)),
        two((4, 3), (4, 3)),
        "x",
        "missing-factor",
    ),
    function(
        "exp with its value twice",
        lambda x: np.exp(x),
        lambda u, x: u * np.exp(x),
        lambda u, x: u * np.exp(2 * x),
        one(4, 3),
        "x",
        "extra-factor",
    ),
    function(
        "ReLU without its mask",
        lambda x: np.maximum(x, 0.0),
        lambda u, x: u * (x > 0),
        lambda u, x: u.copy(),
        both_signs(4, 3),
        "x",
        "missing-mask",
    ),
    # where the value decides
    function(
        "leaky ReLU: another slope below zero",
        _leaky,
        _leaky_vjp,
        lambda u, x: np.where(x > 0, u, 0.2 * u),
        both_signs(5, 6),
        "x",
        "wrong-where-negative",
    ),
    function(
        "absolute value: passed on above zero",
        lambda x: np.where(x > 0, x**2, x),
        lambda u, x: np.where(x > 0, 2 * x * u, u),
        lambda u, x: np.where(x > 0, x * u + 0.3 * u, u),
        both_signs(5, 6),
        "x",
        "wrong-where-positive",
    ),
    function(
        "tanh: zero where it saturates",
        _clipped,
        _clipped_vjp,
        lambda u, x: np.where(abs(x) > 1.5, 0.0, _clipped_vjp(u, x)),
        _both_sizes,
        "x",
        "wrong-where-saturated",
    ),
    # digits
    function(
        "tanh: its derivative in float32",
        _clipped,
        _clipped_vjp,
        lambda u, x: u * _single(1 - np.tanh(x) ** 2),
        one(4, 5),
        "x",
        "low-precision",
    ),
    function(
        "matrix product: dW through float32",
        _affine,
        _affine_vjp,
        _mm(dW=_single),
        _matmul_draw,
        "W",
        "low-precision",
        "linearity",
    ),
    function(
        "convolution: dx through float32",
        _convolve,
        _convolve_vjp,
        _conv(dx=_single),
        _conv_draw,
        "x",
        "low-precision",
        "linearity",
    ),
    function(
        "tanh: its cotangent in float32",
        _clipped,
        _clipped_vjp,
        lambda u, x: _clipped_vjp(_single(u), x),
        one(4, 5),
        "x",
        "low-precision",
        "linearity",
    ),
    # no name fits
    function(
        "sine with a stranger for its derivative",
        lambda x: np.sin(x),
        lambda u, x: u * np.cos(x),
        lambda u, x: u * np.sqrt(abs(x)),
        one(4, 5),
    ),
    function(
        "a logarithm with noise of its own",
        lambda x: np.log(abs(x)),
        lambda u, x: u / x,
        lambda u, x: u / x * (1 + 1e-4 * np.sin(40 * x)),
        off_zero(4, 5),
    ),
    function(
        "columns permuted by hand",
        _softmax,
        _softmax_vjp,
        lambda u, x: _softmax_vjp(u, x)[:, [2, 4, 1, 0, 3]],
        one(4, 5),
    ),
)

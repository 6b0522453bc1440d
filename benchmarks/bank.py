"""Functions with a truth: each is written once, in operations that NumPy does in float16 … longdouble and in complex.

The truth is the complex step in 80-bit arithmetic, Im f(x + i·ε·v)/ε with ε = 1e-40 (Squire & Trapp 1998, SIAM Review
40): no difference is taken, so nothing cancels, and it shares no line with the checker. Kinked functions branch on the
real part.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
STEP = np.longdouble("1e-40")


@dataclass(frozen=True)
class Case:
    """A function of one array and how its inputs are drawn.

    Attributes:
        f: array → array, in the array's own dtype.
        draw: generator → a point, float64; it is then scaled (where `scalable`) and rounded to the dtype.
        kinked: whether its derivative jumps somewhere.
        scalable: whether inputs of any size make sense.
        odd: what makes it hard: piecewise constant, ill-conditioned, chaotic; the verdict is then read by hand.
    """

    f: Callable[[Values], Values]
    draw: Callable[[np.random.Generator], Values]
    kinked: bool = False
    scalable: bool = False
    odd: bool = False


def jvp(f: Callable[[Values], Values], x: Values, v: Values) -> Values:
    """J(x)·v in longdouble, by the complex step."""
    wide = np.asarray(x, np.longdouble)
    moved = wide + 1j * STEP * np.asarray(v, np.longdouble)
    with np.errstate(all="ignore"):
        return np.asarray(np.imag(f(moved)) / STEP)


def vjp(f: Callable[[Values], Values], u: Values, x: Values) -> Values:
    """The right gradient Jᵀu, rounded once to x's dtype."""
    gradient = np.empty(x.size, np.longdouble)
    for i in range(x.size):
        unit = np.zeros(x.size, np.longdouble)
        unit[i] = 1
        gradient[i] = np.sum(np.asarray(u, np.longdouble) * jvp(f, x, unit.reshape(x.shape)))
    return gradient.reshape(x.shape).astype(x.dtype)


def _weights(*shape: int, seed: int = 7) -> Values:
    """Constants with few digits, so that the function is the same one in every dtype."""
    return np.round(np.random.default_rng(seed).normal(size=shape) * 64) / 64


def _like(weights: Values, x: Values) -> Values:
    """Constants in x's precision, so that float32 stays float32."""
    return weights.astype(np.real(x).dtype)


def _softmax(x: Values) -> Values:
    e = np.exp(x - np.max(np.real(x), axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _layer_norm(x: Values) -> Values:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + x.dtype.type(2**-16))


def _relu(x: Values) -> Values:
    return x * (np.real(x) > 0)


def _mlp(activation: Callable[[Values], Values]) -> Callable[[Values], Values]:
    def f(x: Values) -> Values:
        hidden = activation(x @ _like(_weights(4, 8), x))
        return activation(hidden @ _like(_weights(8, 8), x)) @ _like(_weights(8, 3), x)

    return f


def _sigmoid(x: Values) -> Values:
    return 1 / (1 + np.exp(-x))


def _cross_entropy(x: Values) -> Values:
    shifted = x - np.max(np.real(x), axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -log_p[..., 0].mean(keepdims=True)


def _attention(x: Values) -> Values:
    return _softmax(x @ x.T / x.dtype.type(2)) @ x


def _max_pool(x: Values) -> Values:
    pairs = x.reshape(-1, 2)
    return np.take_along_axis(pairs, np.argmax(np.real(pairs), axis=1)[:, None], axis=1)


def _sort(x: Values) -> Values:
    return x[np.argsort(np.real(x))]


def _logistic_map(x: Values) -> Values:
    for _ in range(30):
        x = x.dtype.type(3.875) * x * (1 - x)
    return x


def _cond(x: Values) -> Values:
    matrix = np.vander(np.linspace(0, 1, 6)).astype(np.real(x).dtype)
    return (matrix @ x) * (matrix @ x)


def _normal(*shape: int) -> Callable[[np.random.Generator], Values]:
    return lambda g: g.normal(size=shape)


def _uniform(low: float, high: float, *shape: int) -> Callable[[np.random.Generator], Values]:
    return lambda g: g.uniform(low, high, shape)


def _decades(g: np.random.Generator) -> Values:
    return g.normal(size=8) * 10.0 ** g.uniform(-3, 3, 8)


SMOOTH: Mapping[str, Case] = {
    "exp": Case(np.exp, _normal(6)),
    "sin": Case(np.sin, _normal(6)),
    "sin 5x": Case(lambda x: np.sin(5 * x), _normal(6)),
    "tanh": Case(np.tanh, _normal(3, 2)),
    "sigmoid": Case(_sigmoid, _normal(3, 2)),
    "gelu (tanh form)": Case(
        lambda x: x * (1 + np.tanh(x.dtype.type(0.796875) * (x + x.dtype.type(23 / 512) * x**3))), _normal(6)
    ),
    "softplus": Case(lambda x: np.log(1 + np.exp(x)), _normal(6)),
    "log": Case(np.log, _uniform(0.2, 3.0, 6)),
    "sqrt": Case(np.sqrt, _uniform(0.2, 3.0, 6), scalable=True),
    "1/x": Case(lambda x: 1 / x, _uniform(0.4, 3.0, 6), scalable=True),
    "runge": Case(lambda x: 1 / (1 + x * x), _normal(6)),
    "square": Case(lambda x: x * x, _normal(6), scalable=True),
    "cube": Case(lambda x: x * x * x, _normal(6)),
    "x^8": Case(lambda x: (x * x) ** 4, _uniform(0.5, 1.5, 4)),
    "product": Case(lambda x: np.prod(x, axis=-1), lambda g: g.uniform(0.5, 1.5, (2, 4))),
    "sum": Case(lambda x: x.sum(keepdims=True), _normal(7), scalable=True),
    "norm": Case(lambda x: np.sqrt((x * x).sum(keepdims=True)), _normal(5), scalable=True),
    "log-sum-exp": Case(lambda x: np.log(np.exp(x).sum(axis=-1)), _normal(2, 4)),
    "softmax": Case(_softmax, _normal(2, 4)),
    "cross entropy": Case(_cross_entropy, _normal(4, 3)),
    "squared error": Case(lambda x: ((x - 1) * (x - 1)).mean(keepdims=True), _normal(6)),
    "affine": Case(lambda x: x @ _like(_weights(4, 3), x) + _like(_weights(3), x), _normal(3, 4), scalable=True),
    "quadratic form": Case(lambda x: (x @ _like(_weights(5, 5), x) * x).sum(keepdims=True), _normal(5), scalable=True),
    "convolution": Case(
        lambda x: sum(x[i : i + 6] * x.dtype.type(w) for i, w in enumerate((0.5, -1.0, 0.25))),
        _normal(8),
        scalable=True,
    ),
    "layer norm": Case(_layer_norm, _normal(2, 5)),
    "attention": Case(_attention, _normal(3, 3)),
    "tanh network": Case(_mlp(np.tanh), _normal(3, 4)),
    "sigmoid network": Case(_mlp(_sigmoid), _normal(3, 4)),
    "polynomial of sines": Case(lambda x: np.sin(x) ** 2 * np.cos(3 * x) + x, _normal(6)),
    "gaussian": Case(lambda x: np.exp(-x * x), _normal(6)),
    "decades": Case(lambda x: x * x, _decades),
}

KINKED: Mapping[str, Case] = {
    "relu": Case(_relu, _normal(12), kinked=True, scalable=True),
    "abs": Case(lambda x: x * np.sign(np.real(x)), _normal(12), kinked=True, scalable=True),
    "clamp": Case(
        lambda x: np.where(np.real(x) > 1, 1, np.where(np.real(x) < -1, -1, x)).astype(x.dtype),
        _normal(12),
        kinked=True,
    ),
    "hinge": Case(lambda x: _relu(1 - x).mean(keepdims=True), _normal(12), kinked=True),
    "max-pool": Case(_max_pool, _normal(12), kinked=True, scalable=True),
    "sort": Case(_sort, _normal(8), kinked=True, scalable=True),
    "leaky relu": Case(lambda x: np.where(np.real(x) > 0, x, x / 8).astype(x.dtype), _normal(12), kinked=True),
    "relu network": Case(_mlp(_relu), _normal(3, 4), kinked=True),
}

ODD: Mapping[str, Case] = {
    "floor": Case(lambda x: np.floor(np.real(x)).astype(x.dtype), _normal(6), kinked=True, odd=True),
    "sign": Case(lambda x: np.sign(np.real(x)).astype(x.dtype), _normal(6), kinked=True, odd=True),
    "zero": Case(lambda x: x * 0, _normal(6), odd=True),
    "constant": Case(lambda x: x * 0 + 3, _normal(6), odd=True),
    "logistic map, 30 times": Case(_logistic_map, _uniform(0.2, 0.8, 4), odd=True),
    "1e8 + x²": Case(lambda x: x.dtype.type(1e4) * x.dtype.type(1e4) + x * x, _normal(6), odd=True),
    "ill-conditioned": Case(_cond, _normal(6), odd=True),
}

"""The functions of the calibration, each written once: NumPy runs it from float16 to complex 80-bit, torch in bfloat16.

Constants have few digits, so that a function is the same one in every precision. Kinked ones branch on the real part.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.operations import (
    Array,
    concatenate,
    constants,
    cos,
    exp,
    floor,
    largest,
    log,
    order,
    prod,
    real,
    sign,
    sin,
    sqrt,
    tanh,
    where,
)

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A function of one array and how its inputs are drawn.

    Attributes:
        f: array → array, in the array's own library and dtype.
        draw: generator → a point, float64; it is then scaled (where `scalable`) and rounded to the dtype.
        scalable: whether inputs of any size make sense.
    """

    f: Callable[[Array], Array]
    draw: Callable[[np.random.Generator], Values]
    scalable: bool = False


def _weights(*shape: int, seed: int = 7) -> Values:
    """Multiples of 1/64 below 4: bfloat16 holds them."""
    return np.round(np.random.default_rng(seed).normal(size=shape) * 64) / 64


def _softmax(x: Array) -> Array:
    e = exp(x - largest(x))
    return e / e.sum(axis=-1, keepdims=True)


def _layer_norm(x: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / sqrt((centred * centred).mean(axis=-1, keepdims=True) + 2**-16)


def _relu(x: Array) -> Array:
    return x * (real(x) > 0)


def _mlp(activation: Callable[[Array], Array]) -> Callable[[Array], Array]:
    def f(x: Array) -> Array:
        hidden = activation(x @ constants(_weights(4, 8), x))
        return activation(hidden @ constants(_weights(8, 8), x)) @ constants(_weights(8, 3), x)

    return f


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + exp(-x))


def _cross_entropy(x: Array) -> Array:
    shifted = x - largest(x)
    log_p = shifted - log(exp(shifted).sum(axis=-1, keepdims=True))
    return -log_p[..., 0].mean(axis=0, keepdims=True)


def _attention(x: Array) -> Array:
    return _softmax(x @ x.T / 2) @ x


def _clamp(x: Array) -> Array:
    return where(real(x) > 1, 1, where(real(x) < -1, -1, x))


def _max_pool(x: Array) -> Array:
    pairs = x.reshape(-1, 2)
    return where(real(pairs[:, 0]) >= real(pairs[:, 1]), pairs[:, 0], pairs[:, 1])


def _logistic_map(x: Array) -> Array:
    for _ in range(30):
        x = 3.875 * x * (1 - x)
    return x


def _pascal_solve(x: Array) -> Array:
    """The squares of P⁻¹x for Pascal's 6 × 6 matrix P = LLᵀ, of condition 1e5: L⁻¹ takes differences, L⁻ᵀ too."""
    for k in range(5):
        x = concatenate([x[: k + 1], x[k + 1 :] - x[k:-1]])
    for k in reversed(range(5)):
        x = concatenate([x[:k], x[k:-1] - x[k + 1 :], x[-1:]])
    return x * x


def _normal(*shape: int) -> Callable[[np.random.Generator], Values]:
    return lambda g: g.normal(size=shape)


def _uniform(low: float, high: float, *shape: int) -> Callable[[np.random.Generator], Values]:
    return lambda g: g.uniform(low, high, shape)


def _decades(g: np.random.Generator) -> Values:
    return g.normal(size=8) * 10.0 ** g.uniform(-3, 3, 8)


def _pascal_times_normal(g: np.random.Generator) -> Values:
    """Pz for a z of size 1: its solution is a hundred times smaller than the right side, and cancels."""
    matrix = np.array([[math.comb(i + j, i) for j in range(6)] for i in range(6)], np.float64)
    return matrix @ g.normal(size=6)


SMOOTH: Mapping[str, Case] = {
    "exp": Case(exp, _normal(6)),
    "sin": Case(sin, _normal(6)),
    "sin 5x": Case(lambda x: sin(5 * x), _normal(6)),
    "tanh": Case(tanh, _normal(3, 2)),
    "sigmoid": Case(_sigmoid, _normal(3, 2)),
    "gelu (tanh form)": Case(lambda x: x * (1 + tanh(51 / 64 * (x + 23 / 512 * x**3))), _normal(6)),
    "softplus": Case(lambda x: log(1 + exp(x)), _normal(6)),
    "log": Case(log, _uniform(0.2, 3.0, 6)),
    "sqrt": Case(sqrt, _uniform(0.2, 3.0, 6), scalable=True),
    "1/x": Case(lambda x: 1 / x, _uniform(0.4, 3.0, 6), scalable=True),
    "runge": Case(lambda x: 1 / (1 + x * x), _normal(6)),
    "square": Case(lambda x: x * x, _normal(6), scalable=True),
    "cube": Case(lambda x: x * x * x, _normal(6)),
    "x^8": Case(lambda x: (x * x) ** 4, _uniform(0.5, 1.5, 4)),
    "product": Case(prod, _uniform(0.5, 1.5, 2, 4)),
    "sum": Case(lambda x: x.sum(axis=0, keepdims=True), _normal(7), scalable=True),
    "norm": Case(lambda x: sqrt((x * x).sum(axis=0, keepdims=True)), _normal(5), scalable=True),
    "log-sum-exp": Case(lambda x: log(exp(x).sum(axis=-1)), _normal(2, 4)),
    "softmax": Case(_softmax, _normal(2, 4)),
    "cross entropy": Case(_cross_entropy, _normal(4, 3)),
    "squared error": Case(lambda x: ((x - 1) * (x - 1)).mean(axis=0, keepdims=True), _normal(6)),
    "affine": Case(
        lambda x: x @ constants(_weights(4, 3), x) + constants(_weights(3), x), _normal(3, 4), scalable=True
    ),
    "quadratic form": Case(
        lambda x: (x @ constants(_weights(5, 5), x) * x).sum(axis=0, keepdims=True), _normal(5), scalable=True
    ),
    "convolution": Case(lambda x: 0.5 * x[:6] - x[1:7] + 0.25 * x[2:], _normal(8), scalable=True),
    "layer norm": Case(_layer_norm, _normal(2, 5)),
    "attention": Case(_attention, _normal(3, 3)),
    "tanh network": Case(_mlp(tanh), _normal(3, 4)),
    "sigmoid network": Case(_mlp(_sigmoid), _normal(3, 4)),
    "polynomial of sines": Case(lambda x: sin(x) ** 2 * cos(3 * x) + x, _normal(6)),
    "gaussian": Case(lambda x: exp(-x * x), _normal(6)),
}

KINKED: Mapping[str, Case] = {
    "relu": Case(_relu, _normal(12), scalable=True),
    "abs": Case(lambda x: x * sign(x), _normal(12), scalable=True),
    "clamp": Case(_clamp, _normal(12)),
    "hinge": Case(lambda x: _relu(1 - x).mean(axis=0, keepdims=True), _normal(12)),
    "max-pool": Case(_max_pool, _normal(12), scalable=True),
    "sort": Case(lambda x: x[order(x)], _normal(8), scalable=True),
    "leaky relu": Case(lambda x: where(real(x) > 0, x, x / 8), _normal(12)),
    "relu network": Case(_mlp(_relu), _normal(3, 4)),
}

ODD: Mapping[str, Case] = {
    "floor": Case(floor, _normal(6)),
    "sign": Case(lambda x: sign(x) + 0 * x, _normal(6)),
    "zero": Case(lambda x: x * 0, _normal(6)),
    "constant": Case(lambda x: x * 0 + 3, _normal(6)),
    "sum of a softmax": Case(lambda x: _softmax(x).sum(axis=-1), _normal(2, 4)),
    "dead relu": Case(lambda x: _relu(-1 - x * x), _normal(6)),
    "logistic map, 30 times": Case(_logistic_map, _uniform(0.2, 0.8, 4)),
    "sin 10⁴x": Case(lambda x: sin(1e4 * x), _normal(6)),
    "1e8 + x²": Case(lambda x: 1e8 + x * x, _normal(6)),
    "solve, condition 1e5": Case(_pascal_solve, _pascal_times_normal),
    "six decades": Case(lambda x: x * x, _decades),
}

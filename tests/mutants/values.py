"""Backwards that are wrong for some values of the input only: small, large, saturated, tied."""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by
from typing import Any

import numpy as np

from tests.mutants.mechanisms import _both_sizes
from tests.mutants.planting import Array, Rng, function

SMALL = 1.0


def _sinc_vjp(u: Array, x: Array) -> Array:
    return np.asarray(u * (x * np.cos(x) - np.sin(x)) / x**2)


def _sinc_by_one_term(u: Array, x: Array) -> Array:
    return np.where(abs(x) < SMALL, -u * x / 2, _sinc_vjp(u, x))  # the series begins with -x/3


def _huber_vjp(u: Array, x: Array) -> Array:
    return np.asarray(u * np.where(abs(x) < SMALL, x, np.sign(x)))


def _huber_unsigned(u: Array, x: Array) -> Array:
    return np.asarray(u * np.where(abs(x) < SMALL, x, x))


def _half_small(g: Rng) -> tuple[Any, ...]:
    sizes = np.where(np.arange(30) % 2 == 0, 0.5, 2.5) * g.uniform(0.8, 1.2, 30)
    return (sizes * g.choice([-1.0, 1.0], 30),)


def _saturating(g: Rng) -> tuple[Any, ...]:
    """A third of the elements are where a sigmoid is flat."""
    sizes = np.where(np.arange(30) % 3 == 0, 5.0, 0.5) * g.uniform(0.8, 1.2, 30)
    return (sizes * g.choice([-1.0, 1.0], 30),)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def _sigmoid_vjp(u: Array, x: Array) -> Array:
    return np.asarray(u * _sigmoid(x) * (1 - _sigmoid(x)))


def _tied(g: Rng) -> tuple[Any, ...]:
    """Twelve different numbers, and four of them once more."""
    values = 0.1 * g.permutation(12) + 0.3
    return (g.permutation(np.concatenate([values, values[:4]])).reshape(4, 4),)


def _by_distinct_value(u: Array, x: Array) -> Array:
    """Made once for each value (to eight decimals) from the cotangents of all its places: right where it has one."""
    values, place = np.unique(np.round(x, 8), return_inverse=True)
    table = np.zeros_like(values)
    np.add.at(table, place.reshape(-1), u.reshape(-1))
    return np.asarray((table * np.exp(values))[place].reshape(x.shape))


VALUES = (
    function(
        "sin(x)/x near zero by a wrong series",
        lambda x: np.sin(x) / x,
        _sinc_vjp,
        _sinc_by_one_term,
        _half_small,
        cause="wrong-where-small",
    ),
    function(
        "Huber loss without the sign of its tails",
        lambda x: np.where(abs(x) < SMALL, x**2 / 2, abs(x) - 0.5),
        _huber_vjp,
        _huber_unsigned,
        _both_sizes,
        cause="wrong-where-large",
    ),
    function(
        "sigmoid: one half where it saturates",
        lambda x: _sigmoid(x),
        _sigmoid_vjp,
        lambda u, x: np.where(abs(x) > 3, u / 2, _sigmoid_vjp(u, x)),
        _saturating,
        cause="wrong-where-saturated",
    ),
    function(
        "exp is made once for equal inputs",
        lambda x: np.exp(x),
        lambda u, x: u * np.exp(x),
        _by_distinct_value,
        _tied,
        cause="wrong-at-ties",
    ),
)

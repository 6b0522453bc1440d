"""Gradients that are wrong in one place only: elements, rows, columns, slices, edges, tails, channels."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.mutants.planting import Array, Mutant, Rng, function, one

Spoil = Callable[[Array], None]
SHAPE = (12, 10)


def _affine(x: Array, W: Array) -> Array:
    return np.asarray(x @ W)


def _affine_vjp(u: Array, x: Array, W: Array) -> tuple[Array, Array]:
    return u @ W.T, x.T @ u


def _drawn(g: Rng) -> tuple[Any, ...]:
    return g.normal(size=(5, SHAPE[0])), g.normal(size=SHAPE)


def _weights(name: str, spoil: Spoil, place: str, cause: str | None = None) -> Mutant:
    """An affine map whose weight gradient is spoiled."""

    def wrong(u: Array, x: Array, W: Array) -> tuple[Array, Array]:
        dx, dW = _affine_vjp(u, x, W)
        spoil(dW)
        return dx, dW

    return function(name, _affine, _affine_vjp, wrong, _drawn, input="W", cause=cause, place=place)


def _convolve(x: Array, K: Array) -> Array:
    """(n, c, w) with (o, c, k) → (n, o, w − k + 1): a correlation."""
    windows = np.lib.stride_tricks.sliding_window_view(x, K.shape[2], axis=2)
    return np.asarray(np.einsum("ncwk,ock->now", windows, K))


def _convolve_vjp(u: Array, x: Array, K: Array) -> tuple[Array, Array]:
    windows = np.lib.stride_tricks.sliding_window_view(x, K.shape[2], axis=2)
    dx = np.zeros_like(x)
    for tap in range(K.shape[2]):
        dx[:, :, tap : tap + u.shape[2]] += np.einsum("now,oc->ncw", u, K[:, :, tap])
    return dx, np.einsum("now,ncwk->ock", u, windows)


def _kernel(name: str, input: str, spoil: Spoil, place: str, cause: str | None = None) -> Mutant:
    """A convolution of which one gradient is spoiled."""

    def wrong(u: Array, x: Array, K: Array) -> tuple[Array, Array]:
        dx, dK = _convolve_vjp(u, x, K)
        spoil(dx if input == "x" else dK)
        return dx, dK

    def drawn(g: Rng) -> tuple[Any, ...]:
        return g.normal(size=(2, 3, 9)), g.normal(size=(4, 3, 3))

    return function(name, _convolve, _convolve_vjp, wrong, drawn, input=input, cause=cause, place=place)


def _embed(table: Array, index: Array) -> Array:
    return np.asarray(table[index])


def _embed_vjp(u: Array, table: Array, index: Array) -> tuple[Array, None]:
    gradient = np.zeros_like(table)
    np.add.at(gradient, index, u)
    return gradient, None


def _embed_assigns(u: Array, table: Array, index: Array) -> tuple[Array, None]:
    gradient = np.zeros_like(table)
    gradient[index] = u
    return gradient, None


def _padding_gets_a_gradient(u: Array, x: Array) -> Array:
    gradient = np.pad(u, ((1, 1), (0, 0)))
    gradient[0] = u[0]
    return gradient


def _scaled(index: Any, by: float) -> Spoil:
    def spoil(g: Array) -> None:
        g[index] *= by

    return spoil


def _zeroed(index: Any) -> Spoil:
    return _scaled(index, 0.0)


def _reversed_row(g: Array) -> None:
    g[3] = g[3, ::-1].copy()


def _two_elements(g: Array) -> None:
    g[3, 7] *= 1.001
    g[9, 1] *= 0.999


ALL = slice(None)

PLACES = (
    _weights("one element of a weight matrix", _scaled((3, 7), 1.001), "W[3, 7]"),
    _weights("two elements of a weight matrix", _two_elements, "W[3, 7] and W[9, 1]"),
    _weights("a row of weights is forgotten", _zeroed(3), "row 3 of W", "zero-slice"),
    _weights("the last column of weights is forgotten", _zeroed((ALL, -1)), "the last column of W", "zero-slice"),
    _weights("a row of weights counts twice", _scaled(4, 2.0), "row 4 of W", "constant-factor"),
    _weights("a column of weights with its sign flipped", _scaled((ALL, 2), -1.0), "column 2 of W", "sign-flip"),
    _weights("a row of weights in reverse", _reversed_row, "row 3 of W"),
    _weights(
        "the weights beyond a block of eight rows are forgotten",
        _zeroed(slice(8, None)),
        "the rows from 8 on of W",
        "zero-slice",
    ),
    _weights(
        "all but the first row of weights are forgotten",
        _zeroed(slice(1, None)),
        "all but the first row of W",
        "zero-slice",
    ),
    _weights(
        "the weights' tail beyond eight columns counts twice",
        _scaled((ALL, slice(8, None)), 2.0),
        "from 8 on",
        "constant-factor",
    ),
    _kernel("an output channel's kernel is forgotten", "K", _zeroed(2), "slice 2 on axis 0 of K", "zero-slice"),
    _kernel("an input channel's kernel is halved", "K", _scaled((ALL, 1), 0.5), "slice 1 on axis 1", "constant-factor"),
    _kernel("a tap of the kernel is forgotten", "K", _zeroed((ALL, ALL, 2)), "the last slice on axis 2", "zero-slice"),
    _kernel("the last column of an image is forgotten", "x", _zeroed((ALL, ALL, -1)), "axis 2 of x", "zero-slice"),
    _kernel("only the first image of a batch", "x", _zeroed(1), "the last slice on axis 0 of x", "zero-slice"),
    function(
        "an embedding overwrites where indices repeat",
        _embed,
        _embed_vjp,
        _embed_assigns,
        lambda g: (g.normal(size=(8, 4)), np.array([3, 0, 3, 1, 5, 5, 3, 7])),
        input="table",
        cause="overwritten-not-accumulated",
    ),
    function(
        "a gather overwrites where indices repeat",
        _embed,
        _embed_vjp,
        _embed_assigns,
        lambda g: (g.normal(size=12), np.array([3, 0, 3, 1, 5, 5, 3, 7, 9, 9])),
        input="table",
        cause="overwritten-not-accumulated",
    ),
    function(
        "an embedding forgets one row of its table",
        _embed,
        _embed_vjp,
        lambda u, table, index: (_embed_vjp(u, table, index)[0] * (np.arange(8) != 5)[:, None], None),
        lambda g: (g.normal(size=(8, 4)), np.array([3, 0, 2, 1, 5, 6, 4, 7])),
        input="table",
        cause="zero-slice",
        place="row 5 of table",
    ),
    function(
        "a cropped row gets a gradient",
        lambda x: x[1:-1] * 1.0,
        lambda u, x: np.pad(u, ((1, 1), (0, 0))),
        _padding_gets_a_gradient,
        one(6, 5),
        cause="should-be-zero",
        place="row 0 of x",
    ),
)

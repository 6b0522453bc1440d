"""Backwards that are right at most points: what they depend on shows only where several inputs are tried."""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.mutants.planting import Array
from tests.mutants.question_batch import AffineAveragesOneRow, ExpDropsSingleRows

Vjp = Callable[..., Any]


@dataclass(frozen=True)
class Explored:
    """A planted bug that a search must find.

    Attributes:
        name: what was done to the code.
        target: the layer, class or function; a function with its `vjp` among the axes.
        axes: what `gk.explore` is given by keyword.
        cause: what the failure depends on; None where that is no condition that has a name.
        words: of the condition.
    """

    name: str
    target: Any
    axes: Mapping[str, Any]
    cause: str | None = None
    words: str = ""


def _of_sine(name: str, wrong: Vjp, axes: Mapping[str, Any], cause: str | None, words: str = "") -> Explored:
    return Explored(name, lambda x: np.sin(x), {**axes, "vjp": wrong}, cause, words)


def _right(u: Array, x: Array) -> Array:
    return np.asarray(u * np.cos(x))


def _spoilt_where(condition: Callable[[Array], Any]) -> Vjp:
    return lambda u, x: np.where(condition(x), 1.5 * _right(u, x), _right(u, x))


def _row_mean(x: Array) -> Array:
    return np.asarray(x.sum(axis=0) / max(len(x), 1))


def _row_mean_by_columns(u: Array, x: Array) -> Array:
    return np.tile(u / max(x.shape[1], 1), (len(x), 1))


def _by_exact_value(u: Array, x: Array) -> Array:
    values, place = np.unique(x, return_inverse=True)
    table = np.zeros_like(values)
    np.add.at(table, place.reshape(-1), u.reshape(-1))
    return np.asarray((table * np.cos(values))[place].reshape(x.shape))


def _all_to_each_tied(u: Array, x: Array) -> Array:
    return np.asarray(u * (x == x.max(axis=1, keepdims=True)), x.dtype)


ROWS = {"x": ("n", 3)}
BOTH = {"x": ("n", "m")}

EXPLORED = (
    _of_sine("one row is spoilt", _spoilt_where(lambda x: len(x) == 1), ROWS, "batch-of-one", "where n is 1"),
    Explored(
        "Affine averages db over the columns of a single row",
        AffineAveragesOneRow,
        {"x": ("n", 3), "W": (3, 4), "b": (4,)},
        "batch-of-one",
        "where n is 1",
    ),
    Explored("a Function has no gradient for a single row", ExpDropsSingleRows, ROWS, "batch-of-one", "where n is 1"),
    _of_sine("one column is spoilt", _spoilt_where(lambda x: x.shape[1] == 1), BOTH, "axis-of-one", "where m is 1"),
    Explored(
        "a mean over rows is divided by the columns",
        lambda x: _row_mean(x),
        {**BOTH, "vjp": _row_mean_by_columns},
        "wrong-for-non-square",
        "n and m differ",
    ),
    Explored(
        "a mean over rows is divided by three columns",
        lambda x: _row_mean(x),
        {**ROWS, "vjp": _row_mean_by_columns},
        "wrong-for-non-square",
        "n is not 3",
    ),
    _of_sine(
        "a square matrix is taken for a symmetric one",
        lambda u, x: _right(u, x).T if x.shape[0] == x.shape[1] > 1 else _right(u, x),
        ROWS,
        "wrong-for-square",
        "n is 3",
    ),
    _of_sine(
        "rows beyond a block of sixteen",
        lambda u, x: np.where(np.arange(len(x))[:, None] < 16, _right(u, x), 2 * _right(u, x)),
        ROWS,
        "wrong-from-length",
        "n is 17 or more",
    ),
    _of_sine("sine is made once for equal inputs", _by_exact_value, ROWS, "wrong-at-ties", "exactly equal"),
    Explored(
        "a maximum hands all of it to each of the tied",
        lambda x: x.max(axis=1, keepdims=True),
        {**ROWS, "vjp": _all_to_each_tied},
        "wrong-at-ties",
        "exactly equal",
    ),
    _of_sine("long matrices are spoilt", _spoilt_where(lambda x: x.shape[0] > x.shape[1]), BOTH, None),
    _of_sine("an even number of rows is spoilt", _spoilt_where(lambda x: len(x) % 2 == 0), BOTH, None),
    _of_sine("large elements are spoilt", _spoilt_where(lambda x: x > 3), ROWS, None),
    _of_sine("everything is spoilt", _spoilt_where(lambda x: True), BOTH, None),
)

"""An infinite gradient of an infinite derivative cannot be judged; of a finite one it is wrong."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import gradcheck_kit as gk

FAIL, INCONCLUSIVE = gk.Verdict.FAIL, gk.Verdict.INCONCLUSIVE
AT_ZERO = np.array([[0.0, 1.5], [0.3, 0.0]])


@np.errstate(all="ignore")
def _cube_root_vjp(u: Any, x: Any) -> Any:
    return u / (3 * np.cbrt(x) ** 2)


@np.errstate(all="ignore")
def _square_root_vjp(u: Any, x: Any) -> Any:
    return u / (2 * np.sqrt(x))


def _entropy(x: Any) -> Any:
    return np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0)), 0.0)


@np.errstate(all="ignore")
def _entropy_vjp(u: Any, x: Any) -> Any:
    return u * (np.log(x) + 1)


@np.errstate(all="ignore")
def _arc_sine_vjp(u: Any, x: Any) -> Any:
    return u / np.sqrt(1 - x * x)


INFINITE: dict[str, tuple[Callable[..., Any], Callable[..., Any], Any]] = {
    "the cube root at 0": (np.cbrt, _cube_root_vjp, AT_ZERO),
    "the square root at 0": (np.sqrt, _square_root_vjp, AT_ZERO),
    "the square root at 0 alone": (np.sqrt, _square_root_vjp, np.zeros(3)),
    "a square root on a pedestal": (lambda x: 100 + np.sqrt(x), _square_root_vjp, AT_ZERO),
    "x log x at 0": (_entropy, _entropy_vjp, AT_ZERO),
    "the arc sine at 1": (np.arcsin, _arc_sine_vjp, np.array([1.0, 0.2, -1.0])),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", INFINITE)
def test_an_infinite_gradient_of_an_infinite_derivative_is_inconclusive(name: str, dtype: str) -> None:
    forward, vjp, x = INFINITE[name]
    for seed in range(3):
        report = gk.examine(forward, x.astype(dtype), vjp=vjp, names=["x"], seed=seed)
        assert report.verdict is INCONCLUSIVE, report
        assert [f.cause for f in report.findings] == ["infinite-derivative"]
        assert "pass inputs at which it is finite" in str(report)


def test_torch_at_zero_is_inconclusive() -> None:
    report = gk.examine(torch.sqrt, torch.tensor(AT_ZERO))
    assert (report.verdict, report.findings[0].cause) == (INCONCLUSIVE, "infinite-derivative")


WRONG: dict[str, tuple[Callable[..., Any], Callable[..., Any], Any]] = {
    "the other infinity": (np.cbrt, lambda u, x: -_cube_root_vjp(u, x), AT_ZERO),
    "NaN": (np.cbrt, lambda u, x: _cube_root_vjp(u, x) * np.where(x == 0, np.nan, 1), AT_ZERO),
    "a finite derivative": (np.sin, lambda u, x: u / x, AT_ZERO),
    "a zero derivative": (np.square, lambda u, x: u / x, AT_ZERO),
    "infinite beside where it should be": (np.cbrt, lambda u, x: _cube_root_vjp(u, np.where(x > 1, 0, x)), AT_ZERO),
    "a kink": (np.abs, lambda u, x: np.where(x == 0, np.inf, u * np.sign(x)), AT_ZERO),
    "a large but finite derivative": (lambda x: 1e8 * np.tanh(x), lambda u, x: u / np.tanh(x) ** 2, AT_ZERO),
}


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("name", WRONG)
def test_an_infinite_gradient_of_a_finite_derivative_is_wrong(name: str) -> None:
    forward, vjp, x = WRONG[name]
    for seed in range(3):
        report = gk.examine(forward, x, vjp=vjp, names=["x"], seed=seed)
        assert (report.verdict, report.findings[-1].cause) == (FAIL, "not-finite"), report

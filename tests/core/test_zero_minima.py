"""Where a function and its gradient are both zero, as a squared error at a perfect fit, a check decides as anywhere."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict

Array = np.ndarray[Any, Any]
TARGET = np.random.default_rng(0).normal(size=(4, 3))


def residual(x: Array) -> Array:
    return x - TARGET.astype(x.dtype)


MINIMA: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array], Array]] = {
    "squared error at a perfect fit": (lambda x: residual(x) ** 2, lambda x: 2 * residual(x), TARGET),
    "square at 0": (np.square, lambda x: 2 * x, np.zeros(5)),
    "cube at 0": (lambda x: x**3, lambda x: 3 * x * x, np.zeros(5)),
    "x sin x at 0": (lambda x: x * np.sin(x), lambda x: np.sin(x) + x * np.cos(x), np.zeros(5)),
    "square of a tiny shift": (lambda x: (x - 1) ** 2, lambda x: 2 * (x - 1), np.full(3, 1.0)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("reference", [None, "native"])
@pytest.mark.parametrize("name", MINIMA)
def test_a_zero_gradient_at_a_zero_minimum_passes(name: str, reference: str | None, dtype: type) -> None:
    function, slope, point = MINIMA[name]
    report = gk.examine(
        function, point.astype(dtype), vjp=lambda u, x: (u * slope(x)).astype(x.dtype), reference=reference
    )
    assert report.verdict is Verdict.PASS, report


@pytest.mark.parametrize("error", [1e-1, 1e-3, 1e-6, 1e-12])
@pytest.mark.parametrize("name", MINIMA)
def test_a_gradient_that_is_not_zero_there_fails(name: str, error: float) -> None:
    function, slope, point = MINIMA[name]
    assert gk.examine(function, point, vjp=lambda u, x: u * (slope(x) + error)).verdict is Verdict.FAIL


@pytest.mark.parametrize("slope", [1e-1, 1e-3, 1e-6, 1e-12])
def test_a_slope_beside_a_square_is_not_taken_for_zero(slope: float) -> None:
    def function(x: Array) -> Array:
        return x * x + slope * x

    assert gk.examine(function, np.zeros(5), vjp=lambda u, x: u * 2 * x).verdict is Verdict.FAIL
    assert gk.examine(function, np.zeros(5), vjp=lambda u, x: u * (2 * x + slope)).verdict is Verdict.PASS


def test_values_that_are_noise_alone_do_not_vouch_for_a_zero_gradient() -> None:
    def noise(x: Array) -> Array:
        return 1e-12 * np.sin(1e15 * x)

    assert gk.examine(noise, np.zeros(5), vjp=lambda u, x: 0 * u).verdict is not Verdict.PASS

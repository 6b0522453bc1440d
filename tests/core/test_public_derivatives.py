"""Derivatives for users: the error holds by another method, one-sided ones too, and what cannot be had is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import gradcheck_kit as gk
from gradcheck_kit.adapters.torch_library import Torch
from gradcheck_kit.differences import Obstacle, complex_step, directional_derivative

Values = npt.NDArray[Any]
SMOOTH: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "exp": np.exp,
    "tanh": np.tanh,
    "bell": lambda x: np.exp(-x * x),
    "Runge": lambda x: 1 / (1 + 25 * x * x),
    "cube": lambda x: x**3,
    "log": lambda x: np.log(2 + x * x),
    "fast": lambda x: np.sin(9 * x),
    "hyperbola": lambda x: np.sqrt(1 + x * x),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(),
    "sum of squares": lambda x: (x * x).sum(keepdims=True) * np.ones(len(x)),
}
SIDES = ["both", "right", "left"]


def drawn(seed: int, size: int) -> tuple[Values, Values, Values]:
    """A point, a tangent of any length, a cotangent."""
    generator = np.random.default_rng(seed)
    x, v, u = generator.normal(size=(3, size))
    return x, v * 10.0 ** generator.integers(-3, 4), u


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("size", [1, 4, 30])
def test_the_error_holds_by_the_complex_step(name: str, side: str, size: int) -> None:
    for seed in range(8):
        x, v, u = drawn(seed, size)
        before = x.tobytes(), v.tobytes(), u.tobytes()
        truth = complex_step(SMOOTH[name], x, v, cotangent=u)
        found = directional_derivative(SMOOTH[name], x, v, cotangent=u, side=side)
        assert abs(found.value - truth) <= found.error
        assert found.error <= 1e-6 * (found.size + np.linalg.norm(u) * np.linalg.norm(v))
        assert before == (x.tobytes(), v.tobytes(), u.tobytes())


@pytest.mark.parametrize("seed", range(20))
def test_the_error_holds_in_float32_on_central_differences(seed: int) -> None:
    x, v, u = drawn(seed, 5)
    x, v = x.astype(np.float32), v.astype(np.float32)
    found = directional_derivative(np.sin, x, v, cotangent=u)
    assert abs(found.value - complex_step(np.sin, x, v, cotangent=u)) <= found.error <= 1e-3 * found.size


# At a point: the function, the side, the slope.
ONE_SIDED: dict[str, tuple[Callable[[Any], Any], float, str, float]] = {
    "|x| right": (np.abs, 0.0, "right", 1.0),
    "|x| left": (np.abs, 0.0, "left", -1.0),
    "relu right": (lambda x: np.maximum(x, 0), 0.0, "right", 1.0),
    "relu left": (lambda x: np.maximum(x, 0), 0.0, "left", 0.0),
    "x^1.5 at its edge": (lambda x: x**1.5, 0.0, "right", 0.0),
    "x^2.5 at its edge": (lambda x: x**2.5, 0.0, "right", 0.0),
    "√x inside": (np.sqrt, 4.0, "left", 0.25),
    "exp(-|x|) right": (lambda x: np.exp(-abs(x)), 0.0, "right", -1.0),
    "exp(-|x|) left": (lambda x: np.exp(-abs(x)), 0.0, "left", 1.0),
    "x log(1+x) at the edge of another": (lambda x: np.sin(3 * x) + np.sqrt(x) * x * x, 0.0, "right", 3.0),
}


@pytest.mark.parametrize("name", ONE_SIDED)
def test_a_one_sided_derivative_holds_at_a_kink_and_at_an_edge(name: str) -> None:
    function, at, side, slope = ONE_SIDED[name]
    seen: list[float] = []

    def watched(x: Any) -> Any:
        seen.append(float(x))
        return function(x)

    found = directional_derivative(watched, np.array(at), np.array(1.0), side=side)
    assert abs(found.value - slope) <= found.error <= 0.05
    assert found.evaluations >= len(seen)
    assert all((x - at) * (1 if side == "right" else -1) >= 0 for x in seen)  # nothing on the other side


@pytest.mark.parametrize(
    ("function", "at", "side", "obstacle"),
    [
        (np.sqrt, 0.0, "right", Obstacle.JUMP),
        (np.sign, 0.0, "right", Obstacle.UNEXPLAINED),
        (np.arccos, 1.0, "left", Obstacle.JUMP),
        (np.log, 0.0, "right", Obstacle.DOMAIN),
        (np.sqrt, 0.0, "left", Obstacle.DOMAIN),
        (np.abs, 0.0, "both", Obstacle.KINK),
    ],
)
def test_where_there_is_no_derivative_the_error_is_infinite_and_the_obstacle_named(
    function: Callable[[Any], Any], at: float, side: str, obstacle: Obstacle
) -> None:
    with np.errstate(all="ignore"):
        found = directional_derivative(function, np.array(at), np.array(1.0), side=side)
    assert (found.error, found.obstacle) == (np.inf, obstacle)


def test_arguments_are_positional_or_by_keyword_and_some_are_held_fixed() -> None:
    x, v, u = drawn(0, 4)
    rows = np.array([3, 0])
    fixed = directional_derivative(lambda x, i: x[i] ** 2, (x, rows), (v, None), cotangent=u[:2])
    named = directional_derivative(lambda i, x: x[i] ** 2, {"x": x, "i": rows}, {"x": v, "i": None}, cotangent=u[:2])
    truth = float(u[:2] @ (2 * x * v)[rows])
    for found in (fixed, named):
        assert abs(found.value - truth) <= found.error
    several = directional_derivative(lambda x: (x * x, np.sin(x)), x, v, cotangent=(u, None))
    assert abs(several.value - u @ (2 * x * v)) <= several.error


@pytest.mark.parametrize("side", SIDES)
def test_tensors_are_differentiated_in_their_own_library(side: str) -> None:
    x, v, u = map(torch.tensor, drawn(2, 4))
    found = directional_derivative(torch.sin, x, v, cotangent=u, side=side, library=Torch())
    assert abs(found.value - float((u * v * x.cos()).sum())) <= found.error


def _half(x: Any) -> Any:
    return np.append(abs(x[:1]) * x[:1], np.sin(x[1:]))


def _quiet(x: Any) -> Any:
    out = np.empty(x.shape)
    with np.errstate(all="ignore"):
        out[...] = x.real**2
    return out


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "raises": (lambda x: np.array([float(t) for t in x]), "does not take complex"),
    "abs": (np.abs, "returns real"),
    ".real": (lambda x: x.real * 2, "returns real"),
    "a cast": (_quiet, "returns real"),
    "abs within": (lambda x: abs(x) * x, "plain central difference"),
    "abs within one output of several": (_half, "plain central difference"),
    ".real within": (lambda x: x * np.cos(x.real), "plain central difference"),
    "conjugate": (lambda x: np.conj(x) * x * x, "plain central difference"),
    "arctan2": (lambda x: np.arctan2(x, 1.0), "does not take complex"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_complex_step_refuses_what_drops_the_imaginary_part(name: str) -> None:
    function, told = REFUSED[name]
    with pytest.raises(gk.UsageError, match=told):
        complex_step(function, np.array([0.7, -1.2]), np.array([1.0, 0.5]), cotangent=np.array([1.0, -0.5]))


X = np.array([0.7, -1.2])
BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "a side": (lambda: directional_derivative(np.sin, X, X, cotangent=X, side="up"), "side='up'; pass one of 'both'"),
    "no cotangent": (lambda: directional_derivative(np.sin, X, X), "pass cotangent="),
    "another cotangent": (lambda: directional_derivative(np.sin, X, X, cotangent=X[:1]), "the cotangent has shapes"),
    "another tangent": (lambda: directional_derivative(np.sin, X, X[:1], cotangent=X), "the tangent of"),
    "too few tangents": (lambda: directional_derivative(np.add, (X, X), (X,), cotangent=X), "pass None to hold fixed"),
    "no direction": (lambda: directional_derivative(np.sin, X, 0 * X, cotangent=X), "every tangent is zero"),
    "an integer": (lambda: directional_derivative(np.negative, np.arange(2), X, cotangent=X), "is int64"),
    "one-sided float32": (
        lambda: directional_derivative(np.sin, X.astype(np.float32), X, cotangent=X, side="right"),
        "float64 alone",
    ),
    "complex step, no cotangent": (lambda: complex_step(np.sin, X, X), "pass cotangent="),
    "complex step, no direction": (lambda: complex_step(np.sin, X, 0 * X, cotangent=X), "every tangent is zero"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_derivative_that_cannot_be_had_is_a_usage_error(name: str) -> None:
    call, told = BAD[name]
    with pytest.raises(gk.UsageError, match=told):
        call()

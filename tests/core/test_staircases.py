"""A forward that moves in steps is no evidence against a gradient that agrees over many of them; it is told as one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict

Values = npt.NDArray[Any]
RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4))
GRID = np.linspace(-6.0, 6.0, 2**14 + 1)


def inside(dtype: str, function: Callable[[Values], Values]) -> Callable[[Values], Values]:
    """The function with its input rounded to this dtype, and its output in float64."""
    return lambda x: np.asarray(function(x.astype(dtype)), dtype=np.float64)


def in_bfloat16(x: Values) -> Values:
    return np.asarray(torch.tensor(x).bfloat16().tanh().double().numpy())


@dataclass(frozen=True)
class Stairs:
    """A forward that moves in steps, and the derivative of what it is meant to be, elementwise or as a VJP."""

    forward: Callable[[Values], Values]
    vjp: Callable[[Values, Values], Values]
    at: Values = field(default_factory=lambda: X)
    wrong_is_seen: bool = True


def of_tanh(u: Values, x: Values) -> Values:
    return np.asarray(u * (1 - np.tanh(x) ** 2))


STAIRS = {
    "tanh in float16": Stairs(inside("float16", np.tanh), of_tanh),
    "tanh in bfloat16": Stairs(in_bfloat16, of_tanh),
    "tanh in float32": Stairs(inside("float32", np.tanh), of_tanh, wrong_is_seen=False),
    "a product in float16": Stairs(inside("float16", lambda x: x @ W.astype("float16")), lambda u, x: u @ W.T),
    "a square of what was rounded": Stairs(lambda x: inside("float16", np.array)(x) ** 2, lambda u, x: 2 * x * u),
    "a sum of what was rounded": Stairs(
        lambda x: np.asarray(inside("float16", np.sin)(x).sum()), lambda u, x: u * np.cos(x)
    ),
    "log(1 + x) − x": Stairs(
        lambda x: np.log(1 + x) - x,
        lambda u, x: -u * x / (1 + x),
        np.array([1e-12, 2e-12, -3e-12]),
        wrong_is_seen=False,  # the gradient, 1e-12, is far below what the subtraction leaves
    ),
    "log(1 + x)": Stairs(lambda x: np.log(1 + x), lambda u, x: u / (1 + x), np.array([1e-12, 2e-12, -3e-12])),
    "(1 − cos x)/x²": Stairs(
        lambda x: (1 - np.cos(x)) / x**2, lambda u, x: -u * x / 12, np.array([1e-6, 2e-6, -1.5e-6]), wrong_is_seen=False
    ),
}


@pytest.mark.parametrize("name", STAIRS)
def test_a_right_gradient_of_a_staircase_is_undecided_and_the_reason_is_told(name: str) -> None:
    stairs = STAIRS[name]
    for seed in range(3):
        report = gk.examine(stairs.forward, stairs.at, vjp=stairs.vjp, names=["x"], seed=seed)
        (finding,) = [f for f in report.findings if f.verdict is not Verdict.PASS]
        assert finding.verdict is Verdict.INCONCLUSIVE, str(report)
        assert finding.cause in ("staircase", "unexplained")
        assert "fewer digits" in finding.message


@pytest.mark.parametrize("name", [name for name, stairs in STAIRS.items() if stairs.wrong_is_seen])
@pytest.mark.parametrize("factor", [-1.0, 2.0])
def test_a_gradient_that_is_wrong_over_many_steps_too_is_wrong(name: str, factor: float) -> None:
    stairs = STAIRS[name]
    report = gk.examine(stairs.forward, stairs.at, vjp=lambda u, x: factor * stairs.vjp(u, x), names=["x"])
    assert report.verdict is Verdict.FAIL, str(report)


@pytest.mark.parametrize(
    ("forward", "vjp"),
    [
        pytest.param(lambda x: np.clip(x, -0.01, 0.01), lambda u, x: +u, id="a clip that is forgotten"),
        pytest.param(np.floor, lambda u, x: +u, id="a floor"),
        pytest.param(lambda x: np.maximum(x - 9.0, 0.0), lambda u, x: +u, id="a dead relu"),
        pytest.param(lambda x: np.sin(50 * x), lambda u, x: u * np.cos(50 * x), id="a factor of 50"),
        pytest.param(lambda x: np.sin(1e3 * x), lambda u, x: u * np.cos(1e3 * x), id="a factor of 1000"),
        pytest.param(lambda x: x**2 + np.sin(1e3 * x) / 1e3, lambda u, x: 2 * x * u, id="ripples that are forgotten"),
        pytest.param(
            lambda x: np.interp(x, GRID, np.sin(GRID)), lambda u, x: u * np.cos(x), id="a table that is interpolated"
        ),
    ],
)
def test_what_is_flat_or_steep_by_intention_is_no_staircase(forward: Any, vjp: Any) -> None:
    for seed in range(3):
        assert gk.examine(forward, X, vjp=vjp, names=["x"], seed=seed).verdict is Verdict.FAIL


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("beyond", [1e-3, 1e-4, 1e-5])
def test_a_lone_output_that_is_flat_up_to_a_kink_nearby_is_no_staircase(power: int, beyond: float) -> None:
    def hinge(x: Values) -> Values:
        return np.asarray((np.maximum(1.0 - x, 0.0) ** power).sum())

    def unmasked(u: Values, x: Values) -> Values:
        return -power * u * (1.0 - x) ** (power - 1)

    for seed in range(3):
        report = gk.examine(hinge, np.array([1.0 + beyond]), vjp=unmasked, seed=seed)
        assert report.verdict is Verdict.FAIL, str(report)


def test_the_message_says_how_long_the_steps_are_and_what_agrees() -> None:
    stairs = STAIRS["tanh in float16"]
    (finding,) = [f for f in gk.examine(stairs.forward, X, vjp=stairs.vjp).findings if not f.verdict]
    assert finding.cause == "staircase"
    assert "which agrees" in finding.message
    step = float(finding.message.split("in steps of about ")[1].split(" ")[0])
    assert 2.0**-13 < step < 2.0**-8  # float16 has steps of 2⁻¹¹ to 2⁻¹⁰

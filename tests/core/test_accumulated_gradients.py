"""A layer whose backward adds to the gradients it holds is right where it says how to clear them."""

from typing import Any

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.textbook import Chain

Array = np.ndarray[Any, Any]


class Accumulating:
    """An affine layer without bias that adds, and cannot be told to clear."""

    factor = 1.0

    def __init__(self, W: Array) -> None:
        self.W, self.dW = W, np.full_like(W, 5.0)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W

    def backward(self, cotangent: Array) -> Array:
        self.dW += self.factor * self.x.T @ cotangent
        return cotangent @ self.W.T


class Cleared(Accumulating):
    def zero_grad(self) -> None:
        self.dW[:] = 0.0


class ClearedAndWrong(Cleared):
    factor = 2.0


class Stacked(Chain):
    """Two of them, cleared from outside."""

    def zero_grad(self) -> None:
        for layer in self.layers:
            layer.dW = np.zeros_like(layer.W)


def weights(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize(
    ("layer", "wrong"),
    [
        (Cleared(weights(3, 2)), []),
        (Stacked(Accumulating(weights(3, 4)), Accumulating(weights(4, 2))), []),
        (ClearedAndWrong(weights(3, 2)), ["W"]),
        (Accumulating(weights(3, 2)), ["W"]),
    ],
)
def test_gradients_are_cleared_as_a_training_step_would(layer: Any, wrong: list[str]) -> None:
    report = gk.examine(layer, weights(5, 3))
    assert [f.input for f in report.findings if f.verdict is Verdict.FAIL] == wrong


def test_the_users_own_gradients_are_not_cleared() -> None:
    layer = Cleared(weights(3, 2))
    gk.examine(layer, weights(5, 3))
    np.testing.assert_array_equal(layer.dW, 5.0)


class Drifting(Cleared):
    """Whose gradient of the input grows from call to call."""

    calls = 0

    def backward(self, cotangent: Array) -> Array:
        self.calls += 1
        return self.calls * super().backward(cotangent)


def said_of(layer: Any) -> str:
    return " ".join(str(gk.examine(layer, weights(5, 3))).split())


def test_a_layer_that_adds_is_told_how_to_say_that_it_does() -> None:
    told = "a layer that adds by design has a method zero_grad() that clears W's gradient: it is called before each"
    assert told in said_of(Accumulating(weights(3, 2)))
    assert "zero_grad" not in said_of(Cleared(weights(3, 2)))


def test_what_is_no_gradient_of_a_parameter_is_not_excused_by_clearing_it() -> None:
    drifting = said_of(Drifting(weights(3, 2)))
    assert "instead of adding" in drifting
    assert "zero_grad" not in drifting
    calls = iter(range(1, 1000))
    report = gk.examine(np.sin, weights(5, 3), vjp=lambda u, x: next(calls) * u * np.cos(x))
    assert report.verdict is Verdict.FAIL
    assert "instead of adding" in str(report)
    assert "zero_grad" not in str(report)

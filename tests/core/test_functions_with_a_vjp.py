"""A function and its VJP: every input with a gradient is checked, whatever the VJP returns its gradients in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.textbook import W, X, compared, failed


@dataclass(frozen=True)
class Case:
    """A function with its VJP at inputs: right as it stands, wrong where `spoil` multiplies one gradient."""

    forward: Callable[..., Any]
    vjp: Callable[..., Any]
    inputs: tuple[Any, ...]
    compared: tuple[str, ...]
    spoil: str


S = {"x": 1.0, "y": 1.0}  # what the planted bug multiplies


def _tuple_vjp(u: Any, x: Any, y: Any) -> Any:
    return (S["x"] * (u[0] * y + u[1]), S["y"] * u[0] * x)


def _dict_vjp(u: Any, x: Any, y: Any) -> Any:
    return {"y": S["y"] * u["sum"], "x": S["x"] * (u["sum"] + 2 * u["square"] * x)}


def _mixed_vjp(u: Any, x: Any, y: Any) -> Any:
    first, none = u
    assert none is None
    return S["x"] * first * y, S["y"] * first * x


FUNCTIONS = {
    "one output, one input": Case(np.sin, lambda u, x: S["x"] * u * np.cos(x), (X,), ("x",), "x"),
    "a tuple of outputs": Case(lambda x, y: (x * y, +x), _tuple_vjp, (X, W), ("x", "y"), "y"),
    "a list of outputs": Case(lambda x, y: [x * y, +x], _tuple_vjp, (X, W), ("x", "y"), "x"),
    "a dict of outputs": Case(lambda x, y: {"sum": x + y, "square": x * x}, _dict_vjp, (X, W), ("x", "y"), "x"),
    "an integer output beside": Case(lambda x, y: (x * y, x.argmax(1)), _mixed_vjp, (X, W), ("x", "y"), "y"),
    "None for an integer input": Case(
        lambda x, i: x[i], lambda u, x, i: (S["x"] * np.eye(2)[i].T @ u, None), (X, np.array([1, 0, 1])), ("x",), "x"
    ),
    "nothing for an integer input": Case(
        lambda i, x: x[i], lambda u, i, x: S["x"] * np.eye(2)[i].T @ u, (np.array([1, 0, 1]), X), ("x",), "x"
    ),
    "None where the derivative is zero": Case(
        lambda x, y: x * 2 + 0 * y, lambda u, x, y: (S["x"] * u * 2, None), (X, W), ("x", "y"), "x"
    ),
    "Python floats": Case(lambda x, y: x * y, lambda u, x, y: (S["x"] * u * y, u * x), (1.5, -0.5), ("x", "y"), "x"),
    "nested lists": Case(lambda x: x**2, lambda u, x: S["x"] * u * 2 * x, ([[1.0, 2.0], [3.0, 4.5]],), ("x",), "x"),
    "a constant beside": Case(
        lambda x, axis: x.sum(axis), lambda u, x, axis: S["x"] * np.broadcast_to(u, x.shape), (X, 0), ("x",), "x"
    ),
    "a transposed view": Case(lambda x: x**3, lambda u, x: S["x"] * 3 * u * x**2, (X.T,), ("x",), "x"),
    "a 0-d output of 0-d inputs": Case(
        lambda x: x * x, lambda u, x: S["x"] * 2 * u * x, (np.array(1.25),), ("x",), "x"
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_vjp_passes_for_every_float_input(name: str) -> None:
    case = FUNCTIONS[name]
    report = gk.examine(case.forward, *case.inputs, vjp=case.vjp, names=_xs(case))
    assert report.verdict is Verdict.PASS, report
    assert compared(report) == list(case.compared)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_wrong_gradient_of_a_vjp_is_named_and_no_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = FUNCTIONS[name]
    monkeypatch.setitem(S, case.spoil, 1.5)
    report = gk.examine(case.forward, *case.inputs, vjp=case.vjp, names=_xs(case))
    assert failed(report) == [case.spoil], report


def _xs(case: Case) -> list[str] | None:
    """Builtins tell no names."""
    return ["x"] if case.forward is np.sin else None


def test_a_missing_gradient_where_the_derivative_is_not_zero_fails() -> None:
    report = gk.examine(lambda x, y: x * y, X, W, vjp=lambda u, x, y: (u * y, None))
    assert failed(report) == ["y"]
    assert [f.cause for f in report.findings if f.verdict is Verdict.FAIL] == ["zero-gradient"]


def test_fewer_gradients_than_inputs_claim_zero_for_the_rest() -> None:
    assert failed(gk.examine(lambda x, y: x * y, X, W, vjp=lambda u, x, y: u * y)) == ["y"]

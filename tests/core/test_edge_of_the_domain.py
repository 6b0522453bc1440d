"""At the edge of a domain a dither may leave it, and then whatever the user's code raises there is no crash."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict

Values = npt.NDArray[Any]
P = np.linspace(0.5, 1.0, 6).reshape(2, 3)


class OutsideError(Exception):
    """A class of the user's own."""


RAISED = pytest.mark.parametrize("error", [ValueError, AssertionError, OutsideError])


def entropy(error: type[Exception], factor: float = 1.0) -> gk.Subject:
    """Defined up to p = 1, where P ends; its gradient is `factor` times the right one."""

    def inside(p: Values) -> Values:
        if (p > 1.0).any():
            raise error("a probability above 1")
        return p

    def vjp(u: Values, p: Values) -> Values:
        return factor * u * (np.log(inside(p)) + 1.0)

    return gk.function(lambda p: inside(p) * np.log(p), P, vjp=vjp, names=["p"])


@RAISED
def test_a_check_at_the_edge_says_that_a_step_leaves_the_domain(error: type[Exception]) -> None:
    report = gk.examine(entropy(error))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "leaves the function's domain" in str(report)


@RAISED
def test_a_comparison_at_the_edge_passes_what_is_right(error: type[Exception]) -> None:
    assert gk.parity(entropy(error), entropy(error)).verdict is Verdict.PASS


@RAISED
def test_a_comparison_at_the_edge_fails_what_is_wrong(error: type[Exception]) -> None:
    assert gk.parity(entropy(error), entropy(error, 1 + 1e-10)).verdict is Verdict.FAIL


NEAR = {
    "arcsin": (np.arcsin, lambda x: 1 / np.sqrt(1 - x**2)),
    "arccos": (np.arccos, lambda x: -1 / np.sqrt(1 - x**2)),
    "logit": (lambda x: np.log(x / (1 - x)), lambda x: 1 / (x * (1 - x))),
    "(1 − x)^0.3": (lambda x: (1 - x) ** 0.3, lambda x: -0.3 * (1 - x) ** -0.7),
    "arctanh": (np.arctanh, lambda x: 1 / (1 - x**2)),
    "logarithm of 1 − x": (lambda x: np.log1p(-x), lambda x: -1 / (1 - x)),
    "root of 1 − x²": (lambda x: np.sqrt(1 - x**2), lambda x: -x / np.sqrt(1 - x**2)),
}


def near_the_edge(name: str, distance: float, factor: float = 1.0) -> gk.Subject:
    forward, slope = NEAR[name]
    x = np.array([1.0 - distance, 0.3, 0.7])
    return gk.function(forward, x, vjp=lambda u, x: factor * u * slope(x), names=["x"])


@pytest.mark.parametrize("distance", [1e-2, 1e-3, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 1e-7, 1e-8, 1e-9])
@pytest.mark.parametrize("name", NEAR)
def test_beside_an_edge_smaller_steps_show_whether_a_gradient_is_right(name: str, distance: float) -> None:
    with np.errstate(invalid="ignore"):
        assert gk.examine(near_the_edge(name, distance)).verdict is Verdict.PASS
        for factor in (1 + 1e-3, 0.5, -1.0, 0.0):
            assert gk.examine(near_the_edge(name, distance, factor)).verdict is Verdict.FAIL


@pytest.mark.parametrize("distance", [1e-3, 3e-5, 1e-6])
def test_beside_an_edge_the_gradients_of_torch_are_right_too(distance: float) -> None:
    x = torch.tensor([1.0 - distance, 0.3], dtype=torch.float64)
    for function in (torch.arcsin, torch.arccos, torch.arctanh, torch.logit, torch.erfinv):
        assert gk.examine(function, x, questions="directional").verdict is Verdict.PASS


def test_a_gradient_beyond_the_digits_of_its_dtype_is_undecided_for_that() -> None:
    x = np.array([1.0 - 1e-5], dtype=np.float32)
    report = gk.examine(np.arcsin, x, vjp=lambda u, x: u / np.sqrt(1 - x**2))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "use a dtype of more digits" in str(report).replace("\n      ", " ")


@pytest.mark.parametrize("distance", [1e-3, 1e-4, 1e-5, 1e-6, 1e-7])
def test_beside_an_edge_smaller_steps_are_no_evidence_against_a_gradient(distance: float) -> None:
    """A function that computes in float32 is a staircase to them."""
    forward, slope = NEAR["arctanh"]

    def coarse(x: Values) -> Values:
        return np.asarray(forward(x.astype(np.float32)), dtype=np.float64)

    with np.errstate(all="ignore"):
        report = gk.examine(coarse, np.array([1.0 - distance, 0.3]), vjp=lambda u, x: u * slope(x))
    assert report.verdict is Verdict.INCONCLUSIVE, str(report)


def test_a_pole_on_the_lattice_of_the_steps_is_no_evidence_against_a_gradient() -> None:
    """In float32 the point right beside 1 is moved to 1, where the gradient is infinite, as the derivative is."""
    x = torch.tensor([1.0 + 2.0**-23], dtype=torch.float32)
    assert gk.examine(torch.acosh, x, questions="directional").verdict is Verdict.INCONCLUSIVE
    assert gk.examine(torch.acosh, x).verdict is Verdict.INCONCLUSIVE

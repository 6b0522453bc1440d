"""What is said of a gradient that is not finite, and who is blamed where the forward itself is at fault."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import gradcheck_kit as gk

Array = npt.NDArray[np.float64]
FAIL, PASS = gk.Verdict.FAIL, gk.Verdict.PASS
X = np.arange(1.0, 13.0).reshape(3, 4)


def poisoned(index: object, value: float) -> Callable[[Array, Array], Array]:
    def vjp(u: Array, x: Array) -> Array:
        gradient = np.asarray(u * np.cos(x))
        gradient[index] = value  # type: ignore[index]
        return gradient

    return vjp


NOT_FINITE: dict[str, tuple[Array, object, float, tuple[int, ...], str]] = {
    "an element": (X, (1, 2), np.nan, (1, 2), "at x[1, 2]: nan"),
    "an infinity": (X, (2, 3), -np.inf, (2, 3), "at x[2, 3]: -inf"),
    "a row": (X, 2, np.nan, (2, 0), "at x[2, 0]: nan; 4 of its 12 elements are not finite"),
    "all": (X, ..., np.nan, (0, 0), "at x[0, 0]: nan; all 12 elements are not finite"),
    "a scalar": (np.array(0.3), (), np.nan, (), "at x: nan"),
}


@pytest.mark.parametrize("what", NOT_FINITE)
def test_the_first_element_that_is_not_finite_is_named_and_the_others_are_counted(what: str) -> None:
    x, index, value, first, words = NOT_FINITE[what]
    report = gk.examine(gk.function(np.sin, x, vjp=poisoned(index, value), names=["x"]))
    (finding,) = report.findings
    assert (finding.verdict, finding.cause, finding.index) == (FAIL, "not-finite", first)
    assert finding.message.splitlines() == ["the gradient of x is not finite where the output is", words]


def test_the_element_of_a_tensor_that_is_not_finite_is_named() -> None:
    class Sine(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return x.sin()

        @staticmethod
        def backward(ctx: Any, cotangent: torch.Tensor) -> torch.Tensor:
            gradient = cotangent * ctx.saved_tensors[0].cos()
            gradient[1, 2] = torch.nan
            return gradient

    for dtype in (torch.float64, torch.bfloat16):
        report = gk.examine(Sine, torch.tensor(X, dtype=dtype))
        assert report.findings[-1].index == (1, 2)
        assert "x[1, 2]: nan" in str(report)


# ---------------------------------------------------------------- the forward's fault


class Layer:
    """The identity by a given forward, with a right backward."""

    def __init__(self, forward: Callable[[Array], Any]) -> None:
        self._forward = forward

    def forward(self, x: Array) -> Any:
        return self._forward(x)

    def backward(self, cotangent: Array) -> Array:
        return cotangent.copy()


class Overwriting(Layer):
    """Whose backward writes to its cotangent."""

    def backward(self, cotangent: Array) -> Array:
        cotangent *= 2.0
        return 0.5 * cotangent


def shifted_in_place(x: Array) -> Array:
    x += 1.0
    return x.copy()


BLAMED: dict[str, tuple[Layer, str]] = {
    "a forward that returns whole numbers": (Layer(lambda x: x.astype(int)), "the forward pass is wrong (contract)"),
    "a forward that writes to its input": (Layer(shifted_in_place), "the forward pass is wrong (x)"),
    "a backward that writes to its cotangent": (
        Overwriting(np.copy),
        "the backward pass is wrong (the cotangent of output)",
    ),
    "both": (
        Overwriting(shifted_in_place),
        "the forward and the backward pass are wrong (x, the cotangent of output)",
    ),
    "a wrong gradient": (Layer(lambda x: 2.0 * x), "the backward pass is wrong (x)"),
}


@pytest.mark.parametrize("what", BLAMED)
def test_the_headline_blames_the_pass_that_is_at_fault(what: str) -> None:
    layer, blamed = BLAMED[what]
    report = gk.examine(gk.layer(layer, X, name="L"))
    assert str(report).splitlines()[0] == f"FAIL  L: {blamed}"
    told = [finding["of_forward"] for finding in report.to_dict()["findings"] if finding["verdict"] == "FAIL"]
    assert told == [finding.of_forward for finding in report.findings if finding.verdict is FAIL]
    assert any(told) == ("forward" in blamed)


def test_a_right_layer_blames_nobody() -> None:
    report = gk.examine(Layer(np.copy), X)
    assert report.verdict is PASS
    assert not any(finding.of_forward for finding in report.findings)

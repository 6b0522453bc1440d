"""A backward by a series, or a JVP by logarithms, loses digits that no dither moves: that is no bug of its formula."""

from typing import Any

import numpy as np
import pytest
import torch

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.tensors import drawn


@pytest.mark.parametrize("size", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("rows", [1, 2, 4, 9])
def test_the_exponential_of_a_matrix_is_linear_in_its_cotangent(rows: int, size: float) -> None:
    """torch's backward takes the exponential of a block matrix that holds u: the longer u, the more terms."""
    assert gk.examine(torch.matrix_exp, size * drawn(rows, rows)).verdict is Verdict.PASS


@pytest.mark.parametrize("seed", range(4))
def test_a_jvp_that_keeps_half_its_digits_is_adjoint(seed: int) -> None:
    report = gk.examine(lambda x: torch.logcumsumexp(x, 1), 2 * drawn(3, 7, seed=seed))
    assert report.verdict is Verdict.PASS


class Sine:
    """Right, but for what is planted: a share of the cotangent's square, or of the JVP."""

    def __init__(self, in_cotangent: float = 0.0, in_jvp: float = 0.0) -> None:
        self.in_cotangent, self.in_jvp = in_cotangent, in_jvp

    def forward(self, x: Any) -> Any:
        self.slope = np.cos(x)
        return np.sin(x)

    def backward(self, cotangent: Any) -> Any:
        return self.slope * (cotangent + self.in_cotangent * cotangent**2)

    def jvp(self, tangent: Any) -> Any:
        return self.slope * tangent * (1.0 + self.in_jvp)


@pytest.mark.parametrize(
    ("layer", "question"), [(Sine(in_cotangent=1e-8), "linearity"), (Sine(in_jvp=1e-6), "adjoint"), (Sine(), None)]
)
def test_a_small_error_of_the_formula_is_still_seen(layer: Sine, question: str | None) -> None:
    report = gk.examine(layer, np.random.default_rng(0).normal(size=(4, 3)))
    assert [f.question for f in report.findings if f.verdict is Verdict.FAIL] == ([question] if question else [])

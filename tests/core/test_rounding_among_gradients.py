"""Where most elements of a gradient are the rounding of the largest, these decide; truly small ones are still seen."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict

Array = np.ndarray[Any, Any]


def with_equal_rows(seed: int, dtype: torch.dtype) -> Tensor:
    """The determinant's gradient is zero but in the two rows; computed, it is their rounding in the others."""
    rows = torch.randn(4, 4, dtype=dtype, generator=torch.Generator().manual_seed(seed))
    rows[1] = rows[0]
    return rows


class WrongDeterminant(torch.autograd.Function):
    """The right gradient, times `factors`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factors: Tensor) -> Tensor:
        ctx.save_for_backward(x, factors)
        return torch.linalg.det(x)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor, None]:
        x, factors = ctx.saved_tensors
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(torch.linalg.det(x), x)
        return cotangents[0] * factors * gradient, None


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_a_singular_determinant_passes_and_a_wrong_one_fails(seed: int, dtype: torch.dtype) -> None:
    x, factors = with_equal_rows(seed, dtype), torch.ones(4, 4, dtype=dtype)
    assert gk.examine(torch.linalg.det, x, seed=seed).verdict is Verdict.PASS
    for wrong in (1.01 * factors, factors - torch.eye(4, dtype=dtype)):
        report = gk.examine(lambda x, w=wrong: WrongDeterminant.apply(x, w), x, seed=seed)
        assert report.verdict is Verdict.FAIL, str(report)


@pytest.mark.parametrize("seed", range(3))
def test_small_gradients_beside_which_the_largest_rounds_off_are_still_checked(seed: int) -> None:
    slopes, factors = np.array([1e9, 1e-9, 2e-9, 3e-9]), np.array([1.0, 1.01, 1.01, 1.01])
    x = np.random.default_rng(seed).normal(size=4)
    for factor, verdict in ((factors, Verdict.FAIL), (1.0, Verdict.PASS)):
        report = gk.examine(lambda x: slopes * x, x, vjp=lambda u, x, f=factor: f * slopes * u, seed=seed)
        assert report.verdict is verdict, str(report)

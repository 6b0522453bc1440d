"""At a seam, where the derivative is continuous and the second is not, differences err by their step: it is seen."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

import gradcheck_kit as gk
from gradcheck_kit.differences.extrapolation import entries
from gradcheck_kit.verdict import Verdict

SEAMS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": F.elu,
    "celu": F.celu,
    "relu squared": lambda x: F.relu(x) ** 2 + x,
    "x·|x|": lambda x: x * x.abs(),
    "softsign": F.softsign,
    "huber": lambda x: F.huber_loss(x + 1.0, torch.zeros_like(x), delta=1.0, reduction="none"),
}
POINT = [0.0, 1.0, -1.0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", SEAMS)
def test_a_right_gradient_exactly_at_a_seam_passes(name: str, dtype: torch.dtype) -> None:
    for seed in range(3):
        report = gk.examine(SEAMS[name], torch.tensor(POINT, dtype=dtype), seed=seed)
        assert report.verdict is Verdict.PASS, str(report)


@pytest.mark.parametrize("factor", [1.001, -1.0])
def test_a_wrong_gradient_exactly_at_a_seam_fails(factor: float) -> None:
    def slope(x: Any) -> Any:
        return factor * np.where(x > 0, 1.0, np.exp(x))

    for seed in range(3):
        report = gk.examine(
            lambda x: np.where(x > 0, x, np.expm1(x)), np.array(POINT), vjp=lambda u, x: u * slope(x), seed=seed
        )
        assert report.verdict is Verdict.FAIL, str(report)


@pytest.mark.parametrize("rungs", [2, 3, 4, 5])
def test_no_entry_of_the_tableau_promises_more_than_it_holds_at_a_seam(rungs: int) -> None:
    steps = [2.0**-k for k in range(rungs)]
    plus, minus = ([np.array([s * h + (h * h if s > 0 else 0.0)]) for h in steps] for s in (1.0, -1.0))
    found = entries(steps, plus, minus, np.zeros(1), 1e-17, 2.0**-53)  # t + t² above 0, t below: the slope is 1
    assert found
    assert all(abs(entry.value - 1.0) <= entry.bound for entry in found)

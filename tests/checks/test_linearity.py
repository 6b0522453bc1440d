"""Linear for large and for small cotangents too: as scaled losses send them, and averages over many terms."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.sines import sine

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
PULLS = 5  # the first, of zero, of a multiple, and two of a combination


def answers(target: Any, x: Tensor, seed: int = 0) -> gk.Report:
    return gk.examine(target, x, questions=["linearity"], seed=seed, figures=False)


def drawn(dtype: torch.dtype, seed: int = 0) -> Tensor:
    return torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("limit", [1.0, 100.0, 1e4, 65536.0])
def test_a_cotangent_that_is_cut_off_is_found(limit: float, dtype: torch.dtype, seed: int) -> None:
    if dtype is torch.float16 and limit > 1e4:
        pytest.skip("float16 ends at 65504")
    report = answers(sine(lambda u: u.clamp(-limit, limit)), drawn(dtype, seed), seed)
    assert [finding.verdict for finding in report.findings] == [Verdict.FAIL], report


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", DTYPES[:3], ids=str)
def test_a_small_cotangent_that_is_taken_for_zero_is_found(dtype: torch.dtype, seed: int) -> None:
    report = answers(sine(lambda u: torch.where(u.abs() < 1e-8, 0.0, u)), drawn(dtype, seed), seed)
    assert [finding.verdict for finding in report.findings] == [Verdict.FAIL], report
    assert "for small cotangents" in report.findings[0].message


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_linear_backward_costs_no_more_than_one_pull_for_each_term(dtype: torch.dtype) -> None:
    report = answers(sine(), drawn(dtype))
    assert report.findings[0].verdict is Verdict.PASS
    assert report.cost.vjp <= PULLS


RIGHT: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "a product overflows in the backward of float16": (lambda x: (x * 200) * 200, 1.0),
    "gradients near the largest float32": (lambda x: x * 1e25 * 1e7, 1.0),
    "gradients near the smallest float32": (torch.sigmoid, -60.0),
    "gradients below the smallest float32": (torch.sigmoid, -100.0),
    "intermediates in float16": (lambda x: (x.half() * x.half()).to(x.dtype), 1.0),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_backward_at_the_edges_of_its_format_is_no_finding(name: str, dtype: torch.dtype) -> None:
    function, at = RIGHT[name]
    x = (at * (1.0 + drawn(torch.float64).abs())).to(dtype)
    with torch.no_grad():
        if not bool(function(x).isfinite().all()):
            pytest.skip(f"the function itself is not finite in {dtype}")
    report = answers(function, x)
    assert all(finding.verdict is Verdict.PASS for finding in report.findings), report

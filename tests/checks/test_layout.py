"""A gradient that is nothing but rounding is no bug of a layout; a cotangent may be of stride 0 along any axes."""

import pytest
import torch
from torch import nn

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.mutants.question_layout import ExpIgnoresStrides


@pytest.mark.parametrize("seed", [4, 191, 301, 394])
def test_a_gradient_that_is_zero_but_for_rounding_is_no_finding(seed: int) -> None:
    """Of the bias before a normalisation. Another layout sums in another order, and cancels less well or better."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
        x = torch.randn(2, 5)
    (finding,) = gk.examine(network, x, seed=seed, questions=["layout"]).findings
    assert finding.verdict is Verdict.PASS, finding


def test_the_layout_is_named() -> None:
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)
    (finding,) = gk.examine(ExpIgnoresStrides, x, questions=["layout"]).findings
    assert "another one in another memory layout of the cotangent (a slice of a wider array)" in finding.message

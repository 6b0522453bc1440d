"""With `vmap=True` the steps of a derivative are one call, and nothing else changes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk

GENERATOR = torch.Generator().manual_seed(0)
W = torch.randn(5, 4, dtype=torch.float64, generator=GENERATOR)
X = torch.randn(4, dtype=torch.float64, generator=GENERATOR)


class Overstated(torch.autograd.Function):
    """The identity, with a gradient 1 % too large."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *u: Tensor) -> Tensor:
        return 1.01 * u[0]


def module(dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.LayerNorm(3)).to(dtype)


FUNCTIONS: dict[str, tuple[Callable[..., Tensor], Tensor]] = {
    "a dense layer": (lambda x: torch.tanh(W @ x), X),
    "a function with a domain": (torch.log, X.abs() + 0.01),
    "a network, float64": (module(torch.float64), X[None]),
    "a network, float32": (module(torch.float32), X[None].float()),
    "dropout": (nn.Dropout(0.4), X.repeat(8)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_gradient_passes_and_a_wrong_one_fails(name: str) -> None:
    function, x = FUNCTIONS[name]
    assert gk.check(gk.module(function, x, vmap=True), questions="directional")
    wrong = gk.module(lambda x: function(Overstated.apply(x)), x, vmap=True)
    report = gk.examine(wrong, questions="directional")
    assert report.verdict is gk.Verdict.FAIL, str(report)
    assert report.findings[-1].cause == "constant-factor"


def test_each_step_counts_but_several_are_one_call() -> None:
    calls = {True: 0, False: 0}

    def counted(vmap: bool) -> gk.Report:
        def function(x: Tensor) -> Tensor:
            calls[vmap] += 1
            return torch.sin(x)

        return gk.check(gk.module(function, X, vmap=vmap), questions="directional")

    together, apart = counted(True), counted(False)
    assert calls[False] == apart.cost.forward + apart.cost.vjp
    assert calls[True] < calls[False] / 2
    assert apart.cost.forward <= together.cost.forward <= apart.cost.forward + 3  # each line asks its centre anew


def test_the_budget_counts_the_steps() -> None:
    report = gk.examine(gk.module(torch.sin, X, vmap=True), budget=gk.Budget(evaluations=12))
    assert (report.verdict, report.findings[-1].cause) == (gk.Verdict.INCONCLUSIVE, "budget")
    assert report.cost.forward + report.cost.vjp <= 12


def test_a_function_that_cannot_be_vectorised_is_named() -> None:
    def by_value(x: Tensor) -> Tensor:
        return x * 2 if x.sum() > 0 else x * 3

    with pytest.raises(gk.UsageError, match=r"vmap=True: by_value cannot be vectorised .* leave vmap out"):
        gk.check(gk.module(by_value, X, vmap=True))

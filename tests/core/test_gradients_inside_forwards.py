"""Forwards that hook into their own graph, or differentiate on their own, and hooks on parameters."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.tensors import drawn


class Kept(nn.Module):
    """Keeps the gradient of its hidden layer, as saliency maps do."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4, dtype=torch.float64)
        self.hidden: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.hidden = self.linear(x)
        self.hidden.retain_grad()
        return torch.tanh(self.hidden)


class Hooked(Kept):
    """Hands the gradient of its hidden layer to a hook, after random numbers have been drawn."""

    def __init__(self, hook: Callable[[Tensor], Tensor | None]) -> None:
        super().__init__()
        self.hook = hook

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.linear(nn.functional.dropout(x))
        hidden.register_hook(self.hook)
        return torch.tanh(hidden) * torch.rand_like(hidden)


class Force(nn.Module):
    """Minus the gradient of an energy, as in molecular dynamics."""

    def __init__(self, create_graph: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4, dtype=torch.float64)
        self.create_graph = create_graph

    def forward(self, x: Tensor) -> Tensor:
        energy = torch.tanh(self.linear(x)).square().sum()
        (slope,) = torch.autograd.grad(energy, x, create_graph=self.create_graph)
        return -slope


class BranchOnGradMode(Kept):
    def forward(self, x: Tensor) -> Tensor:
        hidden = self.linear(x)
        return torch.tanh(hidden) if torch.is_grad_enabled() else hidden


def with_hook_on_weight(hook: Callable[[Tensor], Tensor | None]) -> nn.Module:
    module = nn.Linear(3, 2, dtype=torch.float64)
    module.weight.register_hook(hook)
    return module


def nothing(gradient: Tensor) -> None:
    """A hook that only looks."""


def halved(gradient: Tensor) -> Tensor:
    return gradient / 2


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("module", [Kept(), Hooked(nothing), Force(), BranchOnGradMode(), with_hook_on_weight(nothing)])
def test_a_forward_that_asks_for_a_graph_is_given_one(module: nn.Module, dtype: torch.dtype) -> None:
    assert gk.examine(module.to(dtype), drawn(5, 3).to(dtype)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("module", "wrong"),
    [
        (Hooked(halved), {"x", "linear.weight", "linear.bias"}),
        (Force(create_graph=False), {"x", "linear.weight", "linear.bias"}),
        (with_hook_on_weight(halved), {"weight"}),
    ],
)
def test_what_a_hook_does_to_a_gradient_counts(module: nn.Module, wrong: set[str]) -> None:
    report = gk.examine(module, drawn(5, 3))
    assert {finding.input for finding in report.findings if finding.verdict is Verdict.FAIL} == wrong


def test_hooks_on_parameters_stay_with_the_user() -> None:
    seen: list[Any] = []
    module = with_hook_on_weight(nothing)
    module.weight.register_hook(seen.append)
    gk.examine(module, drawn(5, 3))
    seen.clear()
    module(drawn(5, 3)).sum().backward()
    assert len(seen) == 1
    assert module.weight.grad is not None

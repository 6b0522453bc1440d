"""Modules, autograd functions, callables and textbook layers on tensors, checked under their own names."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.textbook import B, DictParams, W, X, compared, failed

TX = torch.tensor(X)

TW = torch.tensor(W)


class Tied(nn.Module):
    """One parameter, used twice under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3, bias=False, dtype=torch.float64)
        self.second = nn.Linear(3, 3, bias=False, dtype=torch.float64)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))  # type: ignore[no-any-return]


class WithContext(torch.autograd.Function):
    """y = x³·w, the gradient of w off by `factor`."""

    factor = 1.0

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x**3 * w

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        x, w = ctx.saved_tensors
        return 3 * u * x**2 * w, WithContext.factor * u * x**3


class WithSetup(torch.autograd.Function):
    """The same, its context set up apart."""

    factor = 1.0

    @staticmethod
    def forward(x: Tensor, w: Tensor) -> Tensor:  # type: ignore[override]
        return x**3 * w

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # type: ignore[override]
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        x, w = ctx.saved_tensors
        return 3 * u * x**2 * w, WithSetup.factor * u * x**3


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().double()


def frozen_bias() -> nn.Module:
    module = nn.Linear(3, 2)
    module.bias.requires_grad_(False)
    return module


MODULES: dict[str, tuple[Callable[[], nn.Module], list[str]]] = {
    "linear": (lambda: nn.Linear(3, 2), ["input", "weight", "bias"]),
    "frozen bias": (frozen_bias, ["input", "weight"]),
    "tied": (Tied, ["x", "first.weight"]),
    "batch norm": (lambda: nn.BatchNorm1d(3), ["input", "weight", "bias"]),
    "batch norm in eval": (lambda: nn.BatchNorm1d(3).eval(), ["input", "weight", "bias"]),
    "dropout": (lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2)), ["input", "1.weight", "1.bias"]),
}
ROWS = torch.tensor(np.random.default_rng(1).normal(size=(5, 3)))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_passes_with_the_parameters_that_require_gradients(name: str) -> None:
    make, inputs = MODULES[name]
    report = gk.examine(seeded(make), ROWS)
    assert report.verdict is Verdict.PASS, report
    assert compared(report) == inputs


@pytest.mark.parametrize("function", [WithContext, WithSetup])
def test_an_autograd_function_is_checked_under_its_own_names(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    right = gk.examine(function, TX, TW)
    assert right.verdict is Verdict.PASS, right
    assert compared(right) == ["x", "w"]
    monkeypatch.setattr(function, "factor", 1.5)
    assert failed(gk.examine(function, TX, TW)) == ["w"]


def test_a_module_around_a_wrong_autograd_function_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cubed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(TW.clone())

        def forward(self, x: Tensor) -> Any:
            return WithContext.apply(x, self.w)

    assert gk.check(Cubed(), TX)
    monkeypatch.setattr(WithContext, "factor", -1.0)
    report = gk.examine(Cubed(), TX)
    assert failed(report) == ["w"]
    assert [f.cause for f in report.findings if f.verdict is Verdict.FAIL] == ["sign-flip"]


def test_a_tensor_detached_by_mistake_fails() -> None:
    assert failed(gk.examine(lambda x, w: x * w.detach(), TX, TW)) == ["w"]


def test_a_torch_callable_may_return_a_dict() -> None:
    report = gk.examine(lambda x: {"a": x.sin(), "b": x.argmax(1), "c": x.sum()}, TX)
    assert report.verdict is Verdict.PASS, report


def test_torch_inputs_may_require_gradients_or_be_no_leaves() -> None:
    leaf = TX.clone().requires_grad_(True)
    inner = leaf * 2
    for given in (leaf, inner):
        assert gk.check(lambda x: x.exp(), given)
    assert leaf.grad is None
    assert inner.requires_grad
    assert not inner.is_leaf


def test_a_function_and_its_vjp_may_work_on_tensors() -> None:
    report = gk.examine(torch.mul, TX, TW, vjp=lambda u, x, y: (u * y, u * x), names=["x", "y"])
    assert report.verdict is Verdict.PASS, report
    assert report.library == "torch"
    wrong = gk.examine(torch.mul, TX, TW, vjp=lambda u, x, y: (u * y, u * y), names=["x", "y"])
    assert failed(wrong) == ["y"]


class TorchTextbook(DictParams):
    """The NumPy protocol, on tensors."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.params = {"W": TW.clone(), "b": torch.tensor(B)}


@pytest.mark.parametrize("bug", [None, "x", "W", "b"])
def test_a_textbook_layer_may_work_on_tensors(bug: str | None) -> None:
    report = gk.examine(TorchTextbook(bug), TX)
    assert compared(report) == ["x", "W", "b"]
    assert failed(report) == ([] if bug is None else [bug])
    assert bool(report) == (bug is None)

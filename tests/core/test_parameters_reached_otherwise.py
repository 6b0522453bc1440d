"""A parameter that the forward reads past its registered name is checked there, or told; a stranger's leaf is named."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.report import Report
from gradcheck_kit.verdict import Verdict
from tests.tensors import drawn

Forward = Callable[[Any, Tensor], Tensor]


class Scale(torch.autograd.Function):
    """y = x·w, every row by the same w."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return u * w, (u * x).sum(0)


class HalvesItsWeight(Scale):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor, Tensor]:
        of_x, of_w = Scale.backward(ctx, u)
        return of_x, of_w / 2


class Scaled(nn.Module):
    """Scales by its parameter `w`, which `hold` may have put somewhere else too."""

    def __init__(self, function: Any, hold: Callable[[Any], Any], read: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.w = nn.Parameter(drawn(3))
        self.beside = hold(self.w)
        self.function, self.read = function, read

    def forward(self, x: Tensor) -> Any:
        return self.function.apply(x, self.read(self))


class Holder:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def in_a_closure(w: Tensor) -> Callable[[], Tensor]:
    return lambda: w


CHECKED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Tensor]]] = {
    "its name": (lambda w: None, lambda m: m.w),
    "its name, a tuple beside": (lambda w: (w,), lambda m: m.w),
    "its name, a closure beside": (in_a_closure, lambda m: m.w),
    "a list": (lambda w: [w], lambda m: m.beside[0]),
    "a dict in a list": (lambda w: [{"w": w}], lambda m: m.beside[0]["w"]),
    "an object": (Holder, lambda m: m.beside.tensor),
    "an optimiser": (lambda w: torch.optim.SGD([w]), lambda m: m.beside.param_groups[0]["params"][0]),
}
TOLD: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Tensor]]] = {
    "a tuple": (lambda w: (w,), lambda m: m.beside[0]),
    "a detached tuple": (lambda w: (w,), lambda m: m.beside[0].detach()),
    "a closure": (in_a_closure, lambda m: m.beside()),
    "a detached closure": (in_a_closure, lambda m: m.beside().detach()),
    "both ways": (in_a_closure, lambda m: m.beside() + m.w),
}


@pytest.mark.parametrize("way", CHECKED)
def test_a_parameter_is_checked_wherever_the_forward_reads_it(way: str) -> None:
    assert gk.examine(Scaled(Scale, *CHECKED[way]), drawn(4, 3)).verdict is Verdict.PASS
    wrong = gk.examine(Scaled(HalvesItsWeight, *CHECKED[way]), drawn(4, 3))
    assert [finding.input for finding in wrong.findings if finding.verdict is Verdict.FAIL] == ["w"]


def test_a_parameter_read_detached_from_a_list_has_no_gradient() -> None:
    report = gk.examine(Scaled(Scale, lambda w: [w], lambda m: m.beside[0].detach()), drawn(4, 3))
    assert [(f.input, f.cause) for f in report.findings if f.verdict is Verdict.FAIL] == [("w", "zero-gradient")]


@pytest.mark.parametrize("way", TOLD)
def test_a_parameter_read_where_no_other_values_can_be_put_is_told(way: str) -> None:
    with pytest.raises(gk.UsageError, match=r"parameter w .* as self\.w, or leave it out by wrt="):
        gk.examine(Scaled(HalvesItsWeight, *TOLD[way]), drawn(4, 3))


def test_the_advice_to_leave_it_out_works_and_names_it() -> None:
    report = gk.examine(Scaled(Scale, *TOLD["a closure"]), drawn(4, 3), wrt="x")
    assert report.verdict is Verdict.PASS
    assert strangers(report) == ["w"]


def test_the_lists_of_the_caller_hold_the_caller_s_parameter_afterwards() -> None:
    module = Scaled(Scale, *CHECKED["a list"])
    gk.examine(module, drawn(4, 3))
    assert module.beside[0] is module.w


def strangers(report: Report) -> list[str]:
    return [item.split(" (")[0] for item in report.not_asked if "neither an input nor a parameter" in item]


class WithUnregistered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w, self.v = nn.Parameter(drawn(3)), drawn(3).requires_grad_()

    def forward(self, x: Tensor) -> Any:
        return HalvesItsWeight.apply(x * self.w, self.v)  # type: ignore[no-untyped-call]


OUTER, LINEAR = drawn(3).requires_grad_(), nn.Linear(3, 2, dtype=torch.float64)
STRANGERS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "an attribute of a module": (WithUnregistered, ["v"]),
    "an attribute of a module inside": (lambda: nn.Sequential(WithUnregistered()), ["0.v"]),
    "a global": (lambda: lambda x: HalvesItsWeight.apply(x, OUTER), ["OUTER"]),  # type: ignore[no-untyped-call]
    "a module in a function": (lambda: lambda x: +LINEAR(x), ["weight", "bias"]),
    "an entry of a list": (lambda: lambda x, held=[OUTER]: x * held[0], ["a tensor of 3 elements"]),
    "parameters alone": (lambda: LINEAR, []),
    "a leaf that the forward makes": (lambda: lambda x: x * torch.ones(3, requires_grad=True), []),
    "a tensor without a gradient": (lambda: lambda x: x * OUTER.detach(), []),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_neither_input_nor_parameter_is_named_under_not_asked(name: str) -> None:
    target, expected = STRANGERS[name]
    report = gk.examine(target(), drawn(4, 3))
    assert report.verdict is Verdict.PASS
    assert sorted(strangers(report)) == sorted(expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_parameters_of_a_compiled_part_are_checked() -> None:
    traced = torch.jit.trace(nn.Linear(3, 2, dtype=torch.float64), drawn(4, 3))  # type: ignore[no-untyped-call]
    report = gk.examine(nn.Sequential(traced, nn.Tanh()), drawn(4, 3))
    assert report.verdict is Verdict.PASS
    assert [finding.input for finding in report.findings if finding.input] == ["input", "0.weight", "0.bias"]
    assert strangers(report) == []

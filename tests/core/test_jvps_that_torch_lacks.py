"""Where torch loses a right function's tangent without a word, its JVP is not asked about; a wrong JVP still fails."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.sines import sine
from tests.tensors import drawn


def by_products(x: Tensor, factors: Tensor) -> Tensor:
    return x.scatter_reduce(0, torch.tensor([0, 1, 2, 2]), factors, reduce="prod")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_tangent_that_no_output_has_is_no_wrong_jvp() -> None:
    report = gk.examine(by_products, drawn(4), drawn(4) + 3)
    assert report.verdict is Verdict.PASS
    assert any(item.startswith("adjoint (") for item in report.not_asked)


class Forces(nn.Module):
    """Minus the gradient of an energy by positions that may come without a graph; a spring beside them."""

    def __init__(self, spring: float) -> None:
        super().__init__()
        self.energy = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()
        self.spring = spring

    def forward(self, positions: Tensor) -> Tensor:
        p = positions if positions.requires_grad else positions.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.energy(p).sum(), p, create_graph=True)
        return -slope - self.spring * positions


@pytest.mark.parametrize("spring", [0.0, 0.5])
def test_the_jvp_takes_the_branch_of_the_recorded_forward(spring: float) -> None:
    report = gk.examine(Forces(spring), drawn(4, 3))
    assert report.verdict is Verdict.PASS
    assert "adjoint" in {finding.question for finding in report.findings}


class Sine(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.sin()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Any:
        return u * ctx.saved_tensors[0].cos()

    @staticmethod
    def jvp(ctx: Any, v: Any) -> Any:
        return v * ctx.saved_tensors[0].cos()


class SineReturnsNoTangent(Sine):
    @staticmethod
    def jvp(ctx: Any, v: Any) -> Any:
        return None


def test_a_jvp_that_returns_none_claims_that_the_derivative_is_zero() -> None:
    assert gk.examine(Sine, drawn(4)).verdict is Verdict.PASS
    report = gk.examine(SineReturnsNoTangent, drawn(4))
    assert [(f.input, f.cause) for f in report.findings if f.verdict is Verdict.FAIL] == [("x", "not-adjoint")]


COMPILED = sine()


def compiled(x: Tensor) -> Any:
    """As what torch.compile makes: without a JVP, and the tangent is lost where nothing requires a gradient."""
    return COMPILED.apply(x) if x.requires_grad else x.detach().sin()


RIGHT: dict[str, Callable[[Tensor], Any]] = {
    "alone": compiled,
    "beside a part with a JVP": lambda x: x.exp() + compiled(x),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_compiled_part_has_no_jvp(name: str) -> None:
    report = gk.examine(RIGHT[name], drawn(4))
    assert report.verdict is Verdict.PASS
    assert "adjoint (no JVP)" in report.not_asked


@pytest.mark.filterwarnings("ignore")
def test_a_function_by_the_default_compiler_passes() -> None:
    function = torch.compile(lambda x: torch.sin(x) * x.exp())
    try:
        function(drawn(4))
    except Exception as error:
        pytest.skip(f"torch.compile with its default backend not run: {type(error).__name__}, no compiler here")
    assert gk.examine(function, drawn(4), questions=["contract", "directional", "adjoint"]).verdict is Verdict.PASS


def raises(ctx: Any, v: Any) -> Any:
    raise KeyError("sign")


ODD_JVPS = {
    "raises": (raises, "KeyError: 'sign'"),
    "of another shape": (lambda ctx, v: v.new_ones(7), "different size"),
    "shapes that do not fit": (lambda ctx, v: v.new_ones(7) * v, "must match the size"),
    "two for one": (lambda ctx, v: (v, v), "invalid number of forward gradients"),
    "a number": (lambda ctx, v: 3.0, "expected Variable or None"),
    "takes no tangent": (lambda ctx: None, "positional argument"),
}


@pytest.mark.parametrize("odd", ODD_JVPS)
def test_a_jvp_that_raises_or_returns_no_tangent_is_a_finding_in_words(odd: str) -> None:
    jvp, told = ODD_JVPS[odd]
    report = gk.examine(type("Odd", (Sine,), {"jvp": staticmethod(jvp)}), drawn(4))
    (failed,) = [finding for finding in report.findings if finding.verdict is not Verdict.PASS]
    assert (failed.question, failed.verdict, failed.cause) == ("adjoint", Verdict.FAIL, "jvp-raises")
    assert told in failed.message


def test_a_jvp_that_says_it_is_not_implemented_is_not_asked() -> None:
    def lacks(ctx: Any, v: Any) -> Any:
        raise NotImplementedError

    report = gk.check(type("Lacks", (Sine,), {"jvp": staticmethod(lacks)}), drawn(4))
    assert "adjoint (no JVP)" in report.not_asked


def test_a_jvp_of_a_numpy_function_that_raises_is_a_finding_in_words() -> None:
    def jvp(tangents: Any, x: Any) -> Any:
        raise ValueError("no sign")

    x = drawn(4).numpy()
    assert gk.check(np.sin, x, vjp=lambda u, x: u * np.cos(x))
    subject = gk.function(np.sin, x, vjp=lambda u, x: u * np.cos(x), jvp=jvp)
    assert next(f.message for f in gk.examine(subject).findings if not f.verdict).endswith("ValueError: no sign")

"""Code as people write it, right and wrong, with the verdict that they would expect."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.torch import gradcheck

PASS, FAIL = gk.Verdict.PASS, gk.Verdict.FAIL


def points(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


class Wrong(torch.autograd.Function):
    """The identity, with seven times its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Tensor:
        return 7 * cotangents[0]


class GradsMadeByBackward:
    """y = x W, whose `grads` come to be with the first backward, times `factor`."""

    def __init__(self, factor: float) -> None:
        self.params = {"W": np.random.default_rng(0).normal(size=(3, 2))}
        self.factor = factor

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return x @ self.params["W"]

    def backward(self, cotangent: np.ndarray) -> np.ndarray:
        self.grads = {"W": self.factor * self.x.T @ cotangent}
        return cotangent @ self.params["W"].T


def layer(factor: float) -> gk.Report:
    return gk.examine(GradsMadeByBackward(factor), np.random.default_rng(1).normal(size=(4, 3)))


EXPECTED: dict[str, tuple[Callable[[], gk.Report], gk.Verdict]] = {
    "grads made by the first backward, right": (lambda: layer(1.0), PASS),
    "grads made by the first backward, wrong": (lambda: layer(2.0), FAIL),
    "a nested output, right": (lambda: gk.examine(lambda x: (x.sin(), (x.cos(), x)), points(3)), PASS),
    "a nested output, wrong": (lambda: gk.examine(lambda x: (x.sin(), (Wrong.apply(x), x)), points(3)), FAIL),
    "an LSTM with its states": (lambda: gk.examine(nn.LSTM(3, 4).double(), points(5, 2, 3)), PASS),
    "a bias before batch norm, which has no influence": (
        lambda: gk.examine(nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).double(), points(2, 2, 6, 6)),
        PASS,
    ),
    "inputs of very different size": (
        lambda: gk.examine(lambda x: 1 / x, torch.tensor([1e-8, 1.0, 1e8]).double()),
        PASS,
    ),
    "a sparse gradient": (lambda: gk.examine(nn.Embedding(7, 3, sparse=True).double(), torch.tensor([1, 1, 4])), PASS),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_everyday_code_gets_the_expected_verdict(name: str) -> None:
    examine, verdict = EXPECTED[name]
    torch.manual_seed(0)
    report = examine()
    assert report.verdict is verdict, report


@pytest.mark.parametrize("f", [torch.sigmoid, torch.tanh, nn.functional.gelu], ids=["sigmoid", "tanh", "gelu"])
@pytest.mark.parametrize("scale", [1, 5, 10])
def test_saturated_float32_is_never_called_wrong_and_mostly_passes(f: Callable[[Tensor], Tensor], scale: int) -> None:
    verdicts = []
    for seed in range(10):
        x = scale * torch.randn(32, generator=torch.Generator().manual_seed(seed))
        verdicts.append(gk.examine(f, x, seed=seed).verdict)
    assert FAIL not in verdicts
    assert verdicts.count(PASS) >= 8


def softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


def log_softmax(x: Tensor) -> Tensor:
    return torch.log_softmax(x, -1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("far", [10.0, 20.0, 30.0])
@pytest.mark.parametrize("f", [torch.sigmoid, torch.tanh, softmax, log_softmax])
def test_where_every_output_is_saturated_right_code_is_not_called_wrong(
    f: Callable[[Tensor], Tensor], far: float, dtype: torch.dtype
) -> None:
    x = torch.tensor([0.0, far] if f in (softmax, log_softmax) else [far, far, far], dtype=dtype)
    report = gk.examine(f, x)
    assert report.verdict is not FAIL, report
    assert report.verdict is PASS or f is not log_softmax, "it keeps its digits"


def test_a_saturated_element_beside_a_far_larger_one_is_not_called_wrong() -> None:
    for seed in range(5):
        assert gk.examine(torch.sigmoid, torch.tensor([[18.0, 1000.0]]), seed=seed).verdict is not FAIL


@pytest.mark.parametrize("f", [torch.sigmoid, softmax])
def test_digits_lost_where_a_function_saturates_are_told_so(f: Callable[[Tensor], Tensor]) -> None:
    report = gk.examine(f, torch.tensor([20.0, 20.0] if f is torch.sigmoid else [0.0, 20.0]))
    assert report.verdict is gk.Verdict.INCONCLUSIVE
    assert report.findings[-1].cause == "digits-lost"
    assert "the backward is right in float64; in this precision it loses digits" in str(report)


@pytest.mark.parametrize("f", [torch.sigmoid, torch.tanh, softmax])
def test_a_wrong_sign_where_a_function_saturates_is_called_wrong(f: Callable[[Tensor], Tensor]) -> None:
    class WrongSign(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return f(x)

        @staticmethod
        def backward(ctx: Any, *cotangents: Tensor) -> Tensor:
            with torch.enable_grad():
                x = ctx.saved_tensors[0].detach().requires_grad_()
                return -torch.autograd.grad(f(x), x, cotangents[0])[0]

    assert gk.examine(WrongSign, torch.tensor([0.0, 20.0])).verdict is FAIL


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_formula_that_loses_digits_which_the_outputs_show_is_wrong(dtype: torch.dtype) -> None:
    shift = 2 / torch.finfo(dtype).eps

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, *cotangents: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return 2 * cotangents[0] * ((x + shift) - shift)  # exact in float64, even integers in fewer digits

    x = torch.tensor([0.7, -1.3, 2.4, 0.3], dtype=dtype)
    assert gk.examine(Square, x).verdict is FAIL
    assert gk.examine(Square, x.double()).verdict is PASS


def test_a_wrong_factor_in_saturated_float32_is_still_called_wrong() -> None:
    wrong = lambda x: torch.tanh(Wrong.apply(x))  # noqa: E731
    assert gk.examine(wrong, 5 * points(32, dtype=torch.float32)).verdict is FAIL


def test_grad_mode_of_the_caller_does_not_matter() -> None:
    with torch.no_grad():
        assert gk.examine(nn.Linear(3, 2).double(), points(4, 3)).verdict is PASS
    with torch.inference_mode(), pytest.raises(gk.UsageError, match="inference_mode"):
        gk.examine(torch.sin, points(3))


def test_positions_count_the_call_constants_too() -> None:
    power = lambda n, x, y: Wrong.apply(x) ** n * y  # noqa: E731
    assert gk.examine(power, 2, points(3), points(3), wrt=1).verdict is FAIL
    assert gk.examine(power, 2, points(3), points(3), wrt=2).verdict is PASS
    x, y = points(3).requires_grad_(), points(3)
    assert not gradcheck(power, (2, x, y), raise_exception=False)
    assert gradcheck(power, (2, y, x))


def test_a_complex_output_is_refused_and_not_left_out() -> None:
    with pytest.raises(gk.UsageError, match=r"output\[1\] is complex128"):
        gk.examine(lambda x: (x.sin(), torch.fft.fft(x)), points(4))


def test_a_random_backward_does_not_pass_parity() -> None:
    x = np.random.default_rng(0).normal(size=6)
    noise = np.random.default_rng(1)
    right = gk.function(lambda x: x**2, x, vjp=lambda u, x: 2 * u * x)
    random = gk.function(lambda x: x**2, x, vjp=lambda u, x: 2 * u * x * (1 + 0.5 * noise.normal(size=x.shape)))
    assert gk.parity(right, right).verdict is PASS
    assert gk.parity(right, random).verdict is not PASS


class Counting(nn.Module):
    """Counts its calls and keeps its last input, in plain attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.calls, self.last = nn.Linear(3, 2).double(), 0, torch.zeros(3)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last[:] = x[0].detach()
        return self.linear(x)


def test_a_modules_plain_attributes_are_as_before() -> None:
    module = Counting()
    assert gk.examine(module, points(4, 3)).verdict is PASS
    assert module.calls == 0
    assert torch.equal(module.last, torch.zeros(3))


def test_a_large_cotangent_that_overflows_float16_is_not_held_against_the_gradient() -> None:
    x = points(4, dtype=torch.float16).abs() + 0.1
    assert gk.examine(lambda at: at * 20000, x).verdict is PASS


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gk.check(np.sin, np.ones(3), vjp=lambda u: u), "called as vjp"),
        (lambda: gk.check(Counting()), "takes .* was to be called with 0 arguments"),
        (lambda: gk.check(np.sin, np.ones(3), vjp=lambda u, x: u, names=5), "names=5"),
        (lambda: gk.check(np.sin, np.ones(3), vjp=lambda u, x: u, questions=5), "questions=5"),
    ],
    ids=["a vjp without inputs", "no inputs", "names", "questions"],
)
def test_a_call_that_cannot_be_made_says_why(call: Callable[[], gk.Report], words: str) -> None:
    with pytest.raises(gk.UsageError, match=words):
        call()

"""What is not asked is said; a layer's own randomness is replayed; order=2; low precision raises no finding."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gradcheck_kit as gk
from reference_impls import layers
from tests.mutants import RIGHT, Right
from tests.mutants.torch_functions import RightExp

PASS, FAIL, INCONCLUSIVE = gk.Verdict.PASS, gk.Verdict.FAIL, gk.Verdict.INCONCLUSIVE
BEYOND_DIFFERENCES = ["linearity", "layout", "batch", "adjoint", "poison", "frozen-subsets"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("right", RIGHT, ids=lambda right: right.name)
def test_rounding_in_low_precision_is_no_finding(right: Right, dtype: torch.dtype) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        target = right.make()
    inputs = [torch.as_tensor(value) for value in right.draw(np.random.default_rng(0))]
    inputs = [value.to(dtype) if value.is_floating_point() else value for value in inputs]
    target = target.to(dtype) if isinstance(target, torch.nn.Module) else target
    try:
        target(*inputs)
    except (RuntimeError, NotImplementedError) as error:
        pytest.skip(f"torch has no {right.name} in {dtype}: {str(error).splitlines()[0]}")
    subject = gk.module(target, *inputs, name=right.name)
    try:
        report = gk.examine(subject, questions=BEYOND_DIFFERENCES)
    except RuntimeError as error:
        pytest.skip(f"torch has no derivative of {right.name} in {dtype}: {str(error).splitlines()[0]}")
    assert all(finding.verdict is PASS for finding in report.findings), report


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_cancellation_inside_a_saturated_softmax_is_no_finding(dtype: torch.dtype) -> None:
    for seed in range(30):
        generator = np.random.default_rng(seed)
        x = torch.tensor(10 ** generator.uniform(0, 2) * generator.normal(size=(2, 3)), dtype=dtype)
        report = gk.examine(lambda x: torch.softmax(x, -1), x, seed=seed, questions=BEYOND_DIFFERENCES)
        assert all(finding.verdict is PASS for finding in report.findings), report


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("logits", [[0.0, -10.0, -10.0], [12.0, 0.0, 1.0]])
def test_a_jvp_rounds_as_the_function_does(logits: list[float], seed: int) -> None:
    x = torch.tensor([logits], dtype=torch.float64)
    (finding,) = gk.examine(lambda x: torch.softmax(x, -1), x, seed=seed, questions=["adjoint"]).findings
    assert finding.verdict is PASS, finding


def test_a_product_with_zero_shows_no_batch_of_the_other_factor() -> None:
    product = gk.function(
        np.multiply,
        *(np.array([[0.0, -1.0]]), np.zeros(2)),
        vjp=lambda u, x, y: (u * y, (u * x).sum(axis=0)),
        names=["x", "y"],
    )
    for seed in range(5):
        report = gk.examine(product, seed=seed)
        assert report.verdict is PASS, report
        assert any("no batch axis shown" in reason for reason in report.not_asked)


class SquareOnce(RightExp):
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return u * ctx.saved_tensors[0]


class ExpCutsItsBackward(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return u * ctx.saved_tensors[0].detach()


class ExpCutsItsCotangent(RightExp):
    """Wrong in whatever goes on from its output: the second derivative of sin(exp(x)) lacks −sin(exp(x))·exp(x)²."""

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return u.detach() * ctx.saved_tensors[0]


@pytest.mark.parametrize(
    ("function", "verdict"),
    [(RightExp, PASS), (ExpCutsItsBackward, FAIL), (ExpCutsItsCotangent, FAIL), (SquareOnce, INCONCLUSIVE)],
)
def test_order_2_asks_of_the_double_backward(function: Any, verdict: gk.Verdict) -> None:
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    assert gk.examine(function, x).verdict is PASS
    report = gk.examine(function, x, order=2)
    assert report.verdict is verdict, report
    assert "double-backward" in {finding.question for finding in report.findings}


def test_a_double_backward_cut_off_from_the_cotangent_is_named_so() -> None:
    report = gk.examine(ExpCutsItsCotangent, torch.linspace(-1, 1, 5, dtype=torch.float64), order=2)
    (wrong,) = (finding for finding in report.findings if finding.verdict is FAIL)
    assert (wrong.question, wrong.input, wrong.cause) == (
        "double-backward",
        "the cotangent of output",
        "zero-gradient",
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_the_double_backward_of_several_outputs_in_a_module_is_no_finding(dtype: torch.dtype) -> None:
    class Twice(torch.nn.Linear):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            y = super().forward(x)
            return y * y, y.sin().sum(), y.argmax()

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module, x = Twice(3, 2).to(dtype), torch.randn(4, 3).to(dtype)
    report = gk.examine(module, x, order=2)
    assert all(finding.verdict is not FAIL for finding in report.findings), report
    asked = {finding.input for finding in report.findings if finding.question == "double-backward"}
    assert {"x", "weight", "bias", "the cotangent of output[0]", "the cotangent of output[1]"} <= asked


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_an_input_without_elements_is_undecided_in_every_format(dtype: torch.dtype) -> None:
    report = gk.examine(torch.sin, torch.zeros(0, 3, dtype=dtype))
    assert report.verdict is INCONCLUSIVE
    assert "nothing was compared: input0 has no elements; pass an input that has some" in str(report)


@pytest.mark.parametrize("order", [0, 3, True, "2"])
def test_another_order_is_a_usage_error(order: Any) -> None:
    with pytest.raises(gk.UsageError, match="order="):
        gk.examine(lambda x: x.sin(), torch.ones(3), order=order)


def test_what_does_not_apply_is_not_asked_and_the_report_says_why() -> None:
    report = gk.examine(np.sin, np.ones(1), vjp=lambda u, x: u * np.cos(x), names=["x"])
    assert report.verdict is PASS
    assert "batch (no batch axis); adjoint (no JVP); poison, frozen-subsets (torch only)" in " ".join(
        str(report).split()
    )


class Dropout:
    def __init__(self, generator: Any) -> None:
        self.generator = generator

    def forward(self, x: Any) -> Any:
        self.mask = self.generator.random(x.shape) > 0.5
        return x * self.mask

    def backward(self, cotangent: Any) -> Any:
        return cotangent * self.mask


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_a_layer_that_draws_from_its_own_generator_is_checked_and_the_generator_left_alone(make: Any) -> None:
    layer = Dropout(make(3))
    assert gk.check(layer, np.ones((4, 3)))
    assert np.array_equal(layer.generator.random(5), make(3).random(5))


def test_a_generator_in_a_closure_is_replayed_and_put_back() -> None:
    generator = np.random.default_rng(3)
    kept: dict[str, Any] = {}

    def forward(x: Any) -> Any:
        kept["mask"] = generator.random(x.shape) > 0.5
        return x * kept["mask"]

    assert gk.check(forward, np.ones((4, 3)), vjp=lambda u, x: u * kept["mask"])
    assert np.array_equal(generator.random(5), np.random.default_rng(3).random(5))


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5])
def test_zeros_that_hide_a_mask_show_no_batch(p: float) -> None:
    """The forward of dropout on zeros is the same in every order of the rows; its mask, and the gradient, is not."""
    x = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    for seed in range(10):
        assert gk.check(layers.Dropout(p, np.random.default_rng(seed)), x, seed=seed)


def test_a_declared_batch_must_name_inputs() -> None:
    subject = gk.function(np.sin, np.ones((3, 2)), vjp=lambda u, x: u * np.cos(x), names=["x"], batch=["z"])
    with pytest.raises(gk.UsageError, match="'z'"):
        gk.examine(subject)


def test_a_gradient_that_was_never_returned_is_told_so() -> None:
    report = gk.examine(np.multiply, np.ones(3), np.ones(3), vjp=lambda u, x, y: u * y, names=["x", "y"])
    assert report.verdict is FAIL
    assert "there is no gradient for y" in str(report)

"""A Function's own vmap rule: wrong ones are found whichever inputs are mapped, right ones are not accused."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.utils.checkpoint import checkpoint

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.mutants.question_vmap import (
    Generated,
    IsWrongForTheFirstAlone,
    LooksAtValues,
    MindsNoAxis,
    MindsNoNone,
    Product,
    SaysAnotherAxis,
    StopsTheGradient,
    TakesOneAxisForAll,
    Weighted,
    WithoutSetupContext,
)
from tests.tensors import drawn

SIZES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}


class WithoutRule(Weighted):
    vmap = Function.vmap


class PartialRule(Weighted):
    vmap = staticmethod(partial(Weighted.vmap))  # type: ignore[assignment]


class Layer(nn.Module):
    """A module around one of the Functions, with a parameter and a buffer that it counts in, if it is to."""

    def __init__(self, function: type[Function], counts: bool = False) -> None:
        super().__init__()
        self.function, self.counts = function, counts
        self.W = nn.Parameter(drawn(2, 3))
        self.register_buffer("seen", torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Any:
        if self.counts:
            self.seen += x.sum()
        return self.function.apply(x, self.W).tanh()  # type: ignore[no-untyped-call]


def asked(report: gk.Report) -> bool:
    return "vmap" in {finding.question for finding in report.findings}


@pytest.mark.parametrize("dtype", SIZES.values(), ids=SIZES)
def test_a_right_rule_is_asked_and_passes(dtype: torch.dtype) -> None:
    for report in (
        gk.examine(Weighted, drawn(3, dtype=dtype), drawn(2, 3, dtype=dtype)),
        gk.examine(Generated, drawn(2, 3, dtype=dtype)),
        gk.examine(Generated, drawn(dtype=dtype)),
        gk.examine(Product, drawn(3, 3, dtype=dtype), drawn(3, 3, dtype=dtype)),
        gk.examine(lambda x, W: Weighted.apply(x, W).exp(), drawn(3, dtype=dtype), drawn(2, 3, dtype=dtype)),
    ):
        assert report.verdict is Verdict.PASS, report
        assert asked(report)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (MindsNoAxis, "last axis"),
        (MindsNoNone, "with x alone mapped"),
        (StopsTheGradient, "the gradient of W is not that of single calls"),
        (SaysAnotherAxis, "the outputs are not those of single calls"),
        (IsWrongForTheFirstAlone, "with x alone mapped along its first axis"),
    ],
)
def test_a_wrong_rule_is_found_by_this_question_alone(function: type[Function], said: str) -> None:
    report = gk.examine(function, drawn(3), drawn(2, 3))
    assert report.verdict is Verdict.FAIL
    assert {(f.question, f.cause) for f in report.findings if f.verdict is Verdict.FAIL} == {("vmap", "vmap-rule")}
    assert said in " ".join(str(report).split())
    assert "the rule for vmap is wrong" in str(report)
    assert f"the vmap rule of {function.__name__}" in " ".join(str(report).split())


def test_a_rule_that_takes_one_axis_for_all_is_found_where_they_are_mapped_along_others() -> None:
    report = gk.examine(TakesOneAxisForAll, drawn(3, 3), drawn(3, 3).T)
    assert report.verdict is Verdict.FAIL
    assert "with every input mapped along its first and its last axis in turn" in " ".join(str(report).split())


class ForBothAlone(Product):
    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], a: Tensor, b: Tensor) -> Any:
        if None in in_dims:
            raise NotImplementedError("map both")
        return Product.vmap(info, in_dims, a, b)


class ForNothing(Product):
    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], a: Tensor, b: Tensor) -> Any:
        raise NotImplementedError


class WrongForBoth(ForBothAlone):
    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], a: Tensor, b: Tensor) -> Any:
        y, dim = ForBothAlone.vmap(info, in_dims, a, b)
        return 2 * y, dim


def test_what_a_rule_does_not_implement_is_no_error_and_the_rest_is_asked() -> None:
    a, b = drawn(3, 3), drawn(3, 3).T
    report = gk.examine(ForBothAlone, a, b)
    assert report.verdict is Verdict.PASS
    (said,) = (finding.message for finding in report.findings if finding.question == "vmap")
    assert "agree" in said
    assert "not implemented for a alone mapped along its last axis: NotImplementedError: map both" in said
    nothing = gk.examine(ForNothing, a, b)
    assert nothing.verdict is Verdict.PASS
    assert any("the vmap rule of ForNothing is not implemented" in item for item in nothing.not_asked)
    assert gk.examine(WrongForBoth, a, b).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("function", "said"), [(LooksAtValues, "calling .item() on a Tensor"), (WithoutSetupContext, "setup_context")]
)
def test_a_generated_rule_that_cannot_be_used_is_wrong(function: type[Function], said: str) -> None:
    report = gk.examine(function, drawn(3))
    assert [(f.question, f.verdict) for f in report.findings][-1] == ("vmap", Verdict.FAIL)
    assert said in " ".join(str(report).split())


def test_nothing_is_said_where_there_is_no_rule() -> None:
    report = gk.examine(WithoutRule, drawn(3), drawn(2, 3))
    assert report.verdict is Verdict.PASS
    assert "vmap" not in str(report)
    by_name = gk.examine(WithoutRule, drawn(3), drawn(2, 3), questions=["directional", "vmap"])
    assert "vmap (no vmap rule)" in by_name.not_asked


def test_a_module_is_mapped_with_its_parameters() -> None:
    assert asked(gk.check(Layer(Weighted), drawn(3)))
    report = gk.examine(Layer(StopsTheGradient), drawn(3))
    assert "the gradient of W" in str(report)


def test_what_lies_around_the_rule_is_no_fault_of_it() -> None:
    report = gk.examine(Layer(Weighted, counts=True), drawn(3))
    assert report.verdict is Verdict.PASS
    assert any(item.startswith("vmap (what is around the rule of Weighted raises") for item in report.not_asked)


class OldStyle(WithoutSetupContext):
    generate_vmap_rule = False


class NewStyleWithoutRule(Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Any:
        return 2 * u


@pytest.mark.parametrize("other", [OldStyle, NewStyleWithoutRule])
@pytest.mark.parametrize("function", [Weighted, PartialRule], ids=lambda f: f.__name__)
def test_another_function_without_a_rule_is_no_fault_of_the_one_that_has_it(function: Any, other: Any) -> None:
    for around in (
        lambda x, W: other.apply(function.apply(x, W)),
        lambda x, W: function.apply(other.apply(x), W),
    ):
        report = gk.examine(around, drawn(3), drawn(2, 3))
        assert report.verdict is Verdict.PASS, report
        assert any(f"what is around the rule of {function.__name__} raises" in item for item in report.not_asked)


def test_a_part_that_is_run_again_in_the_backward_is_no_fault_of_the_rule() -> None:
    report = gk.examine(lambda x, W: checkpoint(Weighted.apply, x, W, use_reentrant=False), drawn(3), drawn(2, 3))
    assert report.verdict is Verdict.PASS, report
    assert any("what is around the rule of Weighted raises" in item for item in report.not_asked)


class DrawsForAllPoints(Function):
    """Dropout; the rule draws a mask for every point, as randomness="different" allows."""

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        kept = (torch.rand_like(x) < 0.7).to(x.dtype)
        return x * kept, kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx: Any, u: Tensor, _: Any) -> Any:
        return u * ctx.saved_tensors[0]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], x: Tensor) -> Any:
        return DrawsForAllPoints.apply(x.movedim(in_dims[0], 0)), (0, 0)  # type: ignore[no-untyped-call]


def test_a_rule_that_draws_for_all_points_at_once_is_not_held_against_single_draws() -> None:
    report = gk.examine(lambda x: DrawsForAllPoints.apply(x)[0], drawn(4, 5))
    assert report.verdict is Verdict.PASS, report
    assert any("may draw other random numbers" in item for item in report.not_asked)


def test_a_mapped_call_leaves_the_module_and_its_arguments_as_they_were() -> None:
    layer, x = Layer(Weighted), drawn(3)
    before = {n: t.clone() for n, t in layer.state_dict().items()}
    gk.check(layer, x, questions=["directional", "vmap"])
    assert all(torch.equal(t, before[n]) for n, t in layer.state_dict().items())
    assert torch.equal(x, drawn(3))
    assert layer.W.grad is None

"""What is wrong only where an input is frozen or an output unused is found, however many there are."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

import gradcheck_kit as gk
from gradcheck_kit.checks.frozen_subsets import ALONE, OUTPUTS
from gradcheck_kit.verdict import Verdict


def sum_of_sines(wrong: int | None = None, frozen: int | None = None) -> Any:
    """Σ sin xᵢ; the gradient of one input is doubled where another is frozen."""

    class SumOfSines(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *xs: Tensor) -> Tensor:
            ctx.save_for_backward(*xs)
            return torch.stack(xs).sin().sum(0)

        @staticmethod
        def backward(ctx: Any, u: Tensor) -> tuple[Tensor, ...]:
            gradients = [u * x.cos() for x in ctx.saved_tensors]
            if frozen is not None and wrong is not None and not ctx.needs_input_grad[frozen]:
                gradients[wrong] = 2 * gradients[wrong]
            return tuple(gradients)

    return SumOfSines


def multiples(count: int, needed: int | None = None) -> Any:
    """x ↦ k·sin x for every k ≤ count; the gradient is zero where the cotangent of one output is undefined."""

    class Multiples(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:
            ctx.save_for_backward(x)
            ctx.set_materialize_grads(False)
            return tuple((k + 1) * x.sin() for k in range(count))

        @staticmethod
        def backward(ctx: Any, *us: Tensor | None) -> Tensor:
            (x,) = ctx.saved_tensors
            gradient = torch.zeros_like(x)
            for k, u in enumerate(us):
                if u is not None and (needed is None or us[needed] is not None):
                    gradient = gradient + (k + 1) * u * x.cos()
            return gradient

    return Multiples


def answer(function: Any, inputs: int = 1) -> gk.Finding:
    generator = torch.Generator().manual_seed(0)
    xs = [torch.randn(3, dtype=torch.float64, generator=generator) for _ in range(inputs)]
    report = gk.examine(function, *xs, questions=["frozen-subsets"])
    return report.findings[0]


@pytest.mark.parametrize("count", [2, 3, 4, 6, ALONE + 1])
def test_a_gradient_that_is_wrong_where_one_other_input_is_frozen_is_found(count: int) -> None:
    pairs = list(itertools.permutations(range(count), 2))
    for wrong, frozen in pairs[:: max(1, len(pairs) // 30)]:
        finding = answer(sum_of_sines(wrong, frozen), count)
        assert (finding.verdict, finding.cause) == (Verdict.FAIL, "frozen-subset"), (wrong, frozen)
        assert finding.input == f"xs[{wrong}]"


@pytest.mark.parametrize("count", [2, 3, 4, OUTPUTS, OUTPUTS + 1])
def test_a_gradient_that_is_wrong_where_one_output_is_unused_is_found(count: int) -> None:
    for needed in range(count):
        finding = answer(multiples(count, needed))
        assert (finding.verdict, finding.cause) == (Verdict.FAIL, "undefined-cotangent"), needed


@pytest.mark.parametrize("count", [1, 4, ALONE, ALONE + 1])
def test_a_right_gradient_of_many_inputs_passes_and_groups_are_told(count: int) -> None:
    finding = answer(sum_of_sines(), count)
    assert finding.verdict is Verdict.PASS
    assert (f"the {count} inputs in groups" in finding.message) == (count > ALONE)


@pytest.mark.parametrize("count", [1, 3, OUTPUTS, OUTPUTS + 1])
def test_a_right_gradient_of_many_outputs_passes_and_groups_are_told(count: int) -> None:
    finding = answer(multiples(count))
    assert finding.verdict is Verdict.PASS
    assert (f"the {count} outputs in groups" in finding.message) == (count > OUTPUTS)


@pytest.mark.parametrize("inputs", [20, 60])
def test_the_cost_does_not_grow_with_the_inputs(inputs: int) -> None:
    """But by two for every doubling."""
    xs = [torch.ones(1, dtype=torch.float64)] * inputs
    report = gk.examine(sum_of_sines(), *xs, questions=["frozen-subsets"])
    assert report.cost.vjp <= 2 * (inputs - 1).bit_length() + 10

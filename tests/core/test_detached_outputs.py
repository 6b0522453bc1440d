"""Outputs that autograd does not record: the drop-in leaves them out, as torch does; a check does not."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.torch import gradcheck
from gradcheck_kit.verdict import Verdict


def point() -> Tensor:
    return torch.tensor([[0.5, -1.25, 2.0], [0.25, 1.5, -0.75]], dtype=torch.float64, requires_grad=True)


class Sorted(torch.autograd.Function):
    """Sorts rows, and returns their mean for the log."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        values, order = x.sort(-1)
        mean = x.mean()
        ctx.save_for_backward(order)
        ctx.mark_non_differentiable(order, mean)
        return values, order, mean

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor, *_: Tensor) -> Tensor:
        (order,) = ctx.saved_tensors
        return torch.zeros_like(cotangent).scatter(-1, order, cotangent)


def with_detached(x: Tensor) -> tuple[Tensor, Tensor]:
    return nn.functional.dropout(x).square(), 3 * x.detach()


def wrong_beside_detached(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.square() + x.detach(), 3 * x.detach()


@pytest.mark.parametrize("function", [with_detached, Sorted.apply])
def test_the_drop_in_leaves_them_out_as_torch_does(function: Any) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert gradcheck(function, (point(),))
    assert torch.equal(before, torch.get_rng_state())


def test_torch_leaves_them_out() -> None:
    assert torch.autograd.gradcheck(lambda x: (x.square(), 3 * x.detach()), (point(),))


def test_what_is_left_is_still_checked() -> None:
    assert not gradcheck(wrong_beside_detached, (point(),), raise_exception=False)


def test_an_output_that_is_detached_alone_is_not_left_out() -> None:
    assert not gradcheck(lambda x: x.detach() * 2, (point(),), raise_exception=False)


def test_a_check_says_through_which_output_the_gradient_is_missing() -> None:
    report = gk.examine(with_detached, point().detach())
    assert report.verdict is Verdict.FAIL
    assert "seen through output[1] only" in str(report)


def test_the_users_buffers_stay_as_they_are() -> None:
    norm = nn.BatchNorm1d(3, dtype=torch.float64)
    assert gradcheck(lambda x: (norm(x), norm.running_mean), (point(),))
    assert norm.running_mean is not None
    assert torch.equal(norm.running_mean, torch.zeros(3, dtype=torch.float64))

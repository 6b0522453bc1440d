"""`gradcheck_kit.torch.gradcheck` takes torch's call and gives our verdict."""

from typing import Any

import pytest
import torch
from torch.autograd.gradcheck import GradcheckError as TorchGradcheckError

import gradcheck_kit as gk
from gradcheck_kit.torch import GradcheckError, gradcheck


class Halved(torch.autograd.Function):
    """x², with half its gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return cotangents[0] * x


def point(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor([0.5, -1.25, 2.0], dtype=dtype, requires_grad=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_right_gradient_is_true_in_either_precision_where_torch_itself_is_wrong_in_float32(
    dtype: torch.dtype,
) -> None:
    assert gradcheck(torch.sin, (point(dtype),)) is True
    assert gradcheck(torch.sin, point(dtype)) is True


def test_a_wrong_gradient_raises_what_either_kind_of_caller_catches() -> None:
    with pytest.raises(GradcheckError) as failure:
        gradcheck(Halved.apply, (point(),))
    assert isinstance(failure.value, TorchGradcheckError)
    assert isinstance(failure.value, gk.GradientCheckError)
    assert failure.value.report.verdict is gk.Verdict.FAIL


def test_without_raise_exception_a_wrong_gradient_is_false() -> None:
    assert gradcheck(Halved.apply, (point(),), raise_exception=False) is False


def test_only_inputs_that_require_gradients_are_checked() -> None:
    wrong_beside = lambda x, y: torch.sin(x) + Halved.apply(y)  # noqa: E731
    assert gradcheck(wrong_beside, (point(), point().detach()))
    assert not gradcheck(wrong_beside, (point(), point()), raise_exception=False)


def test_the_tolerances_are_ignored_with_one_warning_that_says_why() -> None:
    with pytest.warns(UserWarning, match="eps, atol, rtol ignored: .* measured error bound") as warned:
        assert not gradcheck(Halved.apply, (point(),), eps=1e-3, atol=10.0, rtol=10.0, raise_exception=False)
    assert len(warned) == 1


def test_an_option_that_asks_for_more_is_named() -> None:
    with pytest.warns(UserWarning, match="check_forward_ad not asked"):
        assert gradcheck(torch.sin, (point(),), check_forward_ad=True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gradcheck(torch.sin, (point().detach(),)), "requires_grad=True"),
        (lambda: gradcheck(torch.sin, (point(),), epsilon=1), "no option 'epsilon'"),
        (lambda: gradcheck(torch.sin, (point(),), check_backward_ad=False), "forward mode"),
    ],
    ids=["nothing requires gradients", "unknown option", "no backward"],
)
def test_a_bad_call_says_what_to_type_instead(call: Any, words: str) -> None:
    with pytest.raises(gk.UsageError, match=words):
        call()

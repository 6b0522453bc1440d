"""The sine as an `autograd.Function`, and what its backward may do otherwise."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def sine(
    used: Callable[[Tensor], Tensor] = lambda u: u, returned: Callable[[Tensor], Any] = lambda gradient: gradient
) -> Any:
    """The class: `used` is what the backward makes of its cotangent first, `returned` what of the gradient at last."""

    class Sine(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x.sin()

        @staticmethod
        def backward(ctx: Any, u: Tensor) -> Any:
            (x,) = ctx.saved_tensors
            return returned(used(u) * x.cos())

    return Sine

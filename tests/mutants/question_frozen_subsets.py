"""Backwards that are right only if all is asked of them, and once."""

from typing import Any

import torch
from torch import Tensor

from tests.mutants.planting import one, torch_mutant, two
from tests.mutants.torch_functions import RightExp, RightProduct


class ProductLooksAtTheWrongFlag(RightProduct):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, y = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        return (u * y if wanted[0] else None), (u * x if wanted[0] else None)


class RightSinAndCos(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x)
        ctx.set_materialize_grads(False)
        return torch.sin(x), torch.cos(x)

    @staticmethod
    def backward(ctx: Any, u: Tensor | None, w: Tensor | None) -> Tensor | None:
        (x,) = ctx.saved_tensors
        gradient = torch.zeros_like(x)
        if u is not None:
            gradient = gradient + u * torch.cos(x)
        if w is not None:
            gradient = gradient - w * torch.sin(x)
        return gradient


class SinAndCosNeedsBoth(RightSinAndCos):
    @staticmethod
    def backward(ctx: Any, u: Tensor | None, w: Tensor | None) -> Tensor | None:
        if u is None or w is None:
            return None
        return RightSinAndCos.backward(ctx, u, w)


class ExpUsesItsCacheUp(RightExp):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.cache = torch.exp(x)
        return ctx.cache.clone()

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return ctx.cache.mul_(u).clone()


class ExpForgetsItsCache(ExpUsesItsCacheUp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        gradient = u * ctx.cache
        del ctx.cache
        return gradient


FROZEN_SUBSETS = (
    torch_mutant(
        "a Function looks at the wrong flag of what is needed",
        lambda: RightProduct,
        lambda: ProductLooksAtTheWrongFlag,
        two((6,), (6,)),
        input="y",
        cause="frozen-subset",
        question="frozen-subsets",
    ),
    torch_mutant(
        "a Function needs the cotangents of both outputs",
        lambda: RightSinAndCos,
        lambda: SinAndCosNeedsBoth,
        one(6),
        cause="undefined-cotangent",
        question="frozen-subsets",
    ),
    torch_mutant(
        "a Function's backward uses its cache up",
        lambda: RightExp,
        lambda: ExpUsesItsCacheUp,
        one(6),
        cause="second-backward",
        question="frozen-subsets",
    ),
    torch_mutant(
        "a Function's backward forgets its cache",
        lambda: RightExp,
        lambda: ExpForgetsItsCache,
        one(6),
        input="the backward",
        cause="second-backward",
        question="frozen-subsets",
    ),
)

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


class RightSumOfSines(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *xs: Tensor) -> Tensor:
        ctx.save_for_backward(*xs)
        return torch.stack([(i + 1) * torch.sin(x) for i, x in enumerate(xs)]).sum(0)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, ...]:
        xs, wanted = ctx.saved_tensors, ctx.needs_input_grad
        return tuple((i + 1) * u * torch.cos(x) if wanted[i] else None for i, x in enumerate(xs))


class SumOfSinesDoublesOneIfAnotherIsFrozen(RightSumOfSines):
    """The last but one, where the second is frozen."""

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, ...]:
        gradients = list(RightSumOfSines.backward(ctx, u))
        if not ctx.needs_input_grad[1] and gradients[-2] is not None:
            gradients[-2] = 2 * gradients[-2]
        return tuple(gradients)


class RightMultiples(torch.autograd.Function):
    """x ↦ sin x, 2 sin x, 3 sin x; adds up only the cotangents that are defined."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(x)
        ctx.set_materialize_grads(False)
        return tuple(k * torch.sin(x) for k in (1, 2, 3))

    @staticmethod
    def backward(ctx: Any, *us: Tensor | None) -> Tensor:
        (x,) = ctx.saved_tensors
        gradient = torch.zeros_like(x)
        for k, u in enumerate(us, 1):
            if u is not None:
                gradient = gradient + k * u * torch.cos(x)
        return gradient


class MultiplesNeedTheLast(RightMultiples):
    @staticmethod
    def backward(ctx: Any, *us: Tensor | None) -> Tensor:
        return RightMultiples.backward(ctx, *us) * (us[-1] is not None)


class MultiplesNeedTwo(RightMultiples):
    @staticmethod
    def backward(ctx: Any, *us: Tensor | None) -> Tensor:
        return RightMultiples.backward(ctx, *us) * (sum(u is not None for u in us) > 1)


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
        "a Function of five inputs doubles a gradient if another input is frozen",
        lambda: RightSumOfSines,
        lambda: SumOfSinesDoublesOneIfAnotherIsFrozen,
        lambda g: tuple(g.normal(size=(5, 6))),
        input="xs[3]",
        cause="frozen-subset",
        question="frozen-subsets",
    ),
    torch_mutant(
        "a Function needs the last of three cotangents",
        lambda: RightMultiples,
        lambda: MultiplesNeedTheLast,
        one(6),
        cause="undefined-cotangent",
        question="frozen-subsets",
    ),
    torch_mutant(
        "a Function needs two of three cotangents",
        lambda: RightMultiples,
        lambda: MultiplesNeedTwo,
        one(6),
        cause="undefined-cotangent",
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

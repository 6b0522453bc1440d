"""Wrong rules for vmap beside a right forward and backward."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from tests.mutants.planting import Mutant, torch_mutant, two


class Weighted(Function):
    """y = x·Wᵀ by rows, and a rule that moves every mapped axis to the front."""

    @staticmethod
    def forward(x: Tensor, W: Tensor) -> Tensor:
        return (x.unsqueeze(-2) * W).sum(-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Any:
        x, W = ctx.saved_tensors
        dx = (u.unsqueeze(-1) * W).sum(-2)
        dW = u.unsqueeze(-1) * x.unsqueeze(-2)
        return dx.sum_to_size(x.shape), dW.sum_to_size(W.shape)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, W: Tensor) -> Any:
        x = x.unsqueeze(0) if in_dims[0] is None else x.movedim(in_dims[0], 0)
        W = W.unsqueeze(0) if in_dims[1] is None else W.movedim(in_dims[1], 0)
        return Weighted.apply(x, W), 0  # type: ignore[no-untyped-call]


class MindsNoAxis(Weighted):
    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, W: Tensor) -> Any:
        x = x.unsqueeze(0) if in_dims[0] is None else x
        W = W.unsqueeze(0) if in_dims[1] is None else W
        return Weighted.apply(x, W), 0  # type: ignore[no-untyped-call]


class MindsNoNone(Weighted):
    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, W: Tensor) -> Any:
        x, W = (a.movedim(dim or 0, 0) for a, dim in zip((x, W), in_dims, strict=True))
        singly = [Weighted.apply(x[i], W[i]) for i in range(info.batch_size)]  # type: ignore[no-untyped-call]
        return torch.stack(singly), 0


class StopsTheGradient(Weighted):
    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, W: Tensor) -> Any:
        return Weighted.vmap(info, in_dims, x, W.detach())


class SaysAnotherAxis(Weighted):
    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, W: Tensor) -> Any:
        return Weighted.vmap(info, in_dims, x, W)[0], 1


class IsWrongForTheFirstAlone(Weighted):
    """A fast way for what is mapped most often."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, W: Tensor) -> Any:
        y, dim = Weighted.vmap(info, in_dims, x, W)
        return (-y if in_dims == (0, None) else y), dim


class Product(Function):
    """y = a·b of equal shapes, and a right rule."""

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        return a * b

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Any:
        a, b = ctx.saved_tensors
        return (u * b).sum_to_size(a.shape), (u * a).sum_to_size(b.shape)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], a: Tensor, b: Tensor) -> Any:
        a, b = (t.unsqueeze(0) if dim is None else t.movedim(dim, 0) for t, dim in zip((a, b), in_dims, strict=True))
        return Product.apply(a, b), 0  # type: ignore[no-untyped-call]


class TakesOneAxisForAll(Product):
    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], a: Tensor, b: Tensor) -> Any:
        both = None not in in_dims
        return Product.vmap(info, (in_dims[0], in_dims[0]) if both else in_dims, a, b)


class Generated(Function):
    """x³, whose rule torch generates from the forward and the backward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x**3

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Any:
        return 3 * ctx.saved_tensors[0] ** 2 * u


class LooksAtValues(Generated):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * u if float(u.abs().sum()) > 0 else torch.zeros_like(x)


class WithoutSetupContext(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Any:
        return 2 * u


def _of(function: type[Function], name: str, input: str) -> Mutant:
    return torch_mutant(
        name, lambda: Weighted, lambda: function, two((3,), (2, 3)), input, cause="vmap-rule", question="vmap"
    )


VMAP = (
    _of(MindsNoAxis, "a vmap rule takes every axis for the first", "x"),
    _of(MindsNoNone, "a vmap rule takes every input for mapped", "x"),
    _of(StopsTheGradient, "a vmap rule detaches an input", "W"),
    _of(SaysAnotherAxis, "a vmap rule says another axis than it has", "x"),
    _of(IsWrongForTheFirstAlone, "a vmap rule is wrong where the first input alone is mapped", "x"),
    torch_mutant(
        "a vmap rule takes the first input's axis for all",
        lambda: Product,
        lambda: TakesOneAxisForAll,
        two((3, 3), (3, 3)),
        "every input",
        cause="vmap-rule",
        question="vmap",
    ),
)

"""torch functions and modules with a wrong backward."""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tests.mutants.planting import both_signs, one, torch_mutant, two


class RightExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return u * ctx.saved_tensors[0]


class ExpSavesInput(RightExp):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.exp(x)


class ExpFlipped(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return -u * ctx.saved_tensors[0]


class ExpOverwritesInput(RightExp):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = RightExp.forward(ctx, x)
        x.data.mul_(2.0)
        return y


class ExpOverwritesCotangent(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return u.mul_(ctx.saved_tensors[0]).clone()


class ExpNan(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return u * ctx.saved_tensors[0] * float("nan")


class RightProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, y = ctx.saved_tensors
        return u * y, u * x


class ProductWithoutSecond(RightProduct):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return RightProduct.backward(ctx, u)[0], None


class RightLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return u @ weight, u.T @ x


class LinearWithoutItsWeightGradient(RightLinear):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor, Tensor]:
        dx, dW = RightLinear.backward(ctx, u)
        return dx, torch.zeros_like(dW)


class WithWeight(nn.Module):
    """A module that hands its weight to a Function of its own."""

    def __init__(self, product: type[RightLinear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4, dtype=torch.float64))
        self.product = product

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.product.apply(x, self.weight)
        return out


class TwoLinears(nn.Module):
    """The first layer's output may be cut out of the graph, scaled on its way back, or cast."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 3, dtype=torch.float64)
        self.outer = nn.Linear(3, 2, dtype=torch.float64)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.outer(self.between(torch.tanh(self.inner(x))))
        return out


class LinearDetachesBias(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight, self.bias.detach())


class Temperature(nn.Module):
    def __init__(self, read: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
        self.read = read

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x / self.read(self.temperature), dim=1)


def _halved_on_the_way_back(h: Tensor) -> Tensor:
    if h.requires_grad:
        h.register_hook(lambda u: 0.5 * u)
    return h


TORCH = (
    torch_mutant(
        "a path of a module is detached",
        lambda: TwoLinears(lambda h: h),
        lambda: TwoLinears(lambda h: h.detach()),
        one(5, 4),
        input="inner.weight",
        cause="zero-gradient",
    ),
    torch_mutant(
        "a module's weight has a zero gradient",
        lambda: WithWeight(RightLinear),
        lambda: WithWeight(LinearWithoutItsWeightGradient),
        one(5, 4),
        input="weight",
        cause="zero-gradient",
    ),
    torch_mutant(
        "a hook halves the gradient",
        lambda: TwoLinears(lambda h: h),
        lambda: TwoLinears(_halved_on_the_way_back),
        one(5, 4),
        input="inner.bias",
        cause="constant-factor",
    ),
    torch_mutant(
        "a Linear detaches its bias",
        lambda: nn.Linear(2, 1, dtype=torch.float64),
        lambda: LinearDetachesBias(2, 1, dtype=torch.float64),
        one(1, 2),
        input="bias",
        cause="zero-gradient",
    ),
    torch_mutant(
        "a parameter is read by item()",
        lambda: Temperature(lambda t: t),
        lambda: Temperature(lambda t: t.item()),
        one(3, 4),
        input="temperature",
        cause="zero-gradient",
    ),
    torch_mutant(
        "a Function saves its input for its output",
        lambda: RightExp,
        lambda: ExpSavesInput,
        one(6),
        cause="wrong-factor",
    ),
    torch_mutant("a Function flips the sign", lambda: RightExp, lambda: ExpFlipped, one(6), cause="sign-flip"),
    torch_mutant(
        "a Function overwrites its input",
        lambda: RightExp,
        lambda: ExpOverwritesInput,
        one(6),
        cause="mutated-input",
        question="purity",
    ),
    torch_mutant(
        "a module applies ReLU in place",
        lambda: nn.ReLU(),
        lambda: nn.ReLU(inplace=True),
        both_signs(6),
        input="input",
        cause="mutated-input",
        question="purity",
    ),
    torch_mutant(
        "a Function overwrites its cotangent",
        lambda: RightExp,
        lambda: ExpOverwritesCotangent,
        one(6),
        input="the cotangent of output",
        cause="mutated-cotangent",
        question="purity",
    ),
    torch_mutant(
        "a Function returns NaN", lambda: RightExp, lambda: ExpNan, one(6), cause="not-finite", question="contract"
    ),
    torch_mutant(
        "a Function has no gradient for its second input",
        lambda: RightProduct,
        lambda: ProductWithoutSecond,
        two((6,), (6,)),
        input="y",
        cause="zero-gradient",
    ),
)

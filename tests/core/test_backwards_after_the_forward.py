"""A backward that runs a part of the forward again, or writes to a buffer, leaves the tensors of the user alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.tensors import drawn


class Checkpointed(nn.Module):
    """Computes its hidden layer again in the backward (Chen et al. 2016, section 3)."""

    def __init__(self, activation: Callable[[Tensor], Any] = torch.tanh) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 5), nn.BatchNorm1d(5)
        self.activation = activation

    def forward(self, x: Tensor) -> Any:
        return checkpoint(lambda t: self.activation(self.norm(self.linear(t))), x, use_reentrant=False)


class Halved(torch.autograd.Function):
    """The square, its gradient off by two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return u * x


class CountsByHook(nn.Module):
    """Keeps a statistic of its gradients in a buffer, by a hook."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Any:
        y = torch.tanh(self.linear(x))
        y.register_hook(self.look)
        return y

    def look(self, u: Tensor) -> None:
        self.seen += u.abs().mean() + 1


class Doubled(torch.autograd.Function):
    """2·x; the backward counts in the module."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, module: Any) -> Tensor:
        ctx.module = module
        return 2 * x

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor, None]:
        ctx.module.seen.add_(1)
        return 2 * u, None


class CountsInItsBackward(CountsByHook):
    def forward(self, x: Tensor) -> Any:
        return Doubled.apply(self.linear(x), self)  # type: ignore[no-untyped-call]


class CountsPastTheCopy(CountsByHook):
    """The hook holds the buffer itself, in a closure, which no copy of the module makes its own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))  # `to` another float dtype keeps this tensor
        held = self.calls

        def look(u: Tensor) -> None:
            held.add_(1)

        self.look = look  # type: ignore[method-assign]


MODULES: dict[str, Callable[[], nn.Module]] = {
    "a checkpoint": Checkpointed,
    "a hook": CountsByHook,
    "a backward that counts": CountsInItsBackward,
    "a hook that holds the buffer": CountsPastTheCopy,
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", MODULES)
def test_a_right_one_passes_and_the_user_s_tensors_are_as_before(name: str, dtype: torch.dtype) -> None:
    module = MODULES[name]().to(dtype)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    assert gk.examine(module, drawn(4, 3).to(dtype)).verdict is Verdict.PASS
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_a_checkpoint_has_a_double_backward() -> None:
    assert gk.examine(Checkpointed().double(), drawn(4, 3), order=2).verdict is Verdict.PASS


def test_what_is_wrong_inside_a_checkpoint_fails() -> None:
    assert gk.examine(Checkpointed(Halved.apply).double(), drawn(4, 3)).verdict is Verdict.FAIL


class OfAGraph(nn.Module):
    """A layer whose neighbours are a sparse buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2, dtype=torch.float64)
        self.register_buffer("neighbours", torch.eye(4, dtype=torch.float64).to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        return torch.sparse.mm(self.neighbours, self.linear(x))


def test_a_sparse_buffer_is_as_before() -> None:
    module = OfAGraph()
    assert gk.examine(module, drawn(4, 3)).verdict is Verdict.PASS
    assert gk.examine(lambda x: +module(x), drawn(4, 3)).verdict is Verdict.PASS
    assert torch.equal(module.neighbours.to_dense(), torch.eye(4, dtype=torch.float64))

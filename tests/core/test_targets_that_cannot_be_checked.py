"""What no check can be made of is told in a sentence that says what to pass instead."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict


class WithoutCotangent:
    """A loss whose backward takes nothing."""

    def forward(self, x: Any) -> float:
        self.x = x
        return float(np.square(x).sum())

    def backward(self) -> Any:
        return 2 * self.x


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def linear() -> nn.Module:
    return nn.Linear(3, 2, dtype=torch.float64)


CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "a backward without a cotangent": (WithoutCotangent, lambda: np.ones(3), r"cotangent=1\.0"),
    "a sparse input": (lambda: lambda x: torch.sparse.mm(x, drawn(3, 2)), lambda: drawn(3, 3).to_sparse(), "dense"),
    "a sparse output": (lambda: lambda x: x.to_sparse(), lambda: drawn(3, 3), r"to_dense\(\)"),
    "a scripted module": (lambda: torch.jit.script(linear()), lambda: drawn(4, 3), "lambda"),
    "a traced module": (lambda: torch.jit.trace(linear(), drawn(4, 3)), lambda: drawn(4, 3), "lambda"),  # type: ignore[no-untyped-call]
    "a lazy module": (lambda: nn.LazyLinear(2, dtype=torch.float64), lambda: drawn(4, 3), "call it once"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", CASES)
def test_the_error_says_what_to_pass_instead(name: str) -> None:
    target, point, advice = CASES[name]
    with pytest.raises(gk.UsageError, match=advice):
        gk.examine(target(), point())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_the_advice_for_a_scripted_module_works() -> None:
    scripted = torch.jit.script(linear())

    def function(*inputs: Tensor) -> Any:
        return scripted(*inputs)

    assert gk.examine(function, drawn(4, 3)).verdict is Verdict.PASS


def test_the_advice_for_a_sparse_input_works() -> None:
    where = torch.tensor([[0, 1, 2], [1, 2, 0]])

    def product(values: Tensor) -> Tensor:
        return torch.sparse.mm(torch.sparse_coo_tensor(where, values, (3, 3)), torch.ones(3, 2, dtype=values.dtype))

    assert gk.examine(product, drawn(3)).verdict is Verdict.PASS

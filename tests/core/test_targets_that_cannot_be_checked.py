"""What no check can be made of is told in a sentence that says what to pass instead."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.tensors import drawn


class WithoutCotangent:
    """A loss whose backward takes nothing."""

    def forward(self, x: Any) -> float:
        self.x = x
        return float(np.square(x).sum())

    def backward(self) -> Any:
        return 2 * self.x


def linear() -> nn.Module:
    return nn.Linear(3, 2, dtype=torch.float64)


class OfAList(nn.Module):
    def forward(self, given: list[Tensor]) -> Tensor:
        return given[0] * given[1]


class ReturnsNothing:
    """Keeps its output and forgets to return it."""

    def forward(self, x: Any) -> None:
        self.y = np.tanh(x)

    def backward(self, cotangent: Any) -> Any:
        return cotangent * (1 - np.square(self.y))


@dataclass
class Named:
    sine: Tensor
    cosine: Tensor


TAKE_APART = r"lambda \*values: target\(list\(values\)\), \*given"

CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "a backward without a cotangent": (WithoutCotangent, lambda: np.ones(3), r"cotangent=1\.0"),
    "a sparse input": (lambda: lambda x: torch.sparse.mm(x, drawn(3, 2)), lambda: drawn(3, 3).to_sparse(), "dense"),
    "a sparse output": (lambda: lambda x: x.to_sparse(), lambda: drawn(3, 3), r"to_dense\(\)"),
    "a scripted module": (lambda: torch.jit.script(linear()), lambda: drawn(4, 3), "lambda"),
    "a traced module": (lambda: torch.jit.trace(linear(), drawn(4, 3)), lambda: drawn(4, 3), "lambda"),  # type: ignore[no-untyped-call]
    "a list of inputs": (lambda: lambda given: given[0] * given[1], lambda: [drawn(3), drawn(3)], TAKE_APART),
    "a dict of inputs": (
        lambda: lambda given: given["a"] * 2,
        lambda: {"a": drawn(3)},
        r"dict\(zip\(given, values\)\)",
    ),
    "a list of a module": (OfAList, lambda: [drawn(3), drawn(3)], TAKE_APART),
    "a dataclass": (lambda: lambda x: Named(x.sin(), x.cos()), lambda: drawn(3), r"a Named; .*\(\*inputs\)\.NAME"),
    "a distribution": (lambda: lambda x: torch.distributions.Normal(x, 1.0), lambda: drawn(3), "a Normal; return a"),
    "None": (lambda: lambda x: None, lambda: drawn(3), "returned None; return a torch array"),
    "None for a layer": (ReturnsNothing, lambda: np.ones(3), "returned None; return a numpy array"),
    "a string": (lambda: lambda x: "loss", lambda: drawn(3), "returned a str; return a torch array"),
    "a dict of None": (lambda: lambda x: {"loss": None}, lambda: drawn(3), "a dict of NoneType; return a torch array"),
    "no outputs": (lambda: lambda x: (), lambda: drawn(3), "returned a tuple; return a torch array"),
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


@pytest.mark.parametrize("module", [True, False])
def test_the_advice_for_a_list_of_inputs_works(module: bool) -> None:
    target, given = OfAList() if module else OfAList.forward.__get__(OfAList()), [drawn(3), drawn(3) + 1]
    assert gk.check(lambda *values: target(list(values)), *given)


def test_the_advice_for_a_dict_of_inputs_works() -> None:
    given = {"a": drawn(3), "b": drawn(3) + 1}

    def target(values: dict[str, Tensor]) -> Tensor:
        return values["a"] * values["b"]

    report = gk.check(lambda *values: target(dict(zip(given, values, strict=True))), *given.values(), names=list(given))
    assert [finding.input for finding in report.findings if finding.input] == ["a", "b"]


def test_the_advice_for_an_object_of_outputs_works() -> None:
    def target(x: Tensor) -> Named:
        return Named(x.sin(), x.cos())

    assert gk.check(lambda *inputs: target(*inputs).sine, drawn(3))


def test_an_output_beside_what_is_none_is_checked() -> None:
    assert gk.check(lambda x: {"loss": x.square().sum(), "logits": None}, drawn(3))


def test_the_advice_for_a_sparse_input_works() -> None:
    where = torch.tensor([[0, 1, 2], [1, 2, 0]])

    def product(values: Tensor) -> Tensor:
        return torch.sparse.mm(torch.sparse_coo_tensor(where, values, (3, 3)), torch.ones(3, 2, dtype=values.dtype))

    assert gk.examine(product, drawn(3)).verdict is Verdict.PASS

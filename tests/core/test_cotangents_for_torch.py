"""How torch is handed the cotangents: as `grad_outputs` would hand them, without what it imports for these."""

import subprocess
import sys

import pytest
import torch

from gradcheck_kit.adapters.torch_graph import pulled_from

PROGRAM = """
import sys, torch
import gradcheck_kit as gk
before = "sympy" in sys.modules
assert gk.check(torch.nn.Linear(3, 2), torch.randn(4, 3))
assert ("sympy" in sys.modules) == before
"""


@pytest.fixture(params=["sympy is there", "sympy is not there"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to hand cotangents over."""
    import sympy

    monkeypatch.setitem(sys.modules, "sympy", sympy)
    if request.param == "sympy is not there":
        monkeypatch.delitem(sys.modules, "sympy")


def outputs_of(x: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"y": torch.tanh(x) * x, "z": x.sum(0), "unused": x * 2.0}


def given() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    return torch.randn(5, 3, requires_grad=True), {"y": torch.randn(5, 3), "z": torch.randn(3)}


def test_the_gradients_are_those_of_the_same_cotangents_bit_by_bit() -> None:
    x, u = given()
    outputs = outputs_of(x)
    (found,) = pulled_from({"x": x}, outputs_of(x), u)
    (expected,) = torch.autograd.grad([outputs[n] for n in u], [x], list(u.values()))
    assert found is not None
    assert torch.equal(found, expected)


def test_a_second_backward_reaches_the_point_and_the_cotangents() -> None:
    x, u = given()
    for cotangent in u.values():
        cotangent.requires_grad_()
    outputs, leaves = outputs_of(x), [x, *u.values()]
    (found,) = pulled_from({"x": x}, outputs_of(x), u, create_graph=True)
    (expected,) = torch.autograd.grad([outputs[n] for n in u], [x], list(u.values()), create_graph=True)
    assert found is not None
    second, known = (torch.autograd.grad(g.square().sum(), leaves) for g in (found, expected))
    assert all(torch.equal(one, other) for one, other in zip(second, known, strict=True))


def test_a_backward_is_given_the_very_cotangent() -> None:
    seen = []

    class Seen(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, u: torch.Tensor) -> torch.Tensor:
            seen.append((u.data_ptr(), u.stride()))
            return u * 1.0

    x, _ = given()
    transposed = {"y": torch.randn(3, 5).t()}
    pulled_from({"x": x}, {"y": Seen.apply(x)}, transposed)
    assert seen == [(transposed["y"].data_ptr(), transposed["y"].stride())]


def test_no_check_imports_sympy() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)

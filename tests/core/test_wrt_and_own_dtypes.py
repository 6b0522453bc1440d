"""Inputs that are not asked for are left alone by autograd, and parameters keep their own dtypes."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from tests.acts import FAIL, PASS, Act, PlantedError
from tests.scenes import ROWS, SCENES, TW, TX


@pytest.mark.parametrize("wrt", ["x", "w", None])
def test_autograd_is_asked_for_the_inputs_in_wrt_alone(wrt: str | None) -> None:
    seen: set[tuple[bool, bool]] = set()

    def function(x: Tensor, w: Tensor) -> Tensor:
        seen.add((x.requires_grad, w.requires_grad))
        return x * w

    assert gk.check(function, TX, TW, wrt=wrt, questions="directional")
    assert seen == {(False, False), (wrt != "w", wrt != "x")}


def test_an_input_that_autograd_must_not_reach_is_left_alone_by_wrt() -> None:
    class Refuses(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *u: Tensor) -> Any:
            raise PlantedError("no derivative here")

    assert gk.check(lambda x, mask: x * Refuses.apply(mask), TX, TW, wrt="x")
    with pytest.raises(PlantedError):
        gk.examine(lambda x, mask: x * Refuses.apply(mask), TX, TW)


class Mixed(nn.Module):
    """A frozen layer in float32 within a module in float64."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.features, self.head = nn.Linear(3, 3).requires_grad_(False), nn.Linear(3, 2).double()

    def forward(self, x: Tensor) -> Any:
        return self.head(self.features(x.float()).double())


def test_a_frozen_float32_layer_in_a_float64_module_stays_float32() -> None:
    report = gk.examine(Mixed(), ROWS, wrt=["head.weight", "head.bias"])
    assert report.verdict is PASS, report
    assert gk.examine(Mixed(), ROWS).verdict is not FAIL


def test_the_parameters_of_a_textbook_layer_on_tensors_may_require_gradients() -> None:
    scene = SCENES["layer on tensors that require gradients"](Act())
    report = gk.examine(scene.target, *scene.inputs)
    assert report.verdict is PASS, report
    assert [f.input for f in report.findings if f.question == "directional"] == ["x", "W", "b"]

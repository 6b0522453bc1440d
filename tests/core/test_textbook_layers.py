"""Which parameters a textbook layer is found to have, what they are called, and that none of it is touched."""

import pickle
from typing import Any

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.adapters.held import held_by
from gradcheck_kit.adapters.parameters import layers_inside
from gradcheck_kit.verdict import Verdict
from tests.textbook import AttributePairs, DictParams, ListParams, Textbook, W, X, compared, failed
from tests.textbook_oddities import LAYERS, FreshDicts, Layered

BUGS = [(name, bug) for name, (_, inputs) in LAYERS.items() for bug in inputs]


@pytest.mark.parametrize("name", LAYERS)
def test_every_parameter_of_a_right_layer_is_found_and_passes(name: str) -> None:
    layer, inputs = LAYERS[name]
    report = gk.examine(layer(), X)
    assert report.verdict is Verdict.PASS, report
    assert compared(report) == inputs


@pytest.mark.parametrize(("name", "bug"), BUGS)
def test_one_wrong_gradient_of_a_layer_is_named_and_no_other(name: str, bug: str) -> None:
    report = gk.examine(LAYERS[name][0](wrong=bug), X)
    assert report.verdict is Verdict.FAIL
    assert failed(report) == [bug]


def test_a_parameter_that_reads_back_unchanged_is_told() -> None:
    class Copies(FreshDicts):
        @property
        def params(self) -> dict[str, Any]:
            return {"W": self._w.copy(), "b": self._b.copy()}

    with pytest.raises(gk.UsageError, match="has no effect"):
        gk.examine(Copies(), X)


@pytest.mark.parametrize("name", ["slots", "properties", "layers inside"])
def test_parameters_of_every_kind_are_moved_to_float64_and_left_alone(name: str) -> None:
    """A float32 layer is differentiated in float64, which needs all its arrays there."""
    layer: Any = LAYERS[name][0]()
    for _, owner in layers_inside(layer):
        for held in ("W", "b", "gamma", "beta"):
            if held in held_by(owner):
                setattr(owner, held, getattr(owner, held).astype(np.float32))
        for group in ("params", "_held"):
            getattr(owner, group, {}).update({k: v.astype(np.float32) for k, v in getattr(owner, group, {}).items()})
    before = pickle.dumps(layer)
    report = gk.examine(layer, X.astype(np.float32))
    assert report.verdict is Verdict.PASS, report
    assert (report.reference, compared(report)) == ("float64", LAYERS[name][1])
    assert pickle.dumps(layer) == before


class Chained(AttributePairs):
    """Knows the layer before it, which has been trained."""

    def __init__(self, before: type[Textbook] = DictParams) -> None:
        super().__init__()
        self.before: Any = before()
        self.before.forward(X)
        self.before.backward(np.ones_like(X))


class ForgetsTheLayerInside(Chained):
    """The layer before it takes part in the forward, and the backward leaves its gradient as it was."""

    def forward(self, x: Any) -> Any:
        self.x = self.before.forward(x)
        return self.W * self.x + self.b

    def backward(self, dout: Any) -> Any:
        return super().backward(dout) * W


BEFORE = pytest.mark.parametrize("before", [DictParams, ListParams, AttributePairs])


@BEFORE
def test_a_layer_that_is_only_referred_to_has_no_parameters_here(before: type[Textbook]) -> None:
    report = gk.examine(Chained(before), X)
    assert (report.verdict, compared(report)) == (Verdict.PASS, ["x", "W", "b"])


@BEFORE
def test_an_old_gradient_of_a_layer_that_takes_part_is_found(before: type[Textbook]) -> None:
    report = gk.examine(ForgetsTheLayerInside(before), X)
    assert report.verdict is Verdict.FAIL
    assert all(str(name).startswith("before.") for name in failed(report)), report


def test_the_lines_to_paste_set_the_parameters_of_a_layer_inside() -> None:
    report = gk.examine(Layered(wrong="layers[0].W"), X)
    assert report.reproduction is not None
    lines = "\n".join(report.reproduction.lines)
    assert "\nlayer.layers[0].W[...] = layers_0__W\n" in lines
    assert "\nlayer.out.params['W'][...] = out_W\n" in lines


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_layer_is_checked_in_its_own_dtype(dtype: str) -> None:
    layer = DictParams()
    layer.params = {name: array.astype(dtype) for name, array in layer.params.items()}
    report = gk.examine(layer, X.astype(dtype))
    assert report.verdict is Verdict.PASS, report
    assert report.dtype == dtype

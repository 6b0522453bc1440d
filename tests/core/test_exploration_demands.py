"""What a search asks of each example can be said, and a cause that the smallest input hides is still told."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import gradcheck_kit as gk
from gradcheck_kit.engine import UNPAIRED
from gradcheck_kit.exploration.demands import Demands
from gradcheck_kit.exploration.passing import over_all
from gradcheck_kit.exploration.search import searched
from gradcheck_kit.exploration.trial import Outcome, Trial
from gradcheck_kit.report import Exploration, LeftOut
from gradcheck_kit.verdict import Verdict


class Scale:
    """y = W · x; the gradient of W is wrong, that of x right."""

    def __init__(self, W: Any) -> None:
        self.W = W

    def forward(self, x: Any) -> Any:
        self.x = x
        return self.W * x

    def backward(self, cotangent: Any) -> Any:
        self.dW = (cotangent * self.x).sum(axis=0) / max(len(self.x), 1)
        return cotangent * self.W


AXES = {"x": ("n", "m"), "W": ("m",)}


def scaled(demands: Demands, examples: int = 10) -> gk.Report:
    return searched(Scale, AXES, demands, max_examples=examples)


def test_a_gradient_that_is_not_asked_for_fails_nothing() -> None:
    assert scaled(Demands(wrt=("x",))).verdict is Verdict.PASS
    assert scaled(Demands()).verdict is Verdict.FAIL
    assert scaled(Demands(wrt=("W",))).verdict is Verdict.FAIL


def test_a_question_that_is_not_asked_finds_nothing() -> None:
    report = scaled(Demands(questions=("contract", "linearity")))
    assert report.verdict is Verdict.INCONCLUSIVE, "nothing compared a derivative"


def test_a_resolution_that_no_float32_can_reach_is_undecided() -> None:
    assert scaled(Demands(wrt=("x",), dtype="float32")).verdict is Verdict.PASS
    assert scaled(Demands(wrt=("x",), dtype="float32", require=1e-14)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_only_the_dtype_asked_for_is_drawn(dtype: str) -> None:
    assert scaled(Demands(wrt=("x",), dtype=dtype)).dtype == dtype


def test_progress_counts_the_examples() -> None:
    heard: list[int] = []
    report = scaled(Demands(wrt=("x",), progress=heard.append))
    assert report.exploration is not None
    assert heard == list(range(1, report.exploration.examples + 1))


def test_when_the_time_is_spent_no_further_example_is_drawn() -> None:
    report = scaled(Demands(wrt=("x",), seconds=0.0))
    assert report.exploration is not None
    assert report.exploration.examples == 1


def test_the_lines_to_paste_ask_what_the_search_asked() -> None:
    found = scaled(Demands(wrt=("W",), questions=("contract", "directional"), require=1e-7))
    assert found.exploration is not None
    assert found.exploration.lines[-1] == (
        "gk.check(Scale(W=W), x, wrt=['W'], require=1e-07, questions=['contract', 'directional'])"
    )
    with pytest.raises(gk.GradientCheckError, match="the gradient of W is wrong"):
        exec("\n".join(found.exploration.lines), {"Scale": Scale})


def test_on_a_device_modules_and_inputs_are_put_there(device: str, needs_device: Any) -> None:
    needs_device(device, "a search")
    seen: set[str] = set()

    class Seen(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.update((x.device.type, self.weight.device.type))
            return super().forward(x)

    report = searched(Seen(3, 2), {"x": ("n", 3)}, Demands(device=device), max_examples=4)
    assert report.device.startswith(device)
    assert seen == {device}


def test_a_cause_that_the_smallest_input_cannot_tell_is_told_from_a_larger_one() -> None:
    report = gk.explore(Scale, x=("n", "m"), W=("m",))
    (wrong,) = [finding for finding in report.findings if finding.verdict is Verdict.FAIL]
    assert report.exploration is not None
    assert np.prod(report.exploration.inputs["W"]["shape"]) == 1
    assert "[averaged-not-summed]" not in wrong.message
    assert "W at n=5, m=7: likely cause: backward is 1/5 of the derivative" in report.exploration.attributions[0]
    assert "[averaged-not-summed]" in str(report)


def test_a_larger_input_that_cannot_be_called_spoils_no_failure() -> None:
    class OneGradientTooMany(Scale):
        def backward(self, cotangent: Any) -> Any:
            self.dW = (cotangent * self.x).sum(axis=0)
            gradient = 2 * cotangent * self.W
            return (gradient,) * 3 if len(self.x) == 5 else gradient

    axes = {"x": ("n", 2), "W": (2,)}
    report = searched(OneGradientTooMany, axes, Demands(dtype="float64"), max_examples=1)
    assert report.verdict is Verdict.FAIL


def test_where_the_larger_input_does_not_fail_no_cause_is_made_up() -> None:
    class BatchOfOne(Scale):
        def backward(self, cotangent: Any) -> Any:
            self.dW = (cotangent * self.x).sum(axis=0)
            gradient = cotangent * self.W
            return gradient / 2 if len(self.x) == 1 else gradient

    report = gk.explore(BatchOfOne, x=("n", "m"), W=("m",))
    assert report.verdict is Verdict.FAIL
    assert report.exploration is not None
    assert report.exploration.attributions == ()


def test_a_demand_that_nothing_meets_is_named_and_not_the_axes() -> None:
    told = " ".join(str(scaled(Demands(wrt=("x",), dtype="float64", require=1e-30))).split())
    assert "where 1e-30 is required" in told
    assert "pass other axes" not in told
    assert "require=1e-06" in told
    met = scaled(Demands(wrt=("x",), dtype="float64", require=1e-9))
    assert met.verdict is Verdict.PASS


def test_where_no_demand_is_to_blame_the_axes_are_named() -> None:
    nowhere = searched(lambda x: x / 0 * 0, {"x": (2,)}, Demands(require=1e-9), max_examples=5, vjp=lambda u, x: u)
    told = " ".join(str(nowhere).split())
    assert "pass other axes" in told
    assert "required" not in told


class Late:
    """Right, and after a few calls it raises."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def forward(self, x: Any) -> Any:
        return 2 * x

    def backward(self, cotangent: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError("late\nand more")
        return 2 * cotangent


def test_what_raises_later_in_a_check_is_told_with_its_message_and_line() -> None:
    with pytest.raises(gk.UsageError) as raised:
        gk.explore(Late(6), x=("n", 3), max_examples=5)
    told = str(raised.value)
    assert "later in its check one raised ValueError: late (at " in told
    line = Late.backward.__code__.co_firstlineno + 3
    assert f"test_exploration_demands.py:{line}, n=" in told
    assert "do the axes fit" not in told
    assert gk.explore(Late(10**6), x=("n", 3), max_examples=5).verdict is Verdict.PASS


def test_of_what_the_examples_left_out_a_search_keeps_the_arrays_whatever_the_reasons_say() -> None:
    report = gk.examine(lambda x: x * x, np.ones(3), vjp=lambda u, x: 2 * u * x)
    kept = LeftOut("W", "no gradient", array=True)
    trial = Trial(Outcome.PASSED, replace(report, left_out=(LeftOut("adjoint", UNPAIRED), kept)))
    assert over_all([trial, trial], Exploration(2, 2, 0, 0)).left_out == (kept,)

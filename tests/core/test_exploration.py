"""A search finds what is wrong at few inputs only, makes it small, and leaves right code alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import gradcheck_kit as gk
from gradcheck_kit.exploration.reduction import digits_of, plainer_numbers
from gradcheck_kit.exploration.values import KINDS
from gradcheck_kit.verdict import Verdict
from reference_impls.layers import Add, Affine, BCELoss, MSELoss, Mul, ReLU, Sigmoid, SoftmaxWithLoss
from reference_impls.networks import MLP, XORNet

Values = npt.NDArray[Any]
PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
ROOT = Path(__file__).resolve().parents[2]

# ---------------------------------------------------------------- wrong at few inputs only


class Square:
    """x², right; the ones below spoil it."""

    def forward(self, x: Values) -> Values:
        self.x = x
        return x * x

    def backward(self, cotangent: Values) -> Values:
        return self.spoiled(2 * self.x * cotangent)

    def spoiled(self, gradient: Values) -> Values:
        return gradient


class BeyondThreeInTheThirdColumn(Square):
    def spoiled(self, gradient: Values) -> Values:
        gradient[:, 2] *= np.where(self.x[:, 2] > 3, 1.5, 1.0)
        return gradient


class BatchOfOne(Square):
    def spoiled(self, gradient: Values) -> Values:
        return gradient / 2 if len(self.x) == 1 else gradient


class FromSeventeenRowsOn(Square):
    def spoiled(self, gradient: Values) -> Values:
        gradient[16:] *= 2
        return gradient


class NotANumberAtZero(Square):
    def spoiled(self, gradient: Values) -> Values:
        return np.where(self.x == 0, np.nan, gradient)


class RaisesOnAWideBatch(Square):
    def spoiled(self, gradient: Values) -> Values:
        return gradient[:16].reshape(self.x.shape)


class RowMaximum:
    """The largest of each row; at a tie its gradient goes to the first."""

    def forward(self, x: Values) -> Values:
        self.x, self.largest = x, x.max(axis=1, keepdims=True)
        return self.largest

    def backward(self, cotangent: Values) -> Values:
        return np.asarray(self.chosen(self.x == self.largest) * cotangent, self.x.dtype)

    def chosen(self, tied: Values) -> Values:
        return tied & (tied.cumsum(axis=1) == 1)


class AllOfItToEachTied(RowMaximum):
    def chosen(self, tied: Values) -> Values:
        return tied


class NoneOfItToAnyTied(RowMaximum):
    def chosen(self, tied: Values) -> Values:
        return tied & (tied.sum(axis=1, keepdims=True) == 1)


class SharedBetweenTheTied(RowMaximum):
    def chosen(self, tied: Values) -> Values:
        return tied / tied.sum(axis=1, keepdims=True)


class DoubleFunction(torch.autograd.Function):
    """2x by hand, wrong for a batch of one."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        (cotangent,) = cotangents
        return cotangent * (2 if len(cotangent) > 1 else 3)


class HalfBias(Affine):
    """An affine layer whose bias gradient is wrong when W has a negative element."""

    def backward(self, cotangent: Values) -> Values:
        gradient = super().backward(cotangent)
        if (self.params["W"] < 0).any():
            self.grads["b"] = self.grads["b"] / 2
        return gradient


NEEDLES: dict[str, tuple[Any, dict[str, Any], Callable[[dict[str, Values]], bool]]] = {
    "x > 3 in the third column": (
        BeyondThreeInTheThirdColumn(),
        {"x": ("n", 3)},
        lambda a: a["x"].tolist() == [[0, 0, 4]],
    ),
    "a batch of one": (BatchOfOne(), {"x": ("n", 3)}, lambda a: a["x"].shape == (1, 3)),
    "all to each tied": (
        AllOfItToEachTied(),
        {"x": ("n", 3)},
        lambda a: a["x"].shape == (1, 3) and sorted(a["x"][0])[1:] == [a["x"].max()] * 2,
    ),
    "none to any tied": (NoneOfItToAnyTied(), {"x": ("n", 3)}, lambda a: a["x"].shape == (1, 3)),
    "from 17 rows on": (
        FromSeventeenRowsOn(),
        {"x": ("n", 3)},
        lambda a: a["x"].shape == (17, 3) and np.count_nonzero(a["x"]) == 1,
    ),
    "not a number at zero": (NotANumberAtZero(), {"x": ("n", 3)}, lambda a: a["x"].shape == (1, 3)),
    "raises from 17 rows on": (RaisesOnAWideBatch(), {"x": ("n", 3)}, lambda a: a["x"].shape == (17, 3)),
    "a parameter of a class": (
        HalfBias,
        {"x": ("n", 3), "W": (3, "m"), "b": ("m",)},
        lambda a: a["x"].shape == (1, 3) and a["W"].shape == (3, 1) and sorted(a["W"].ravel()) == [-1, 0, 0],
    ),
    "an autograd.Function": (DoubleFunction, {"x": ("n", 3)}, lambda a: a["x"].shape == (1, 3)),
}


def arrays_of(report: gk.Report) -> dict[str, Values]:
    assert report.exploration is not None
    return {
        name: np.array(held["values"], held["dtype"]).reshape(held["shape"])
        for name, held in report.exploration.inputs.items()
    }


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("needle", NEEDLES)
def test_a_search_finds_the_needle_and_makes_it_small(needle: str, seed: int) -> None:
    target, axes, as_small_as_can_be = NEEDLES[needle]
    report = gk.explore(target, max_examples=300, seed=seed, **axes)
    assert report.verdict is FAIL, report
    arrays = arrays_of(report)
    assert as_small_as_can_be(arrays), arrays
    assert all(digits_of(float(v)) <= 2 for array in arrays.values() for v in array.ravel())


@pytest.mark.parametrize("needle", ["x > 3 in the third column", "all to each tied", "a parameter of a class"])
def test_the_lines_to_paste_fail_again(needle: str) -> None:
    target, axes, _ = NEEDLES[needle]
    found = gk.explore(target, max_examples=300, **axes)
    assert found.exploration is not None
    lines = [line for line in found.exploration.lines if not line.startswith("target = ...  # your ")]
    with pytest.raises(gk.GradientCheckError) as failure:
        exec("\n".join(lines), {"target": target, getattr(target, "__name__", "target"): target})
    wrong = [f for f in found.findings if f.verdict is FAIL]
    again = [f for f in failure.value.report.findings if f.verdict is FAIL]
    assert [(f.question, f.input, f.message) for f in again] == [(f.question, f.input, f.message) for f in wrong]


def test_the_report_shows_the_input_and_holds_it_in_json() -> None:
    report = gk.explore(BatchOfOne(), x=("n", 3))
    text = str(report)
    assert text.startswith("FAIL  BatchOfOne: the backward pass is wrong (x)")
    assert "    target = ...  # your BatchOfOne\n    x = np.array([[0.0, 0.0, 1.0]])\n    gk.check(target, x)\n" in text
    assert len(text.splitlines()) <= 25
    held = json.loads(json.dumps(report.to_dict(), allow_nan=False))["exploration"]
    assert held["inputs"]["x"] == {"dtype": "float64", "shape": [1, 3], "values": [[0.0, 0.0, 1.0]]}
    assert held["lines"][-1] == "gk.check(target, x)"


# ---------------------------------------------------------------- right code is left alone

UNIT = (0.0, 1.0)


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


RIGHT: dict[str, tuple[Any, dict[str, Any]]] = {
    "Add": (Add, {"x": ("n", 3), "y": (3,)}),
    "Mul": (Mul(), {"x": ("n", "m"), "y": ("m",)}),
    "ReLU": (ReLU, {"x": ("n", 3)}),
    "Sigmoid": (Sigmoid(), {"x": ("n", 2)}),
    "Affine": (Affine, {"x": ("n", 3), "W": (3, "m"), "b": ("m",)}),
    "Affine from a factory": (lambda W, b: Affine(W, b=b), {"x": ("n", 3), "W": (3, "m"), "b": ("m",)}),
    "Affine with drawn parameters": (
        Affine(np.ones((3, 2)), np.zeros(2)),
        {"x": ("n", 3), "W": (3, "m"), "b": ("m",)},
    ),
    "SoftmaxWithLoss": (SoftmaxWithLoss(), {"logits": ("n", "m"), "labels": gk.axes("n", below="m")}),
    "SoftmaxWithLoss, sum": (
        SoftmaxWithLoss,
        {"logits": ("n", 4), "labels": gk.axes("n", below=4), "reduction": "sum"},
    ),
    "MSELoss": (MSELoss(), {"prediction": ("n", 2), "target": gk.axes("n", 2, fixed=True)}),
    "BCELoss": (
        BCELoss,
        {"probability": gk.axes("n", within=UNIT), "target": gk.axes("n", within=UNIT, fixed=True)},
    ),
    "MLP": (MLP([3, 4, 2], _rng()), {"x": ("n", 3)}),
    "XORNet": (XORNet(_rng(), hidden="relu"), {"x": ("n", 2)}),
    "a maximum, to the first of two tied": (RowMaximum(), {"x": ("n", 3)}),
    "a maximum, shared between the tied": (SharedBetweenTheTied(), {"x": ("n", 3)}),
    "clip": (
        lambda x: np.clip(x, -1, 1),
        {"x": ("n", 2), "vjp": lambda u, x: u * ((x >= -1) & (x <= 1))},
    ),
    "torch Linear from its class": (nn.Linear, {"input": ("n", 3), "in_features": 3, "out_features": 2}),
    "a torch network": (nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), {"input": ("n", 2)}),
    "torch max pooling": (lambda x: functional.max_pool1d(x, 2), {"x": ("n", 1, 4)}),
    "torch softmax": (lambda x: torch.softmax(x, -1), {"x": ("n", 3)}),
    "torch square root": (torch.sqrt, {"x": ("n",)}),
    "torch embedding": (lambda W, i: functional.embedding(i, W), {"W": (4, 2), "i": gk.axes("n", below=4)}),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_code_is_left_alone(name: str) -> None:
    target, axes = RIGHT[name]
    report = gk.explore(target, max_examples=60, seed=1, **axes)
    assert report.verdict is PASS, report
    counts = report.exploration
    assert counts is not None
    assert counts.passed + counts.undecided + counts.raised == counts.examples
    assert counts.passed >= counts.examples / 4
    assert counts.inputs == {}
    assert not any("right beside" in met for met in counts.obstacles)


def test_a_search_that_decides_nothing_is_inconclusive() -> None:
    nowhere = gk.explore(lambda x: x / 0 * 0, x=(2,), max_examples=20, vjp=lambda u, x: u)
    assert nowhere.verdict is INCONCLUSIVE
    assert nowhere.exploration is not None
    assert nowhere.exploration.passed == 0
    assert "no example decided the gradient of any input" in str(nowhere)


# ---------------------------------------------------------------- what is drawn


def test_all_lengths_dtypes_layouts_and_kinds_are_drawn() -> None:
    seen: set[Any] = set()

    class Watch(Affine):
        def __init__(self, W: Values, b: Values) -> None:
            seen.update({("m", len(b)), W.dtype.name, "C" if W.flags.c_contiguous else "not C"})
            super().__init__(W, b)

    gk.explore(Watch, x=("n", 3), W=(3, "m"), b=("m",), max_examples=200)
    assert {("m", n) for n in (0, 1, 2, 3, 5, 16, 17, 32)} <= seen
    assert {"float64", "float32", "C", "not C"} <= seen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (4, 3)])
def test_every_kind_of_values_has_the_shape_asked_for_and_is_finite(kind: str, shape: tuple[int, ...]) -> None:
    values = KINDS[kind](np.random.default_rng(0), shape)
    assert np.shape(values) == shape
    assert np.isfinite(values).all()


@pytest.mark.parametrize("within", [(0.0, 1.0), (2.0, np.inf), (-np.inf, -1.0)])
def test_values_stay_inside_their_interval_also_when_reduced(within: tuple[float, float]) -> None:
    low, high = within
    outside = []

    def forward(x: Values) -> Values:
        # A check itself moves x by up to a 32th.
        outside.extend(x[(x <= low - 0.1 * abs(low) - 0.2) | (x >= high + 0.1 * abs(high) + 0.2)])
        return x * x

    report = gk.explore(forward, x=gk.axes("n", within=within), vjp=lambda u, x: 3 * x * u)
    assert report.verdict is FAIL
    (x,) = arrays_of(report).values()
    assert ((x > low) & (x < high)).all()


def test_labels_stay_below_their_bound_when_rows_are_dropped() -> None:
    def forward(W: Values, i: Values) -> Values:
        return W[i]

    report = gk.explore(forward, W=("m", 2), i=gk.axes("n", below="m"), vjp=lambda u, W, i: (np.zeros_like(W), None))
    arrays = arrays_of(report)
    assert report.verdict is FAIL
    assert arrays["i"].tolist() == [0]
    assert arrays["W"].shape == (1, 2)


@pytest.mark.parametrize("value", [3.7, -123.456, 0.00871, 1e-6 / 3, 2.5, -0.5, 99.9, 1e9 / 7])
def test_plainer_numbers_are_plainer_and_keep_their_sign(value: float) -> None:
    candidates = plainer_numbers(value)
    assert all(np.sign(c) == np.sign(value) for c in candidates)
    assert all(digits_of(c) <= max(digits_of(value), 1) for c in candidates)
    assert any(digits_of(c) <= 2 and abs(c - value) <= 0.1 * abs(value) for c in [*candidates, value])


# ---------------------------------------------------------------- everything of the caller's stays


def test_the_same_seed_repeats_the_search() -> None:
    first, again = (gk.explore(AllOfItToEachTied(), x=("n", 3), seed=5) for _ in range(2))
    assert first.exploration == again.exploration
    assert first.findings == again.findings
    other = gk.explore(AllOfItToEachTied(), x=("n", 3), seed=6)
    assert other.exploration != first.exploration


def test_layer_constants_and_random_state_are_as_before() -> None:
    layer = Affine(np.ones((3, 2)), np.zeros(2))
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    constant = np.random.default_rng(3)
    before = constant.bit_generator.state, np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    gk.explore(layer, x=("n", 3), W=(3, "m"), b=("m",), max_examples=20)
    gk.explore(module, input=("n", 3), max_examples=10)
    gk.explore(lambda rng: MLP([3, 2], rng), x=("n", 3), rng=constant, max_examples=10)
    gk.explore(nn.Linear, input=("n", 3), in_features=3, out_features=2, max_examples=10)
    assert layer.params["W"].tolist() == np.ones((3, 2)).tolist()
    assert all(torch.equal(state[name], tensor) for name, tensor in module.state_dict().items())
    assert all(p.grad is None and p.dtype is torch.float32 for p in module.parameters())
    assert constant.bit_generator.state == before[0]
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2])


IN_AN_EMPTY_FOLDER = """
import os, numpy as np, hypothesis
import gradcheck_kit as gk

profile = hypothesis.settings.get_current_profile_name(), repr(hypothesis.settings())
report = gk.explore(lambda x: x * x, x=("n", 3), vjp=lambda u, x: 2 * x * u, max_examples=60)
assert report, report
assert not gk.explore(lambda x: x * x, x=("n", 3), vjp=lambda u, x: u, max_examples=60)
assert (hypothesis.settings.get_current_profile_name(), repr(hypothesis.settings())) == profile
print(os.listdir("."))
"""


def fresh_python(code: str, where: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        cwd=where,
    )


def test_nothing_is_written_to_the_working_directory_and_hypothesis_is_as_before(tmp_path: Path) -> None:
    done = fresh_python(IN_AN_EMPTY_FOLDER, tmp_path)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_without_hypothesis_the_error_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['hypothesis'] = None\nimport gradcheck_kit as gk\n"
    done = fresh_python(code + "gk.explore(lambda x: x, x=('n',), vjp=lambda u, x: u)", tmp_path)
    assert "UsageError: gk.explore needs Hypothesis; pip install 'gradcheck-kit[explore]'" in done.stderr


@hypothesis.settings(max_examples=2)
@hypothesis.given(st.booleans())
def test_inside_a_hypothesis_test_it_is_refused(drawn: bool) -> None:
    assert drawn in (False, True)
    with pytest.raises(gk.UsageError, match=r"draw the inputs in the test and call gk\.check"):
        gk.explore(Square(), x=("n", 3))


# ---------------------------------------------------------------- calls that cannot be made

BAD_CALLS: list[tuple[Callable[[], Any], str]] = [
    (lambda: gk.explore(Square()), r"no array to differentiate.*x=\('n', 3\)"),
    (lambda: gk.explore(Square(), x=("n", 3), max_examples=0), "max_examples=0; pass a positive integer"),
    (lambda: gk.explore(Square(), x=("n", 3), seed=-1), "seed=-1"),
    (lambda: gk.explore(Square(), x=("n", 3), vjp=3), "vjp is a int"),
    (lambda: gk.explore(Square(), x=("n", 3), y=(3,)), "'y' is no input of Square; its inputs are x"),
    (lambda: gk.explore(Add(), x=("n", 3)), "needs y as well"),
    (lambda: gk.explore(Affine, x=("n", 3), W=(3, "m")), "Affine is made with b as well"),
    (lambda: gk.explore(Affine, x=("n", 4), W=(3, "m"), b=("m",)), "do the axes fit"),
    (lambda: gk.explore(gk.layer(Square(), np.ones(3)), x=("n", 3)), "a Subject stands at one point"),
    (lambda: gk.axes("n", 2.5), "2.5 is no axis"),
    (lambda: gk.axes("n", -1), "-1 is no axis"),
    (lambda: gk.axes("n", below=0), "below=0; pass a positive integer"),
    (lambda: gk.axes("n", within=(1, 0)), "low < high"),
    (lambda: gk.axes("n", below=3, within=(0, 1)), "pass one of them"),
    (lambda: gk.explore(Square(), x=("n", 3), i=gk.axes("n", below="k")), "'k' is no axis of any array"),
    (lambda: gk.explore(Square(), x=gk.axes("n", fixed=True)), "no array to differentiate"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_a_call_that_cannot_be_made_says_what_to_type(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(gk.UsageError, match=message):
        call()


def test_a_backward_that_raises_at_most_shapes_is_a_failure_of_a_layer_with_parameters() -> None:
    class Untransposed:
        def __init__(self, W: Any) -> None:
            self.W = W

        def forward(self, x: Any) -> Any:
            self.x = x
            return x @ self.W

        def backward(self, cotangent: Any) -> Any:
            self.dW = self.x.T @ cotangent
            return cotangent @ self.W

    report = gk.explore(Untransposed, x=("n", 3), W=(3, "m"))
    assert report.verdict is gk.Verdict.FAIL
    assert "the backward raises ValueError" in str(report)


half = 0.5  # a global that functions below use


def test_the_lines_hold_a_function_and_its_vjp_whole_where_their_source_is_at_hand() -> None:
    report = gk.explore(lambda t: half * t**2, t=("n",), vjp=lambda u, t: half * t * u)
    assert report.exploration is not None
    with pytest.raises(gk.GradientCheckError, match=r"backward -?[0-9.]+, numerical derivative"):
        exec("\n".join(report.exploration.lines), {})


def test_no_array_takes_the_name_of_what_a_function_uses() -> None:
    report = gk.explore(lambda half: half**2, half=("n",), vjp=lambda u, t: half * t * u)
    assert report.exploration is not None
    assert "vjp = ...  # your <lambda>" in "\n".join(report.exploration.lines)

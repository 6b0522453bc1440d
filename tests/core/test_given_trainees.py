"""What a user hands to a training stays as it was, targets arrive whole, and errors say what to pass."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.training import train_parity
from gradcheck_kit.subject import UsageError
from gradcheck_kit.verdict import Verdict

Array = np.ndarray[Any, Any]
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(40, 3))
Y = np.sin(X[:, :2])  # all of it is 0 as an integer
START = {"W": GENERATOR.normal(size=(3, 2)), "b": np.zeros(2)}


class Linear:
    """Least squares by hand. `kept` keeps the loaded arrays, `in_place` works on the batch itself."""

    device = "cpu"

    def __init__(self, dtype: str = "float64", kept: bool = False, in_place: bool = False, factor: float = 1.0) -> None:
        self.name, self.dtype = "by hand", dtype
        self._kept, self._in_place, self._factor = kept, in_place, factor

    def load(self, parameters: Any) -> None:
        self.p = dict(parameters) if self._kept else {n: np.array(v, self.dtype) for n, v in parameters.items()}

    def parameters(self) -> Any:
        return self.p

    def loss_and_gradients(self, inputs: Array, labels: Array) -> float:
        if self._in_place:
            np.subtract(inputs @ self.p["W"] + self.p["b"], labels, out=labels)
            apart = labels
        else:
            inputs, labels = inputs.astype(self.dtype), labels.astype(self.dtype)
            apart = inputs @ self.p["W"] + self.p["b"] - labels
        cotangent = 2 * apart / apart.dtype.type(apart.size)
        self.g = {"W": inputs.T @ cotangent, "b": cotangent.sum(0) * apart.dtype.type(self._factor)}
        loss = float(np.square(apart).mean())
        if self._in_place:
            inputs *= 0
        return loss

    def step(self) -> None:
        for name, values in self.p.items():
            values -= values.dtype.type(0.1) * self.g[name]

    def gradients(self) -> Any:
        return self.g


def by_torch(dtype: torch.dtype = torch.float64) -> TorchTrainee:
    module = nn.Linear(3, 2, dtype=dtype)
    layout = {"W": ("weight", True), "b": ("bias", False)}
    return TorchTrainee("torch", module, torch.optim.SGD(module.parameters(), lr=0.1), nn.functional.mse_loss, layout)


def trained(reference: Any, candidate: Any, batch: Any = lambda i: (X[i], Y[i])) -> ParityReport:
    return train_parity(reference, candidate, Schedule(START, 40, 10, 3, 0), batch)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_regression_is_trained_on_its_targets_and_not_on_their_whole_parts(dtype: str) -> None:
    report = trained(by_torch(getattr(torch, dtype)), Linear(dtype))
    assert report.verdict is Verdict.PASS
    wrong = trained(by_torch(getattr(torch, dtype)), Linear(dtype, factor=0.5))
    assert wrong.verdict is not Verdict.PASS
    assert wrong.divergence is not None
    assert (wrong.divergence.stage, wrong.divergence.tensor) == ("gradients", "b")


@pytest.mark.parametrize("first", [True, False], ids=["reference", "candidate"])
def test_a_side_that_keeps_what_it_was_given_to_load_changes_no_start(first: bool) -> None:
    """The start would move with the training: the fingerprint, and how far the weights moved, would be of another."""
    before = {name: values.copy() for name, values in START.items()}
    sides = (Linear(kept=True), by_torch()) if first else (by_torch(), Linear(kept=True))
    report, usual = trained(*sides), trained(by_torch(), Linear())
    assert all(np.array_equal(before[name], START[name]) for name in START)
    assert report.schedule["fingerprint"] == usual.schedule["fingerprint"]
    assert report.verdict is Verdict.PASS


@pytest.mark.parametrize("first", [True, False], ids=["reference", "candidate"])
def test_a_side_that_works_on_the_batch_itself_changes_neither_the_data_nor_the_other_side(first: bool) -> None:
    x, y = X.copy(), Y.copy()
    sides = (Linear(in_place=True), by_torch()) if first else (by_torch(), Linear(in_place=True))

    def views(indices: Array) -> tuple[Array, Array]:
        return x[10:20], y[10:20]

    assert trained(*sides, batch=views).verdict is Verdict.PASS
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)


def test_a_side_that_works_on_the_test_examples_changes_neither_them_nor_the_other_sides_score() -> None:
    class Scored(Linear):
        def accuracy(self, inputs: Array, labels: Array) -> float:
            inputs += labels[:, :1]
            return float(inputs.sum())

    x, y = X.copy(), Y.copy()
    report = train_parity(Scored(), Scored(), Schedule(START, 40, 10, 2, 0), lambda i: (X[i], Y[i]), test=(x, y))
    assert np.array_equal(x, X)
    scores = [score for side in (report.reference, report.candidate) for score in side.test_accuracy]
    assert scores == scores[:1] * 4


class Unfinished:
    name, dtype = "unfinished", "float64"

    def load(self, parameters: Any) -> None: ...


@pytest.mark.parametrize(
    ("candidate", "told"),
    [
        pytest.param(Linear, "candidate is the class Linear; pass an instance, such as Linear(...)", id="class"),
        pytest.param(nn.Linear(3, 2), "pass gradcheck_kit.torch.TorchTrainee(name, module,", id="module"),
        pytest.param(Unfinished(), "lacks parameters, loss_and_gradients, step, device; a trainee", id="unfinished"),
    ],
)
def test_what_is_no_trainee_is_told_with_what_to_pass(candidate: Any, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        trained(by_torch(), candidate)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("batch", "told"),
    [((X, Y), "batch is a tuple"), (lambda i: X[i], "returned a ndarray"), (lambda i: (X, Y, i), "returned 3 values")],
    ids=["arrays", "one array", "three"],
)
def test_what_is_no_batch_function_is_told_with_what_to_pass(batch: Any, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        trained(by_torch(), Linear(), batch)
    assert told in str(caught.value)
    assert "lambda i: (x[i], y[i])" in str(caught.value)


def test_a_regression_has_no_share_of_right_answers() -> None:
    """Its targets are no classes: the accuracy is told as not known, and the run goes on."""
    reference = by_torch()
    assert np.isnan(reference.accuracy(X, Y))
    assert np.isfinite(reference.accuracy(X, np.zeros(len(X), np.int64)))
    report = train_parity(reference, Linear(), Schedule(START, 40, 10, 3, 0), lambda i: (X[i], Y[i]), test=(X, Y))
    assert report.verdict is Verdict.PASS

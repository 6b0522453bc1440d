"""Two training runs step by step: right pairs pass within the law, planted differences fail from their step on."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

import gradcheck_kit as gk
from gradcheck_kit.side_by_side.envelope import drift
from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.trainee import Trainee
from gradcheck_kit.side_by_side.training import ParityReport, Progress, train_parity
from gradcheck_kit.space import FORMATS
from gradcheck_kit.verdict import Verdict
from reference_impls.networks import MLP
from reference_impls.optimizers import SGD
from tests.refusals import expect_refusal

Values = npt.NDArray[Any]


SIZES = [6, 5, 3]
EXAMPLES = 200
BATCH = 20
RATE = 0.125
LAYOUT = {"0.W": ("0.weight", True), "0.b": ("0.bias", False), "1.W": ("2.weight", True), "1.b": ("2.bias", False)}

_g = np.random.default_rng(11)
LABELS = _g.integers(0, 3, EXAMPLES)
INPUTS = _g.normal(size=(EXAMPLES, 6)) + 1.5 * np.eye(3, 6)[LABELS]
START = {name: array.copy() for name, array in MLP(SIZES, np.random.default_rng(2)).params.items()}
STEPS_PER_EPOCH = EXAMPLES // BATCH


def plan(epochs: int = 3) -> Schedule:
    return Schedule(START, EXAMPLES, BATCH, epochs, seed=9)


def batch(dtype: str = "float64") -> Callable[[Any], tuple[Values, Values]]:
    inputs = INPUTS.astype(dtype)
    return lambda indices: (inputs[indices], LABELS[indices])


def torch_side(dtype: str = "float64", rate: float = RATE, reduction: str = "mean") -> TorchTrainee:
    """autograd's gradients."""
    kind = getattr(torch, dtype)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(6, 5, dtype=kind), nn.ReLU(), nn.Linear(5, 3, dtype=kind))
    loss = nn.CrossEntropyLoss(reduction=reduction)
    return TorchTrainee("torch", module, torch.optim.SGD(module.parameters(), lr=rate), loss, LAYOUT)


def numpy_side(dtype: str = "float64", rate: float = RATE) -> NumPyTrainee:
    network = MLP(SIZES, np.random.default_rng(0), dtype=dtype)
    return NumPyTrainee("NumPy", network, lambda params: SGD(params, rate))


class Planted:
    """A trainee with one difference: what its hooks change."""

    def __init__(self, inner: NumPyTrainee) -> None:
        self.inner = inner
        self.name, self.dtype, self.device = inner.name, inner.dtype, inner.device
        self.steps = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def loss_and_gradients(self, inputs: Values, labels: Values) -> float:
        self.steps += 1
        loss = self.inner.loss_and_gradients(inputs, self.labels(labels))
        self.spoil(self.inner._network.grads)
        return self.loss(loss)

    def labels(self, labels: Values) -> Values:
        return labels

    def loss(self, loss: float) -> float:
        return loss

    def spoil(self, grads: dict[str, Values]) -> None:
        """Nothing, by default."""


class ColumnOff(Planted):
    def spoil(self, grads: dict[str, Values]) -> None:
        grads["1.W"][:, 1] *= 1.001


class BiasStuck(Planted):
    def spoil(self, grads: dict[str, Values]) -> None:
        grads["0.b"][...] = 0


WRONG_STEP = 13


class OneLabelWrong(Planted):
    def labels(self, labels: Values) -> Values:
        labels = labels.copy()
        if self.steps == WRONG_STEP:
            labels[0] = (labels[0] + 1) % 3
        return labels


class GradientOffOnce(Planted):
    """From one step on only, in one tensor only."""

    def spoil(self, grads: dict[str, Values]) -> None:
        if self.steps == WRONG_STEP:
            grads["0.W"][2, 3] += 1e-6


class LossNaN(Planted):
    def loss(self, loss: float) -> float:
        return math.nan if self.steps == WRONG_STEP else loss


class LossOff(Planted):
    def loss(self, loss: float) -> float:
        return loss * (1 + 1e-9)


class WeightsNaN(Planted):
    def spoil(self, grads: dict[str, Values]) -> None:
        if self.steps == WRONG_STEP:
            grads["1.b"][0] = math.nan


def train(
    candidate: Trainee,
    reference: Trainee | None = None,
    dtype: str = "float64",
    epochs: int = 3,
    replay: bool | None = None,
) -> ParityReport:
    test = (INPUTS[:50].astype(dtype), LABELS[:50])
    other = reference or torch_side(dtype)
    return train_parity(other, candidate, plan(epochs), batch(dtype), test=test, name="blobs", replay=replay)


def test_the_same_training_in_numpy_and_torch_passes_within_the_law() -> None:
    report = train(numpy_side())
    assert report.verdict is Verdict.PASS
    assert report.divergence is None
    assert 0 < report.worst_of_law < 1
    assert report.max_distance <= drift(FORMATS["float64"].unit_roundoff, plan().steps)
    assert report.loss_fell
    assert report.loss_left < 0.9
    assert report.losses.shape == (plan().steps, 2)
    assert set(report.max_difference) == set(START)
    for side in (report.reference, report.candidate):
        assert len(side.train_loss) == len(side.test_accuracy) == 3
        assert side.test_accuracy[-1] > 0.6
    assert report.reference.test_accuracy == report.candidate.test_accuracy


def test_a_training_run_beside_itself_is_bit_identical() -> None:
    report = train(numpy_side(), numpy_side())
    assert report.max_distance == report.max_loss_difference == 0.0
    assert report.verdict is Verdict.PASS


def test_the_order_of_the_sides_is_no_matter_to_the_verdict() -> None:
    assert train(torch_side(), numpy_side()).verdict is Verdict.PASS


# What is planted; the step at which it must be seen (or the next), and the tensors it may be seen in.
DIFFERENCES: dict[str, tuple[Callable[[], Trainee], Callable[[], Trainee], int, set[str]]] = {
    "another learning rate": (lambda: numpy_side(rate=RATE * (1 + 1e-6)), torch_side, 1, {*START}),
    "one column of a gradient": (lambda: ColumnOff(numpy_side()), torch_side, 1, {"1.W"}),
    "a bias that is not updated": (lambda: BiasStuck(numpy_side()), torch_side, 1, {"0.b"}),
    "one wrong label": (lambda: OneLabelWrong(numpy_side()), torch_side, WRONG_STEP, {"loss"}),
    "one element of one gradient once": (lambda: GradientOffOnce(numpy_side()), torch_side, WRONG_STEP, {"0.W"}),
    "a loss that is NaN once": (lambda: LossNaN(numpy_side()), torch_side, WRONG_STEP, {"loss"}),
    "a loss a little off": (lambda: LossOff(numpy_side()), torch_side, 1, {"loss"}),
    "a weight that is NaN": (lambda: WeightsNaN(numpy_side()), torch_side, WRONG_STEP, {"1.b"}),
    "mean for sum": (numpy_side, lambda: torch_side(reduction="sum", rate=RATE / BATCH), 1, {"loss"}),
    "mean for sum at the same rate": (numpy_side, lambda: torch_side(reduction="sum"), 1, {"loss"}),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_planted_difference_fails_from_its_step_on(name: str) -> None:
    candidate, reference, step, _ = DIFFERENCES[name]
    report = train(candidate(), reference())
    assert report.verdict is Verdict.FAIL
    assert report.divergence is not None
    assert step <= report.divergence.step <= step + 1
    assert not report.divergence.apart <= report.divergence.allowed


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_planted_difference_is_seen_in_its_tensor(name: str) -> None:
    candidate, reference, _, tensors = DIFFERENCES[name]
    divergence = train(candidate(), reference()).divergence
    assert divergence is not None
    assert divergence.what in tensors


def test_a_difference_within_rounding_is_none() -> None:
    class LastPlace(Planted):
        def spoil(self, grads: dict[str, Values]) -> None:
            for gradient in grads.values():
                gradient *= 1 + 2.0**-52

    assert train(LastPlace(numpy_side())).verdict is Verdict.PASS


def test_in_float32_another_training_fails_where_the_branches_were_replayed_or_a_step_proves_it() -> None:
    assert train(numpy_side("float32"), dtype="float32").verdict is Verdict.PASS
    for replay in (None, False):
        report = train(ColumnOff(numpy_side("float32")), dtype="float32", replay=replay)
        assert report.verdict is Verdict.FAIL
        assert report.divergence is not None
        assert (report.divergence.step, report.divergence.tensor) == (1, "1.W")
        assert report.divergence.proven
        unproven = replace(report, divergence=replace(report.divergence, proven=False))
        assert unproven.verdict is (Verdict.INCONCLUSIVE if replay is False else Verdict.FAIL)


class Uphill(Planted):
    def spoil(self, grads: dict[str, Values]) -> None:
        for gradient in grads.values():
            gradient *= -1


def test_a_run_whose_loss_does_not_fall_is_inconclusive() -> None:
    report = train(Uphill(numpy_side()), Uphill(numpy_side()))
    assert report.divergence is None
    assert not report.loss_fell
    assert report.verdict is Verdict.INCONCLUSIVE


def test_a_run_that_learns_nothing_at_all_is_inconclusive() -> None:
    report = train(numpy_side(rate=0.0), torch_side(rate=0.0))
    assert report.divergence is None
    assert report.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("first", "last", "fell"),
    [
        (-98.8, -98.8, False),
        (-1.0, -1.2, True),
        (-1.2, -1.0, False),
        (0.5, -0.5, True),
        (2.0, 1.95, False),
        (2.0, 1.8, True),
    ],
)
def test_a_loss_has_fallen_by_its_size_whatever_its_sign(first: float, last: float, fell: bool) -> None:
    report = replace(train(numpy_side(), epochs=1), losses=np.array([[first] * 2] * 5 + [[last] * 2] * 5))
    assert report.loss_fell is fell
    assert report.verdict is (Verdict.PASS if fell else Verdict.INCONCLUSIVE)


def test_every_step_is_told_as_it_happens() -> None:
    seen: list[Progress] = []
    report = train_parity(
        torch_side(), numpy_side(), plan(2), batch(), test=(INPUTS, LABELS), name="blobs", progress=seen.append
    )
    assert [p.step for p in seen] == list(range(1, 2 * STEPS_PER_EPOCH + 1))
    assert [p.epoch for p in seen] == [0] * STEPS_PER_EPOCH + [1] * STEPS_PER_EPOCH
    assert [(p.reference_loss, p.candidate_loss) for p in seen] == [tuple(pair) for pair in report.losses]


@pytest.mark.parametrize("name", [None, *DIFFERENCES])
def test_a_parity_report_is_plain_values(name: str | None) -> None:
    candidate, reference = DIFFERENCES[name][:2] if name else (numpy_side, torch_side)
    told = train(candidate(), reference(), epochs=2).to_dict()
    assert json.loads(json.dumps(told))["verdict"] == ("FAIL" if name else "PASS")
    if name is None:
        json.dumps(told, allow_nan=False)


@pytest.mark.parametrize("name", ["a loss that is NaN once", "a weight that is NaN"])
def test_a_parity_report_with_nan_is_strict_json(name: str) -> None:
    candidate, reference = DIFFERENCES[name][:2]
    json.dumps(train(candidate(), reference(), epochs=2).to_dict(), allow_nan=False)


def test_a_weight_that_is_nan_shows_in_the_largest_distance() -> None:
    report = train(WeightsNaN(numpy_side()))
    assert not report.max_distance < 1
    assert not report.worst_of_law < 1


def test_two_dtypes_are_a_usage_error() -> None:
    with pytest.raises(gk.UsageError, match="torch is float32, NumPy is float64"):
        train(numpy_side(), torch_side("float32"))


def _without(name: str) -> Schedule:
    return replace(plan(), parameters={n: a for n, a in START.items() if n != name})


MISFITS: dict[str, tuple[Schedule, list[str]]] = {
    "one missing": (_without("1.b"), ["1.b", "the schedule has"]),
    "one too many": (replace(plan(), parameters={**START, "2.W": np.ones(3)}), ["2.W"]),
    "another shape": (replace(plan(), parameters={**START, "0.b": np.ones(4)}), ["0.b", "(5,)", "(4,)"]),
    "a shape that would broadcast": (replace(plan(), parameters={**START, "0.b": np.ones(1)}), ["0.b", "(5,)", "(1,)"]),
}


@pytest.mark.parametrize("name", MISFITS)
@pytest.mark.parametrize("side", ["NumPy", "torch"])
def test_parameters_that_do_not_fit_the_schedule_are_a_usage_error(name: str, side: str) -> None:
    given, words = MISFITS[name]
    trainee: Trainee = numpy_side() if side == "NumPy" else torch_side()
    expect_refusal(lambda: trainee.load(given.parameters), gk.UsageError, [side, *words])


def test_loading_copies_so_that_the_schedule_stays_as_it_was() -> None:
    given = plan()
    before = {n: a.copy() for n, a in given.parameters.items()}
    train(numpy_side(), numpy_side())
    assert all(np.array_equal(given.parameters[n], before[n]) for n in before)

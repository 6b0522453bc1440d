"""Trainees that look up rows, end in NaN, offer odd names or are made wrongly: a finding or a clear error each."""

import copy
import json
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gradcheck_kit as gk
from gradcheck_kit.render.html_parity import page
from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.training import TrainingRun, train_parity
from gradcheck_kit.verdict import Verdict
from reference_impls.networks import MLP
from reference_impls.optimizers import SGD

Array = np.ndarray[Any, Any]
ROWS, EXAMPLES = 12, 40
GENERATOR = np.random.default_rng(0)
IDS = GENERATOR.integers(0, ROWS, (EXAMPLES, 3))
LABELS = (IDS.max(1) > ROWS // 2).astype(np.int64)
START = {"W": GENERATOR.normal(size=(ROWS, 2))}
SCHEDULE = Schedule(START, EXAMPLES, 10, 3, 0)


def batch(indices: Any) -> tuple[Array, Array]:
    return IDS[indices], LABELS[indices]


class LookUp:
    """Softmax regression on the sum of looked-up rows, by hand; `factor` spoils its gradient, `at_loss` its loss."""

    device = "cpu"

    def __init__(self, dtype: Any = "float32", factor: float = 1.0, at_loss: float = 0.0) -> None:
        self.name, self.dtype = "by hand", dtype
        self._factor, self._at_loss = factor, at_loss

    def load(self, parameters: Any) -> None:
        self.W = np.array(parameters["W"], self.dtype)

    def parameters(self) -> Any:
        return {"W": self.W}

    def loss_and_gradients(self, ids: Array, labels: Array) -> float:
        logits = self.W[ids].sum(1)
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        rows = np.arange(len(labels))
        loss = -np.log(p[rows, labels]).mean()
        p[rows, labels] -= 1
        self.g = np.zeros_like(self.W)
        for column in ids.T:
            np.add.at(self.g, column, p * self.W.dtype.type(self._factor / len(labels)))
        return float(loss) + self._at_loss

    def step(self) -> None:
        self.W = self.W - self.W.dtype.type(0.3) * self.g

    def gradients(self) -> Any:
        return {"W": self.g}

    def set_gradients(self, gradients: Any) -> None:
        self.g = np.array(gradients["W"], self.W.dtype)

    def state(self) -> Any:
        return {}

    def load_state(self, parameters: Any, state: Any) -> None:
        self.load(parameters)

    def widened(self) -> "LookUp":
        wide = copy.deepcopy(self)
        wide.dtype = "float64"
        return wide


def trained(reference: Any, candidate: Any, **options: Any) -> ParityReport:
    return train_parity(reference, candidate, SCHEDULE, batch, **options)


# ---------------------------------------------------------------- looked-up rows in few digits


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_a_right_look_up_passes_and_a_wrong_one_does_not(precision: str) -> None:
    """A position that was moved by a rounding would be another row, and then every gradient fits."""
    assert trained(LookUp(), LookUp(), precision=precision).verdict is Verdict.PASS
    for factor in (0.0, 0.5, 1.5, -1.0):
        report = trained(LookUp(), LookUp(factor=factor), precision=precision)
        assert report.verdict is not Verdict.PASS, factor
        assert report.divergence is not None
        assert (report.divergence.step, report.divergence.stage) == (1, "gradients")


class Scaled(torch.autograd.Function):
    """The identity with a gradient that is `factor` times what it should be."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, factor: float) -> torch.Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> Any:
        return cotangents[0] * ctx.factor, None


class Embedded(nn.Module):
    """Takes positions of whatever dtype."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.rows, self.last, self._factor = nn.Embedding(ROWS, 8), nn.Linear(8, 2), factor

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(torch.tanh(Scaled.apply(self.rows(ids.long()), self._factor)).mean(1))
        return out


def embedded(factor: float) -> ParityReport:
    torch.manual_seed(0)
    modules = [Embedded(1.0), Embedded(factor)]
    start = {name: p.detach().double().numpy() for name, p in modules[0].named_parameters()}
    sides = [
        TorchTrainee(
            name, module, torch.optim.SGD(module.parameters(), lr=0.3), nn.functional.cross_entropy, autocast=to
        )
        for name, module, to in zip(("torch", "autocast"), modules, (None, torch.bfloat16), strict=True)
    ]
    return train_parity(sides[0], sides[1], Schedule(start, EXAMPLES, 10, 3, 0), batch, precision="bfloat16")


def test_an_embedding_under_autocast_is_judged_by_the_rows_that_it_reads() -> None:
    assert embedded(1.0).verdict is Verdict.PASS
    for factor in (0.0, 0.5, 1.5, -1.0):
        assert embedded(factor).verdict is not Verdict.PASS, factor


# ---------------------------------------------------------------- runs that end in NaN


@pytest.mark.parametrize(
    "sides", [(np.nan, np.nan), (np.inf, np.inf), (np.nan, 0.0), (0.0, np.nan), (np.inf, 0.0), (0.0, np.inf)]
)
def test_a_loss_that_is_not_finite_is_reported_in_every_form(sides: tuple[float, float]) -> None:
    report = trained(LookUp("float64", at_loss=sides[0]), LookUp("float64", at_loss=sides[1]), shadows=0)
    assert report.verdict is Verdict.FAIL
    assert "where  loss" in str(report)
    for told in (str(report), page(report)):
        assert "not finite" in told or "not-finite" in told
    assert json.loads(json.dumps(report.to_dict()))["divergence"]["stage"] == "loss"


class OnceInfinite(LookUp):
    """Whose loss alone, and no gradient, is infinite in the sixth step."""

    steps = 0

    def loss_and_gradients(self, ids: Array, labels: Array) -> float:
        self.steps += 1
        found = super().loss_and_gradients(ids, labels)
        return np.inf if self.steps == 6 else found


@pytest.mark.parametrize("turned", [False, True])
def test_one_infinite_loss_of_one_side_parts_the_two_at_that_step(turned: bool) -> None:
    sides = LookUp("float64"), OnceInfinite("float64")
    report = trained(*(reversed(sides) if turned else sides), shadows=0)
    assert report.divergence is not None
    assert (report.divergence.step, report.divergence.what) == (6, "loss")
    assert report.verdict is Verdict.FAIL


# ---------------------------------------------------------------- odd offers


class WithAnother(LookUp):
    """Tells a gradient of something that is no parameter."""

    def gradients(self) -> Any:
        return {"W": self.g, "unused": self.g}


class WithNone(LookUp):
    """Tells no gradient at all."""

    def gradients(self) -> Any:
        return {}


@pytest.mark.parametrize("precision", [None, "bfloat16"])
@pytest.mark.parametrize("other", [WithAnother, WithNone])
def test_gradients_of_other_names_than_the_parameters_are_not_used(other: Any, precision: str | None) -> None:
    for sides in ((LookUp(), other()), (other(), LookUp())):
        report = trained(*sides, precision=precision, shadows=0)
        assert report.divergence is None
        assert report.verdict is Verdict.PASS  # equal bits


def test_a_dtype_by_another_name_is_a_usage_error_that_lists_the_names() -> None:
    for dtype in ("torch.float32", "float8_e4m3fn"):
        side = LookUp()
        side.dtype = dtype
        with pytest.raises(gk.UsageError, match=f"by hand's dtype is '{dtype}'; let it be one of 'float64', "):
            trained(side, LookUp())


@pytest.mark.parametrize("shadows", [-1, True, 1.5])
def test_a_number_of_shadows_that_cannot_be_is_a_usage_error(shadows: Any) -> None:
    with pytest.raises(
        gk.UsageError, match=r"shadows=.*; pass a non-negative integer, such as shadows=0, or leave it out"
    ):
        trained(LookUp(), LookUp(), shadows=shadows)


def test_a_snapshot_is_refused_by_a_run_with_other_shadows_or_in_other_digits() -> None:
    def run(**options: Any) -> TrainingRun:
        return TrainingRun(LookUp(), LookUp(), SCHEDULE, batch, **options)

    first = run(shadows=0)
    first.epoch()
    taken = first.snapshot()
    run(shadows=0).restore(taken)
    with pytest.raises(gk.UsageError, match="a run with 0 shadows, this one has 1; pass shadows=0"):
        run().restore(taken)
    with pytest.raises(gk.UsageError, match="in float32, this one is in float32, products in bfloat16"):
        run(precision="bfloat16").restore(taken)


class Scheduled(SGD):
    """Its learning rate falls with every step, after it was used; `off` spoils that of the fifth step."""

    def __init__(self, params: Any, off: float) -> None:
        super().__init__(params, lr=0.3)
        self.off, self.made = off, 0

    def step(self, grads: Any) -> None:
        self.made += 1
        due, self.lr = self.lr, self.lr * (1 + self.off * (self.made == 5))
        super().step(grads)
        self.lr = 0.9 * due


@pytest.mark.parametrize("off", [0.0, 1e-6])
def test_a_numpy_optimiser_that_changes_its_learning_rate_after_a_step_is_asked_with_that_of_the_step(
    off: float,
) -> None:
    inputs = GENERATOR.normal(size=(EXAMPLES, 3))
    networks = [MLP([3, 5, 2], np.random.default_rng(0)) for _ in range(2)]
    start = {name: p.copy() for name, p in networks[0].params.items()}
    sides = [
        NumPyTrainee(f"off by {spoilt}", network, partial(Scheduled, off=spoilt))
        for network, spoilt in zip(networks, (0.0, off), strict=True)
    ]
    report = train_parity(*sides, Schedule(start, EXAMPLES, 10, 3, 0), lambda i: (inputs[i], LABELS[i]))
    if not off:
        assert report.divergence is None
        return
    assert report.divergence is not None
    found = report.divergence
    assert (found.step, found.stage, found.cause) == (5, "update", "learning-rate")
    assert "is 1.000001 × the reference's" in found.evidence


class Computes:
    """A gradient step in slots whose learning rate is a property."""

    __slots__ = ("made", "params")

    def __init__(self, params: Any) -> None:
        self.params, self.made = params, 0

    @property
    def lr(self) -> float:
        return 0.3 * 0.9**self.made

    def step(self, grads: Any) -> None:
        for name, p in self.params.items():
            p -= self.lr * grads[name]
        self.made += 1


def test_an_optimiser_in_slots_whose_rate_is_computed_is_stepped_and_stepped_again() -> None:
    inputs = GENERATOR.normal(size=(EXAMPLES, 3))
    networks = [MLP([3, 5, 2], np.random.default_rng(0)) for _ in range(2)]
    start = {name: p.copy() for name, p in networks[0].params.items()}
    sides = [NumPyTrainee(f"side {i}", network, Computes) for i, network in enumerate(networks)]
    report = train_parity(*sides, Schedule(start, EXAMPLES, 10, 3, 0), lambda i: (inputs[i], LABELS[i]))
    assert report.divergence is None
    sides[0].step_again()

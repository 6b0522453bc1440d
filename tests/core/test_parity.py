"""Two pullbacks beside each other, and two training runs beside each other."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.side_by_side.envelope import drift, loss_drift
from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.subjects import parity
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.trainee import Trainee, distance
from gradcheck_kit.side_by_side.training import ParityReport, Progress, train_parity
from gradcheck_kit.space import FORMATS
from gradcheck_kit.verdict import Verdict
from reference_impls.networks import MLP
from reference_impls.optimizers import SGD

Values = npt.NDArray[Any]

# ---------------------------------------------------------------- one pullback


def _softplus(x: Values, w: Values) -> Values:
    return np.asarray(np.logaddexp(0, x @ w))


def _softplus_vjp(u: Values, x: Values, w: Values) -> tuple[Values, Values]:
    inner = u / (1 + np.exp(-(x @ w)))
    return inner @ w.T, x.T @ inner


FORMULAS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Tensor]]] = {
    "product": (lambda x, w: x @ w, lambda u, x, w: (u @ w.T, x.T @ u), lambda x, w: x @ w),
    "softplus": (_softplus, _softplus_vjp, lambda x, w: nn.functional.softplus(x @ w, threshold=1e9)),
    "tanh": (
        lambda x, w: np.tanh(x @ w),
        lambda u, x, w: ((u / np.cosh(x @ w) ** 2) @ w.T, x.T @ (u / np.cosh(x @ w) ** 2)),
        lambda x, w: torch.tanh(x @ w),
    ),
}
DTYPES = ["float32", "float64"]


def drawn(seed: int, dtype: str) -> tuple[Values, Values]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(4, 3)).astype(dtype), generator.normal(size=(3, 5)).astype(dtype)


def sides(
    name: str, seed: int = 0, dtype: str = "float64", spoil: Callable[[Any, Any], Any] = lambda dx, dw: (dx, dw)
) -> tuple[gk.Subject, gk.Subject]:
    """The torch callable, and the NumPy function whose gradients `spoil` changes."""
    forward, vjp, twin = FORMULAS[name]
    x, w = drawn(seed, dtype)
    reference = gk.module(twin, torch.tensor(x), torch.tensor(w), names=["x", "w"], name="twin")
    candidate = gk.function(forward, x, w, vjp=lambda u, x, w: spoil(*vjp(u, x, w)), names=["x", "w"], name="candidate")
    return reference, candidate


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(8))
def test_the_same_function_in_numpy_and_torch_agrees(name: str, dtype: str, seed: int) -> None:
    reference, candidate = sides(name, seed, dtype)
    report = parity(reference, candidate, seed=seed)
    assert report.verdict is Verdict.PASS, report
    assert [f.input for f in report.findings] == ["x", "w"]
    assert report.dtype == dtype
    assert "candidate beside twin" in str(report)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_subject_agrees_with_itself_and_the_sides_can_be_exchanged(name: str, dtype: str) -> None:
    reference, candidate = sides(name, 0, dtype)
    for one, other in ((candidate, candidate), (reference, reference), (candidate, reference)):
        assert parity(one, other)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize(("dtype", "factor"), [("float64", 1 + 1e-10), ("float32", 1 + 1e-3), ("float64", -1.0)])
@pytest.mark.parametrize("seed", range(3))
def test_a_factor_fails_and_names_input_and_element(name: str, dtype: str, factor: float, seed: int) -> None:
    report = parity(*sides(name, seed, dtype, lambda dx, dw: (dx, dw * dw.dtype.type(factor))))
    assert report.verdict is Verdict.FAIL
    (finding,) = [f for f in report.findings if f.verdict is Verdict.FAIL]
    assert finding.input == "w"
    assert finding.index is not None
    assert len(finding.index) == 2
    assert f"w[{finding.index[0]}, {finding.index[1]}]" in finding.message


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("seed", range(3))
def test_a_factor_within_rounding_is_never_a_failure(name: str, seed: int) -> None:
    """One unit in the last place is what two orders of summation may differ by."""
    report = parity(*sides(name, seed, spoil=lambda dx, dw: (dx, dw * (1 + 2.0**-52))))
    assert report.verdict is Verdict.PASS, report


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("index", [(0, 0), (2, 4), (1, 3)])
def test_one_wrong_element_is_the_one_named(name: str, index: tuple[int, int]) -> None:
    def spoil(dx: Values, dw: Values) -> tuple[Values, Values]:
        dw = dw.copy()
        dw[index] *= 1.001
        return dx, dw

    report = parity(*sides(name, spoil=spoil))
    assert report.verdict is Verdict.FAIL
    assert [(f.input, f.index) for f in report.findings if f.verdict is Verdict.FAIL] == [("w", index)]


def _with_nan(dx: Any, dw: Any) -> Any:
    dw = +dw
    dw[1, 2] = math.nan
    return dx, dw


def _one_sided() -> list[gk.Report]:
    reference, candidate = sides("product", spoil=_with_nan)
    _, right = sides("product")
    return [parity(reference, candidate), parity(candidate, right)]


def test_nan_on_one_side_is_no_pass_whichever_it_is() -> None:
    assert all(report.verdict is not Verdict.PASS for report in _one_sided())


def test_nan_on_one_side_fails_and_names_its_element_whichever_it_is() -> None:
    for report in _one_sided():
        assert report.verdict is Verdict.FAIL
        assert [(f.input, f.index) for f in report.findings if f.verdict is Verdict.FAIL] == [("w", (1, 2))]


def test_nan_on_both_sides_is_no_pass() -> None:
    _, candidate = sides("product", spoil=_with_nan)
    assert parity(candidate, candidate).verdict is not Verdict.PASS


def test_a_wrong_element_is_found_beside_nan_on_both_sides() -> None:
    def worse(dx: Any, dw: Any) -> Any:
        return _with_nan(2 * dx, dw)

    _, one = sides("product", spoil=_with_nan)
    _, other = sides("product", spoil=worse)
    report = parity(one, other)
    assert report.verdict is Verdict.FAIL
    assert "x" in [f.input for f in report.findings if f.verdict is Verdict.FAIL]


def test_a_missing_gradient_is_the_zero_that_it_claims() -> None:
    assert parity(*sides("product", spoil=lambda dx, dw: (None, dw))).verdict is Verdict.FAIL
    _, zero = sides("product", spoil=lambda dx, dw: (0 * dx, dw))
    _, none = sides("product", spoil=lambda dx, dw: (None, dw))
    assert parity(zero, none).verdict is Verdict.PASS


def test_a_cotangent_clamped_to_one_fails() -> None:
    reference, candidate = sides("product")
    clamped = replace(
        candidate, pullback=lambda p, u: candidate.pullback(p, {n: np.clip(a, -1, 1) for n, a in u.items()})
    )
    assert parity(reference, clamped).verdict is Verdict.FAIL


def test_another_output_is_told_before_any_gradient() -> None:
    reference, candidate = sides("product")
    shifted = replace(candidate, forward=lambda p: {n: y + 1e-9 for n, y in candidate.forward(p).items()})
    report = parity(reference, shifted)
    assert report.verdict is Verdict.FAIL
    assert "the output differs at output[" in report.findings[0].message
    turned = replace(candidate, forward=lambda p: {n: y[:2] for n, y in candidate.forward(p).items()})
    report = parity(reference, turned)
    assert report.verdict is Verdict.FAIL
    assert report.findings[0].cause == "wrong-shape"
    assert "(2, 5)" in report.findings[0].message


def _elsewhere(seed: int = 0, names: tuple[str, str] = ("x", "w")) -> gk.Subject:
    x, w = drawn(seed, "float64")
    return gk.function(lambda x, w: x @ w, x, w, vjp=lambda u, x, w: (u @ w.T, x.T @ u), names=names)


@pytest.mark.parametrize(
    ("reference", "candidate", "words"),
    [
        (_elsewhere(1), _elsewhere(0), ["x has different values", "same arrays"]),
        (_elsewhere(0, ("a", "b")), _elsewhere(0), ["no input x", "a, b", "names="]),
        (np.sin, _elsewhere(0), ["reference is a ufunc", "gk.function"]),
        (_elsewhere(0), 3, ["candidate is a int", "gk.layer"]),
    ],
)
def test_subjects_that_cannot_be_compared_are_told_apart(reference: Any, candidate: Any, words: list[str]) -> None:
    with pytest.raises(gk.UsageError) as caught:
        parity(reference, candidate)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_a_bad_seed_is_a_usage_error(seed: Any) -> None:
    with pytest.raises(gk.UsageError, match="seed"):
        parity(*sides("product"), seed=seed)


def test_parity_is_repeated_exactly_by_its_seed() -> None:
    one, other = (parity(*sides("tanh"), seed=5) for _ in range(2))
    assert one.findings == other.findings
    assert one.findings != parity(*sides("tanh"), seed=6).findings


# ---------------------------------------------------------------- the schedule


def schedule(**changes: Any) -> Schedule:
    given: dict[str, Any] = {
        "parameters": {"W": np.arange(6.0).reshape(2, 3), "b": np.zeros(3)},
        "examples": 23,
        "batch_size": 5,
        "epochs": 3,
        "seed": 4,
    }
    return Schedule(**{**given, **changes})


@pytest.mark.parametrize(("examples", "batch_size"), [(23, 5), (20, 5), (4, 9), (1, 1), (7, 1)])
def test_every_epoch_has_every_example_once_and_keeps_the_last_batch(examples: int, batch_size: int) -> None:
    given = schedule(examples=examples, batch_size=batch_size)
    for number in range(given.epochs):
        batches = list(given.epoch(number))
        assert sorted(np.concatenate(batches)) == list(range(examples))
        assert [len(b) for b in batches[:-1]] == [batch_size] * (len(batches) - 1)
        assert len(batches) == given.steps_per_epoch
        assert len(batches[-1]) == (examples % batch_size or batch_size)
    assert given.steps == given.epochs * given.steps_per_epoch


def test_epochs_have_different_orders_and_each_repeats() -> None:
    orders = [tuple(np.concatenate(list(schedule().epoch(n)))) for n in range(3)]
    assert len(set(orders)) == 3
    assert orders == [tuple(np.concatenate(list(schedule().epoch(n)))) for n in range(3)]


def test_the_same_schedule_has_the_same_fingerprint() -> None:
    assert schedule().fingerprint == schedule().fingerprint
    parameters = dict(reversed(schedule().parameters.items()))
    assert schedule(parameters=parameters).fingerprint == schedule().fingerprint  # the order of names is no matter


W0 = schedule().parameters["W"]
B0 = schedule().parameters["b"]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 5},
        {"examples": 22},
        {"batch_size": 6},
        {"epochs": 4},
        {"parameters": {"W": W0 + np.spacing(W0), "b": B0}},
        {"parameters": {"W": W0.T, "b": B0}},
        {"parameters": {"W": W0, "c": B0}},
        {"parameters": {"W": W0}},
        {"parameters": {"W": W0, "b": -B0}},
    ],
)
def test_any_change_of_the_schedule_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert schedule(**change).fingerprint != schedule().fingerprint


def test_a_schedule_tells_of_itself_in_plain_values() -> None:
    told = schedule().to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["fingerprint"] == schedule().fingerprint


@pytest.mark.parametrize("change", [{"examples": 0}, {"batch_size": -1}, {"epochs": 0}])
def test_an_empty_schedule_is_a_usage_error(change: dict[str, int]) -> None:
    with pytest.raises(gk.UsageError, match=next(iter(change))):
        schedule(**change)


# ---------------------------------------------------------------- training runs

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


def test_in_float32_the_same_training_passes_and_another_fails_where_the_branches_were_replayed() -> None:
    assert train(numpy_side("float32"), dtype="float32").verdict is Verdict.PASS
    for replay, verdict in ((None, Verdict.FAIL), (False, Verdict.INCONCLUSIVE)):
        report = train(ColumnOff(numpy_side("float32")), dtype="float32", replay=replay)
        assert report.divergence is not None
        assert report.verdict is verdict


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
    with pytest.raises(gk.UsageError) as caught:
        trainee.load(given.parameters)
    for word in [side, *words]:
        assert word in str(caught.value)


def test_loading_copies_so_that_the_schedule_stays_as_it_was() -> None:
    given = plan()
    before = {n: a.copy() for n, a in given.parameters.items()}
    train(numpy_side(), numpy_side())
    assert all(np.array_equal(given.parameters[n], before[n]) for n in before)


# ---------------------------------------------------------------- the law and the distance


@pytest.mark.parametrize("u", [FORMATS[name].unit_roundoff for name in FORMATS])
def test_the_law_scales_with_the_unit_and_grows_as_the_root_of_the_steps(u: float) -> None:
    assert drift(2 * u, 100) == 2 * drift(u, 100)
    grown = [drift(u, step) - drift(u, 0) for step in (1, 4, 16, 10_000)]
    assert [g / grown[0] for g in grown] == pytest.approx([1, 2, 4, 100])
    assert drift(u, 0) > 0


def test_a_loss_may_differ_by_what_its_slope_makes_of_the_law() -> None:
    u = FORMATS["float64"].unit_roundoff
    assert loss_drift(u, 100, 0.5, 0.0) == drift(u, 100)
    assert loss_drift(u, 100, -7.0, 0.0) == pytest.approx(7 * drift(u, 100))
    assert loss_drift(u, 100, 1.0, 40.0) == pytest.approx(41 * drift(u, 100))
    assert loss_drift(u, 100, 1.0, None) > loss_drift(u, 100, 1.0, 40.0)
    assert not loss_drift(u, 100, 1.0, math.nan) >= 0


def test_the_distance_is_that_of_each_tensor_and_the_norm_of_all() -> None:
    one: Mapping[str, Values] = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0]])}
    apart, whole = distance(one, {"a": np.array([3.0, 2.0]), "b": np.array([[1.0]])})
    assert apart == {"a": 2.0, "b": 3.0}
    assert whole == 5.0

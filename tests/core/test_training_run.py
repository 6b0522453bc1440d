"""A training run that is saved, interrupted, taken up again; and its branches where few digits decide them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gradcheck_kit as gk
from benchmarks import kinds_of_difference, parity_settings
from benchmarks.parity_settings import NETWORKS, OPTIMISERS, ours, schedule, theirs, torch_reference
from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from gradcheck_kit.side_by_side.replay import Replay
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.trainee import Trainee
from gradcheck_kit.side_by_side.training import ParityReport, TrainingRun, train_parity
from gradcheck_kit.verdict import Verdict
from reference_impls.fast import FastMLP
from reference_impls.layers import Affine, MaxPool2d
from reference_impls.layers.layer import Array
from reference_impls.networks import MLP
from reference_impls.optimizers import SGD
from tests.refusals import expect_refusal

DATA = parity_settings.synthetic(examples=250, tests=50, side=20)
PIXELS = DATA.inputs.shape[1]

# ---------------------------------------------------------------- a schedule on disk


def test_a_schedule_is_the_same_after_saving_and_loading(tmp_path: Path) -> None:
    plan = schedule(DATA, "MLP", seed=3)
    plan.save(tmp_path / "plan.npz")
    loaded = Schedule.load(tmp_path / "plan.npz")
    assert loaded.fingerprint == plan.fingerprint
    assert loaded.to_dict() == plan.to_dict()
    for number in range(plan.epochs):
        assert all(np.array_equal(a, b) for a, b in zip(plan.epoch(number), loaded.epoch(number), strict=True))


def test_a_loaded_schedule_does_not_draw_its_orders_again() -> None:
    plan = schedule(DATA, "MLP")
    orders = np.stack([plan.order(number) for number in range(plan.epochs)])
    turned = replace(plan, orders=orders[::-1].copy())
    assert turned.fingerprint != plan.fingerprint
    assert np.array_equal(np.concatenate(list(turned.epoch(0))), orders[-1])


def test_the_batch_of_a_step_is_the_one_that_the_epoch_gives() -> None:
    plan = schedule(DATA, "MLP")
    every = [batch for number in range(plan.epochs) for batch in plan.epoch(number)]
    for step, batch in enumerate(every, 1):
        found = plan.batch_of(step)
        assert found is not None
        assert np.array_equal(found, batch)
    assert plan.batch_of(0) is plan.batch_of(plan.steps + 1) is None


def _tampered(path: Path) -> None:
    with np.load(path) as held:
        arrays: dict[str, Any] = {name: held[name] for name in held.files}
    arrays["orders"] = arrays["orders"][:, ::-1].copy()
    np.savez(path, **arrays)


SPOILT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda path: path.unlink(), "no schedule"),
    "no archive": (lambda path: path.write_bytes(b"nothing"), "no schedule"),
    "another archive": (lambda path: np.savez(path, weights=np.ones(3)), "no schedule"),
    "other orders": (_tampered, "not as it was saved"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_file_that_is_no_schedule_is_a_usage_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.npz"
    schedule(DATA, "MLP").save(path)
    spoil, words = SPOILT[name]
    spoil(path)
    with pytest.raises(gk.UsageError, match=words):
        Schedule.load(path)


def test_a_schedule_is_saved_as_npz_only(tmp_path: Path) -> None:
    with pytest.raises(gk.UsageError, match=r"plan\.npz"):
        schedule(DATA, "MLP").save(tmp_path / "plan.pkl")


# ---------------------------------------------------------------- interrupted and taken up again


def numpy_side(optimiser: str) -> NumPyTrainee:
    return NumPyTrainee("NumPy", NETWORKS["MLP"](PIXELS), ours(OPTIMISERS[optimiser]))


def candidate(kind: str | None, optimiser: str, plan: Schedule) -> Trainee:
    return numpy_side(optimiser) if kind is None else Resumable(kind, optimiser, plan)


class Resumable:
    """A planted difference that acts on the reference's optimiser, so that its state can be put back."""

    def __init__(self, kind: str, optimiser: str, plan: Schedule) -> None:
        planted = kinds_of_difference.KINDS[kind]
        network = NETWORKS["MLP"](PIXELS)
        self.inner = planted.trainee(network, ours(OPTIMISERS[optimiser]), DATA, plan)
        self.name, self.dtype, self.device = "planted", "float64", "cpu"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def load_state(self, parameters: Any, state: Any) -> None:
        self.inner.load_state(parameters, state)
        self.inner.at = int(state["steps"])


def told(report: ParityReport) -> dict[str, Any]:
    """All but the seconds."""
    whole = report.to_dict()
    for side in ("reference", "candidate"):
        whole[side].pop("seconds")
    return {**whole, "losses": report.losses.tolist(), "drift": report.drift.tolist()}


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("kind", [None, "another order from the second epoch on", "one element once, by 1e-6"])
def test_a_run_taken_up_again_after_every_epoch_ends_as_if_it_had_not_been(
    optimiser: str, kind: str | None, tmp_path: Path
) -> None:
    plan = schedule(DATA, "MLP")

    def fresh() -> TrainingRun:
        sides = torch_reference(PIXELS, "MLP", OPTIMISERS[optimiser]), candidate(kind, optimiser, plan)
        return TrainingRun(*sides, plan, DATA.batch, test=DATA.test)

    whole = fresh()
    while not whole.done:
        whole.epoch()
    run = fresh()
    run.epoch()
    while not run.done:
        saved: dict[str, Any] = run.snapshot()
        np.savez(tmp_path / "run.npz", **saved)
        run = fresh()
        with np.load(tmp_path / "run.npz", allow_pickle=False) as held:
            run.restore({name: held[name] for name in held.files})
        run.epoch()
    assert told(run.report("run")) == told(whole.report("run"))
    assert (run.report("run").divergence is None) == (kind is None)


def test_a_snapshot_of_another_schedule_is_refused() -> None:
    plan = schedule(DATA, "MLP")
    sides = [(numpy_side("SGD"), numpy_side("SGD")) for _ in range(2)]
    run = TrainingRun(*sides[0], plan, DATA.batch)
    run.epoch()
    other = TrainingRun(*sides[1], schedule(DATA, "MLP", seed=1), DATA.batch)
    with pytest.raises(gk.UsageError, match="another schedule"):
        other.restore(run.snapshot())


def test_a_side_that_tells_no_state_cannot_be_interrupted() -> None:
    plan = schedule(DATA, "MLP")
    stateless = numpy_side("SGD")
    stateless._optimizer = type("Optimizer", (), {"step": lambda self, grads: None})()
    run = TrainingRun(numpy_side("SGD"), stateless, plan, DATA.batch)
    with pytest.raises(gk.UsageError, match="after an epoch"):
        run.snapshot()
    run.epoch()
    with pytest.raises(gk.UsageError, match="NumPy does not tell its state"):
        run.snapshot()


# ---------------------------------------------------------------- names and shapes


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"fc1.weight": (4, 3)}, ["lacks fc1.weigth (4, 3) (is it fc1.weight (4, 3)?)"]),
        ({"FC1.WEIGTH": (9, 9), "b": (4, 3)}, ["lacks fc1.weigth (4, 3) (is it FC1.WEIGTH (9, 9)?)"]),
        ({"W": (3, 4), "b": (3,)}, ["lacks fc1.weigth (4, 3) (is it W (3, 4)?)"]),
        ({"W": (9, 9)}, ["lacks fc1.weigth (4, 3). The schedule lacks W."]),
        ({"fc1.weigth": (3, 4)}, ["(3, 4)", "(4, 3)", "its transpose"]),
        ({"fc1.weigth": (4, 4)}, ["has shape (4, 4), the schedule's (4, 3)"]),
        ({"fc1.weigth": (4, 3), "b": (3,)}, ["The schedule lacks b"]),
    ],
)
def test_parameters_that_do_not_fit_say_what_may_have_been_meant(own: dict[str, Any], words: list[str]) -> None:
    from gradcheck_kit.side_by_side.names import check_fit

    expect_refusal(lambda: check_fit("mine", own, {"fc1.weigth": (4, 3)}), gk.UsageError, words)


def test_a_layout_with_an_unknown_name_is_a_usage_error() -> None:
    module = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(gk.UsageError, match=r"names wieght; the module has weight, bias"):
        TorchTrainee("torch", module, optimizer, nn.functional.cross_entropy, {"W": ("wieght", True)})


# ---------------------------------------------------------------- branches


def test_a_decision_within_rounding_is_followed_and_one_beyond_is_not() -> None:
    z = np.array([[3e-8, -2e-8, 1.0, -1.0, -1e-3]], np.float32)
    reference = Replay(1e-6)
    reference.relu(np.array([[-1e-8, 1e-8, 1.0, -1.0, 1e-3]], np.float32))
    follower = Replay(1e-6, reference.branches, step=7)
    moved = follower.relu(z)
    assert (moved > 0).tolist() == [[False, True, True, False, False]]
    assert np.array_equal(moved[0, 2:], z[0, 2:])
    assert [(d.step, d.stage, d.index, d.within) for d in follower.ledger] == [
        (7, "0 ReLU", (0, 0), True),
        (7, "0 ReLU", (0, 1), True),
        (7, "0 ReLU", (0, 4), False),
    ]
    assert follower.compared == 5


@pytest.mark.parametrize("padding", [(0, 0), (1, 1)])
def test_a_pool_takes_the_reference_s_winner_where_two_are_within_rounding(padding: tuple[int, int]) -> None:
    one, other = (np.zeros((1, 1, 4, 4), np.float32) for _ in range(2))
    one[0, 0, 0, 0], one[0, 0, 1, 1] = 1.0, 1 - 1e-7
    other[0, 0, 0, 0], other[0, 0, 1, 1] = 1 - 1e-7, 1.0
    size = ((3, 3), (2, 2), padding)
    reference = Replay(1e-6)
    reference.max_pool(one, *size)
    follower = Replay(1e-6, reference.branches, step=1)
    moved = follower.max_pool(other, *size)
    again = Replay(1e-6)
    again.max_pool(moved, *size)
    assert np.array_equal(again.branches[0].decision, reference.branches[0].decision)
    assert follower.ledger
    assert all(d.within for d in follower.ledger)
    assert np.abs(moved - other).max() < 1e-6


class TurnsOne(Affine):
    """Its first unit is where it is told, by a hair or by more on one side of zero."""

    by = 0.0

    def forward(self, x: Array) -> Array:
        out = super().forward(x)
        out[0, 0] = self.by
        return out


@pytest.mark.parametrize(("by", "verdict"), [(1e-8, Verdict.PASS), (1e-3, Verdict.FAIL)])
def test_a_branch_turned_within_rounding_is_replayed_and_one_beyond_fails(by: float, verdict: Verdict) -> None:
    """The reference holds the unit at a hair below zero, the candidate above."""
    sides = []
    for value in (-1e-8, by):
        network = MLP([PIXELS, 8, 10], np.random.default_rng(1), dtype=np.float32)
        network.layers[0].__class__ = TurnsOne  # type: ignore[assignment]
        network.layers[0].by = value  # type: ignore[attr-defined]
        sides.append(NumPyTrainee("NumPy", network, ours(OPTIMISERS["SGD"])))
    start = {n: p.astype(np.float64) for n, p in sides[0].parameters().items()}
    plan = Schedule(start, len(DATA.labels), 50, 6, seed=0)

    def batch(indices: Any) -> tuple[Any, Any]:
        return DATA.inputs[indices].astype(np.float32), DATA.labels[indices]

    report = train_parity(*sides, plan, batch)
    assert report.verdict is verdict, report
    assert report.replayed
    assert len(report.ledger) == (plan.steps if verdict else 1)
    assert bool(report.misjudged) == (verdict is Verdict.FAIL)
    assert "beyond rounding" in str(report)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["ledger"][0]["stage"] == "0 ReLU"


def low_precision(network: str, optimiser: str, dtype: str) -> tuple[TorchTrainee, NumPyTrainee, Schedule]:
    """torch and NumPy in float32."""
    numbers = OPTIMISERS[optimiser]
    reference = torch_reference(PIXELS, network, numbers)
    module = reference._module.to(getattr(torch, dtype))
    side = TorchTrainee("torch", module, theirs(module, numbers), nn.functional.cross_entropy, reference._layout)
    held = NETWORKS[network](PIXELS)
    layers = [layer for layer in held.layers if layer.params]
    for number, layer in enumerate(layers):
        layer.params = {name: p.astype(dtype) for name, p in layer.params.items()}
        held.params.update({f"{number}.{name}": p for name, p in layer.params.items()})
    return side, NumPyTrainee("NumPy", held, ours(numbers)), schedule(DATA, network)


def float32_batch(network: str) -> Callable[[Any], tuple[Any, Any]]:
    return lambda indices: (DATA.inputs[indices].astype(np.float32), DATA.labels[indices])


@pytest.mark.parametrize("optimiser", ["SGD", "Adam"])
def test_float32_training_is_within_the_law_of_float32_with_the_branches_replayed(optimiser: str) -> None:
    reference, other, plan = low_precision("MLP", optimiser, "float32")
    report = train_parity(reference, other, plan, float32_batch("MLP"))
    assert report.divergence is None, report
    assert report.replayed
    assert report.decisions == 2 * parity_settings.HIDDEN * len(DATA.labels) * plan.epochs
    assert all(decision.within for decision in report.ledger)


def test_in_float32_a_wrong_column_is_placed_three_way_beside_float64() -> None:
    reference, other, plan = low_precision("MLP", "SGD", "float32")
    loss_and_gradients = other.loss_and_gradients

    def spoilt(inputs: Any, labels: Any) -> float:
        loss = loss_and_gradients(inputs, labels)
        other._network.grads["1.W"][:, 3] *= np.float32(1.5)
        return loss

    other.loss_and_gradients = spoilt  # type: ignore[method-assign]
    report = train_parity(reference, other, plan, float32_batch("MLP"))
    assert report.verdict is Verdict.FAIL
    assert report.divergence is not None
    assert report.divergence.step == 1
    assert (report.divergence.stage, report.divergence.tensor) == ("gradients", "1.W")


def test_a_network_that_shows_no_kinks_is_not_said_to_have_been_replayed() -> None:
    """The fast form has ReLUs, but no layers to see them in: what no step of it proves is not wrong."""
    plan = schedule(DATA, "MLP")
    reference, other, _ = low_precision("MLP", "SGD", "float32")
    fast = NumPyTrainee("fast", FastMLP(other._network), lambda params: SGD(params, 0.1))
    report = train_parity(reference, fast, plan, float32_batch("MLP"))
    assert not report.replayed
    assert report.decisions == 0
    assert report.notes == ("branches were not replayed: of ReLUs and max-pools torch shows 2, fast shows 0",)
    again, other, _ = low_precision("MLP", "SGD", "float32")
    faster = NumPyTrainee("fast", FastMLP(other._network), lambda params: SGD(params, 0.3))
    report = train_parity(again, faster, plan, float32_batch("MLP"))
    assert report.verdict is Verdict.FAIL
    assert report.divergence is not None
    assert (report.divergence.stage, report.divergence.proven) == ("update", True)
    unproven = replace(report.divergence, stage="parameters", proven=False)
    assert replace(report, divergence=unproven).verdict is Verdict.INCONCLUSIVE


def test_replay_asked_of_a_side_that_has_none_is_a_usage_error() -> None:
    class Bare:
        name, dtype, device = "bare", "float64", "cpu"

        def load(self, parameters: Any) -> None: ...

        def parameters(self) -> Any: ...

        def loss_and_gradients(self, inputs: Any, labels: Any) -> float: ...  # type: ignore[empty-body]

        def step(self) -> None: ...

    with pytest.raises(gk.UsageError, match="bare offers no attend"):
        train_parity(numpy_side("SGD"), Bare(), schedule(DATA, "MLP"), DATA.batch, replay=True)


@pytest.mark.parametrize("functional", [False, True])
def test_torch_s_kinks_are_seen_whether_modules_or_functions(functional: bool) -> None:
    class Functional(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.max_pool2d(nn.functional.relu(x), 2)

    from gradcheck_kit.side_by_side.torch_stages import Watch

    x = torch.tensor([[[[1.0, -1.0], [2.0, 3.0]]]], requires_grad=True)
    replay = Replay(1e-6)
    with Watch(Functional() if functional else nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), replay) as watch:
        (Functional() if functional else nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)))(x)
    assert [branch.kind for branch in replay.branches] == ["ReLU", "max-pool"]
    assert replay.branches[0].decision.ravel().tolist() == [True, False, True, True]
    assert replay.branches[1].decision.ravel().tolist() == [3]
    assert watch.stages == {}  # another module was run


def test_numpy_and_torch_pools_decide_alike() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 3, 7, 7))
    pool = MaxPool2d(3, stride=2, padding=1)
    replay = Replay(1e-6)
    windows = pool.windows
    replay.max_pool(x, windows.kernel, windows.stride, windows.padding)
    _, places = nn.functional.max_pool2d(torch.tensor(x), 3, stride=2, padding=1, return_indices=True)
    winner = replay.branches[0].decision
    rows = np.arange(4)[:, None] * 2 - 1 + winner // 3
    columns = np.arange(4) * 2 - 1 + winner % 3
    assert np.array_equal(rows * 7 + columns, places.numpy())


# ---------------------------------------------------------------- JAX


def jax_side(lr: float, plan: Schedule) -> Any:
    jax = pytest.importorskip("jax", reason="jax is not installed: a JAX trainee beside torch was not trained")
    from gradcheck_kit.jax import JaxTrainee, plain_sgd

    jax.config.update("jax_enable_x64", True)

    def logits(p: Any, x: Any) -> Any:
        for i in range(2):
            x = jax.numpy.maximum(x @ p[f"{i}.W"] + p[f"{i}.b"], 0)
        return x @ p["2.W"] + p["2.b"]

    def loss(p: Any, x: Any, labels: Any) -> Any:
        return -jax.numpy.mean(jax.numpy.take_along_axis(jax.nn.log_softmax(logits(p, x)), labels[:, None], 1))

    return JaxTrainee("JAX", {n: p.shape for n, p in plan.parameters.items()}, loss, plain_sgd(lr), logits=logits)


def test_jax_beside_torch_is_the_same_computation_and_a_rate_a_millionth_off_is_not() -> None:
    plan = schedule(DATA, "MLP")
    for lr, cause in ((0.1, None), (0.1 * (1 + 1e-6), "learning-rate")):
        reference = torch_reference(PIXELS, "MLP", OPTIMISERS["SGD"])
        report = train_parity(reference, jax_side(lr, plan), plan, DATA.batch, test=DATA.test)
        assert report.reference.test_accuracy == report.candidate.test_accuracy
        assert (report.divergence and report.divergence.cause) == cause

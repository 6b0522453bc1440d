"""Training runs of which one side computes in fewer digits on purpose: is it otherwise the same computation?"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gradcheck_kit as gk
from benchmarks import parity_settings
from benchmarks.few_digits import (
    DECAY,
    PARAMETERS,
    PLANTED,
    PRODUCTS,
    Spoilt,
    doubled_decay,
    numpy_side,
    torch_side,
    trained,
)
from benchmarks.parity_settings import OPTIMISERS, schedule
from gradcheck_kit.adapters.torch_library import full_precision, tensor_float32
from gradcheck_kit.side_by_side.digits import DECLARED, Digits, rounded
from gradcheck_kit.side_by_side.divergence import Divergence
from gradcheck_kit.side_by_side.replay import Decision, Replay
from gradcheck_kit.side_by_side.torch_stages import Watch
from gradcheck_kit.side_by_side.trainee import Trainee
from gradcheck_kit.side_by_side.training import ParityReport, TrainingRun, train_parity
from gradcheck_kit.verdict import Verdict

DATA = parity_settings.synthetic(examples=300, tests=50, side=20)
SGD, MOMENTUM = OPTIMISERS["SGD"], OPTIMISERS["momentum"]
MODULE = PARAMETERS["a bfloat16 module beside float32"]
EPOCHS = 6


def batch(indices: Any) -> tuple[Any, Any]:
    return DATA.inputs[indices].astype(np.float32), DATA.labels[indices]


def train(reference: Trainee, candidate: Trainee, **options: Any) -> ParityReport:
    return train_parity(reference, candidate, schedule(DATA, "MLP", epochs=EPOCHS), batch, **options)


# ---------------------------------------------------------------- products in fewer digits


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_in_declared_fewer_digits_are_the_same_computation(name: str, optimiser: str) -> None:
    report = trained(PRODUCTS[name], DATA, OPTIMISERS[optimiser], EPOCHS)
    assert report.verdict is Verdict.PASS, report
    assert report.replayed
    assert {"gradients", "update", "activations", "loss"} <= set(report.by_step)
    assert all(used < 1 for used, _, _ in report.by_step.values())


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_planted_difference_is_another_computation_in_fewer_digits_too(name: str, kind: str) -> None:
    report = trained(PRODUCTS[name], DATA, MOMENTUM, 2, PLANTED[kind])
    assert report.verdict is Verdict.FAIL, report
    assert report.divergence is not None
    assert report.divergence.step <= 2
    assert report.divergence.stage == ("gradients" if "gradient" in kind else "update")


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_doubled_weight_decay_shows_in_the_update(name: str) -> None:
    report = trained(PRODUCTS[name], DATA, DECAY, 2, doubled_decay)
    assert report.verdict is Verdict.FAIL, report
    assert report.divergence is not None
    assert (report.divergence.step, report.divergence.stage) == (1, "update")
    assert report.divergence.cause == "weight-decay"


@pytest.mark.parametrize("kind", ["learning rate × 1.5", "a column of a gradient × 2", "a bias never moves"])
def test_the_law_alone_would_have_let_it_pass(kind: str) -> None:
    """What the judgement of every step is for: the distance stays far inside 35 % of the weights' norm."""
    report = trained(PRODUCTS["float32 beside bfloat16 autocast"], DATA, MOMENTUM, EPOCHS, PLANTED[kind])
    assert report.worst_of_law < 1
    assert np.all(np.abs(report.losses[:, 0] - report.losses[:, 1]) < report.loss_allowed)
    assert report.verdict is Verdict.FAIL


@pytest.mark.parametrize("name", PRODUCTS)
def test_fewer_digits_that_were_not_declared_are_another_computation(name: str) -> None:
    pair = PRODUCTS[name]
    report = train(pair.reference(DATA, SGD), pair.candidate(DATA, SGD))
    assert report.verdict is Verdict.FAIL
    if name == "bfloat16 autocast beside float32":
        assert report.divergence is not None
        assert report.divergence.cause == "lower-precision"


def test_declaring_the_dtype_itself_gives_no_leave() -> None:
    sides = numpy_side(DATA, SGD), torch_side(DATA, SGD, autocast=torch.bfloat16)
    assert train(*sides, precision="float32").verdict is Verdict.FAIL


def test_the_report_says_in_how_many_digits_and_what_rounding_allows() -> None:
    report = trained(PRODUCTS["bfloat16 autocast beside float32"], DATA, SGD, EPOCHS)
    told, held = str(report), json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert "MLP in float32, products in bfloat16: the same computation" in told
    assert f"what rounding allows: up to {report.allowed.max():.0%} of the weights' norm; they moved by" in told
    assert "step   update: at most" in told
    assert (held["digits"], held["precision"], held["dtype"]) == (
        "float32, products in bfloat16",
        "bfloat16",
        "float32",
    )
    assert held["by_step"]["gradients"]["used"] < 1
    assert held["by_step"]["gradients"]["least"] == 16 * 2.0**-8 <= held["by_step"]["gradients"]["most"]
    assert held["allowed"] == pytest.approx(3 * 2.0**-8 * (30 + math.sqrt(report.losses.shape[0])))
    assert held["reference"]["dtype"] == "float32"


def test_the_reference_s_own_gradients_are_judged_too() -> None:
    """It is the side that rounds: were it trusted, nobody would look at them."""
    spoilt = Spoilt(torch_side(DATA, SGD, autocast=torch.bfloat16), lambda name, g: 1.5 * g)
    report = train(spoilt, numpy_side(DATA, SGD), precision="bfloat16")
    assert report.verdict is Verdict.FAIL
    assert report.divergence is not None
    assert report.divergence.stage == "gradients"


class Permuted(Spoilt):
    """The same batch in another order: what the layers show is then in that order, too."""

    def loss_and_gradients(self, inputs: Any, labels: Any) -> float:
        return super().loss_and_gradients(inputs[::-1].copy(), labels[::-1].copy())


def test_rows_in_another_order_are_no_difference_of_a_step() -> None:
    """Their branches cannot be compared, and without those no gradient is certain; the layers' outputs must not be."""
    for epochs in (1, EPOCHS):
        sides = numpy_side(DATA, SGD), Permuted(torch_side(DATA, SGD, autocast=torch.bfloat16))
        plan = schedule(DATA, "MLP", epochs=epochs)
        report = train_parity(*sides, plan, batch, precision="bfloat16", replay=False)
        assert report.verdict is not Verdict.FAIL, report
        assert report.divergence is None or report.divergence.stage == "gradients"


class Bare:
    """What a trainee must have, and nothing beside."""

    def __init__(self, inner: Trainee, offers: tuple[str, ...] = ()) -> None:
        self.name, self.dtype, self.device = inner.name, inner.dtype, inner.device
        for method in ("load", "parameters", "loss_and_gradients", "step", *offers):
            setattr(self, method, getattr(inner, method))


@pytest.mark.parametrize(
    ("reference", "candidate", "words"),
    [
        ((), (), "the gradients of 18 of 18 steps and the update of 18 of 18 steps could not be"),
        (("widened", "gradients"), ("gradients",), "  why    the update of 18 of 18 steps"),
        (
            ("state", "load_state", "set_gradients"),
            ("gradients", "state"),
            "  why    the gradients of 18 of 18 steps could",
        ),
    ],
)
def test_where_a_step_shows_nothing_the_wide_law_alone_is_no_pass(
    reference: tuple[str, ...], candidate: tuple[str, ...], words: str
) -> None:
    sides = Bare(numpy_side(DATA, MOMENTUM), reference), Bare(numpy_side(DATA, MOMENTUM, "bfloat16"), candidate)
    report = train(*sides, precision="bfloat16", shadows=0)
    assert report.divergence is None
    assert report.verdict is Verdict.INCONCLUSIVE
    assert words in str(report)


def test_a_momentum_that_the_candidate_does_not_tell_is_not_taken_from_the_reference() -> None:
    """The two have come apart by the rounding of many gradients: no update would be the same to float32's digits."""
    silent = Bare(numpy_side(DATA, MOMENTUM, "bfloat16"), ("gradients", "activations", "attend"))
    report = train(numpy_side(DATA, MOMENTUM), silent, precision="bfloat16", shadows=0)
    assert report.divergence is None
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "the update of 17 of 18 steps could not be compared" in str(report), "at the first there is none yet"


def test_steps_after_the_two_have_parted_are_not_counted_as_steps_that_could_not_be_compared() -> None:
    """Both sides tell all until step 7, where a gradient is wrong; from there on no step is judged."""
    calls, tensors = count(), len(numpy_side(DATA, MOMENTUM).parameters())
    wrong = Spoilt(
        numpy_side(DATA, MOMENTUM, "bfloat16"),
        lambda _, gradient: gradient * (1.5 if next(calls) >= 6 * tensors else 1),
    )
    report = train(numpy_side(DATA, MOMENTUM), wrong, precision="bfloat16")
    assert report.divergence is not None
    assert report.divergence.step == 7
    assert report.undecided is None


@pytest.mark.parametrize(
    ("stage", "replayed", "verdict"),
    [
        ("update", False, "FAIL"),
        ("gradients", False, "INCONCLUSIVE"),
        ("gradients", True, "FAIL"),
        (None, True, "FAIL"),
    ],
)
def test_what_no_branch_has_an_influence_on_is_certain_without_replay(
    stage: str | None, replayed: bool, verdict: str
) -> None:
    report = trained(PRODUCTS["TF32 beside float32"], DATA, SGD, 1)
    parted = replace(report, replayed=replayed, divergence=Divergence(1, "0.W", 1.0, 0.1, stage, "0.W", 1.0, 0.1))
    assert parted.verdict.value == verdict


def test_float64_with_products_in_float32_replays_the_branches() -> None:
    """The law is float32's, and so is what turns a ReLU."""
    sides = (parity_settings.torch_reference(DATA.inputs.shape[1], "MLP", SGD) for _ in range(2))
    report = train_parity(*sides, schedule(DATA, "MLP", epochs=EPOCHS), DATA.batch, precision="float32")
    assert report.replayed
    assert report.verdict is Verdict.PASS
    assert "in float64, products in float32" in str(report)


def test_the_accuracy_is_that_of_the_digits_it_is_trained_in() -> None:
    side, seen = torch_side(DATA, SGD, autocast=torch.bfloat16), set()
    for layer in side._module:
        layer.register_forward_hook(lambda layer, given, out: seen.add(out.dtype))
    side.accuracy(*DATA.test)
    assert seen == {torch.bfloat16}


@pytest.mark.parametrize("shadows", [None, 2])
def test_a_law_that_is_wide_is_not_measured_by_shadows(shadows: int | None) -> None:
    """They would be taken to be chaotic: a law beyond a thousandth of the norm is otherwise no law."""
    spoilt = Spoilt(torch_side(DATA, SGD, autocast=torch.bfloat16))
    report = train(spoilt, numpy_side(DATA, SGD), precision="bfloat16", shadows=shadows)
    assert report.verdict is Verdict.PASS, report
    assert any("no shadows" in note for note in report.notes) == (shadows is not None)


# ---------------------------------------------------------------- parameters in half precision


@pytest.mark.parametrize(("stage", "verdict"), [(None, "INCONCLUSIVE"), ("gradients", "FAIL"), ("update", "FAIL")])
def test_beside_lost_updates_only_what_a_step_shows_by_itself_is_a_failure(stage: str | None, verdict: str) -> None:
    report = trained(MODULE, DATA, SGD, 1)
    parted = replace(report, divergence=Divergence(1, "0.W", 1.0, 0.1, stage, "0.W", 1.0, 0.1))
    assert parted.verdict.value == verdict
    if stage is None:
        assert "updates lost to rounding may do this" in str(parted)


def test_beside_lost_updates_a_decision_beyond_rounding_is_no_failure() -> None:
    report = trained(MODULE, DATA, SGD, EPOCHS)
    misjudged = (Decision(3, "0 ReLU", (0, 0), 2.0, 1.0),)
    assert replace(report, ledger=misjudged).verdict is Verdict.INCONCLUSIVE
    products = trained(PRODUCTS["TF32 beside float32"], DATA, SGD, EPOCHS)
    assert replace(products, ledger=misjudged).verdict is Verdict.FAIL


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_parameters_in_bfloat16_lose_updates_and_are_never_a_pass(optimiser: str) -> None:
    report = trained(MODULE, DATA, OPTIMISERS[optimiser], EPOCHS)
    assert report.verdict is Verdict.INCONCLUSIVE, report
    assert "torch's parameters are bfloat16, and rounding left" in str(report)
    assert "in float32 (NumPy) and bfloat16 (torch)" in str(report)
    assert (report.reference.dtype, report.candidate.dtype) == ("float32", "bfloat16")


@pytest.mark.parametrize("kind", PLANTED)
def test_a_wrong_gradient_shows_beside_parameters_in_bfloat16_and_no_wrong_update_passes(kind: str) -> None:
    report = trained(MODULE, DATA, MOMENTUM, EPOCHS, PLANTED[kind])
    wrong = kind != "learning rate × 1.01"  # a bias begins at zero, where nothing is lost of its first step
    assert report.verdict is (Verdict.FAIL if wrong else Verdict.INCONCLUSIVE), report


def test_the_same_bits_are_a_pass_in_any_digits() -> None:
    sides = (torch_side(DATA, SGD, dtype=torch.bfloat16) for _ in range(2))
    report = train(*sides)
    assert report.max_distance == 0
    assert report.verdict is Verdict.PASS


def test_two_half_precision_sides_that_differ_at_all_are_no_pass() -> None:
    """Without a precision, too: the law is as wide, and the updates are as lost."""
    one, other = (torch_side(DATA, {**SGD, "lr": rate}, dtype=torch.bfloat16) for rate in (0.1, 0.11))
    report = train(one, other)
    assert report.divergence is None
    assert report.verdict is Verdict.INCONCLUSIVE


# ---------------------------------------------------------------- what may be declared

DTYPES: dict[str, tuple[tuple[str, str], str | None, str]] = {
    "two dtypes": (("float32", "bfloat16"), None, r'train in one dtype, or pass precision="bfloat16"'),
    "unknown": (("float32", "float32"), "fp8", r"precision='fp8'; pass one of 'tf32', 'bfloat16'"),
    "float64": (("float64", "float64"), "float64", r"precision='float64'; pass one of"),
    "finer": (("bfloat16", "float32"), "tf32", r"precision='tf32', but A is bfloat16, B is float32.*'bfloat16'"),
    "finer on both": (("float16", "float16"), "float32", r"pass precision='float16', or a finer trainee"),
}


@pytest.mark.parametrize("name", DTYPES)
def test_a_precision_that_cannot_be_is_a_usage_error_that_says_what_to_type(name: str) -> None:
    dtypes, precision, words = DTYPES[name]
    with pytest.raises(gk.UsageError, match=words):
        Digits.of(("A", "B"), dtypes, precision)


@pytest.mark.parametrize(
    ("dtypes", "precision", "words", "stepwise"),
    [
        (("float64", "float64"), None, "float64", False),
        (("float32", "float32"), "float32", "float32", False),
        (("float32", "float32"), "tf32", "float32, products in TF32", True),
        (("float64", "float64"), "float32", "float64, products in float32", True),
        (("float32", "bfloat16"), "bfloat16", "float32 (A) and bfloat16 (B)", True),
        (("float64", "float32"), "bfloat16", "float64 (A) and float32 (B), products in bfloat16", True),
        (("bfloat16", "bfloat16"), None, "bfloat16", True),
    ],
)
def test_digits_are_told_in_words(dtypes: tuple[str, str], precision: str | None, words: str, stepwise: bool) -> None:
    digits = Digits.of(("A", "B"), dtypes, precision)
    assert digits.words(("A", "B")) == words
    assert digits.stepwise is stepwise


def test_every_precision_is_taken_by_float64() -> None:
    roundoffs = {p: Digits.of(("A", "B"), ("float64", "float64"), p).unit_roundoff for p in DECLARED}
    assert roundoffs == {"tf32": 2.0**-11, "bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24}


@pytest.mark.parametrize(("digits", "dtype"), [(8, torch.bfloat16), (11, torch.float16)])
def test_rounding_is_torch_s_where_torch_has_the_format(digits: int, dtype: torch.dtype) -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=10000).astype(np.float32)
    ties = (1 + (np.arange(64) + 0.5) * 2.0 ** (1 - digits)).astype(np.float32)
    for given in (values, ties, -ties, np.zeros(3, np.float32)):
        assert np.array_equal(rounded(given, digits), torch.tensor(given).to(dtype).float().numpy())
        assert rounded(given, digits).dtype == np.float32


# ---------------------------------------------------------------- replay in few digits


def test_the_decisions_of_a_follower_are_those_it_made_in_the_end() -> None:
    """The float64 truth takes them: with those from before, both sides would seem wrong."""
    reference = Replay(1e-3)
    reference.relu(np.array([[-1e-4, 1e-4, 1.0, -1.0]], np.float32))
    follower = Replay(1e-3, reference.branches, step=1)
    moved = follower.relu(np.array([[1e-4, -1e-4, 1.0, 1.0]], np.float32))
    assert follower.branches[0].decision.tolist() == [[False, True, True, True]] == (moved > 0).tolist()


def test_the_winners_of_a_follower_s_pool_are_those_it_took_in_the_end() -> None:
    one, other = (np.zeros((1, 1, 2, 4), np.float32) for _ in range(2))
    one[0, 0, 0], other[0, 0, 0] = (1.0, 1 - 1e-4, 1.0, 0.0), (1 - 1e-4, 1.0, 0.0, 1.0)
    size = ((2, 2), (2, 2), (0, 0))
    reference = Replay(1e-3)
    reference.max_pool(one, *size)
    follower = Replay(1e-3, reference.branches, step=1)
    follower.max_pool(other, *size)
    assert follower.branches[0].decision.tolist() == [[[[0, 1]]]], "the first within rounding, the second not"


@pytest.mark.parametrize("first", [1.0, 0.0, -1.0])
def test_a_bfloat16_pool_follows_where_its_two_largest_are_neighbours_or_equal(first: float) -> None:
    """One last place of float32 more would be rounded away again."""
    x = torch.full((1, 1, 2, 4), first - 1.0, dtype=torch.bfloat16)
    x[0, 0, 0, 0], x[0, 0, 1, 1] = first, first
    x[0, 0, 0, 2], x[0, 0, 1, 3] = first, first - 2.0**-8 * abs(first)
    reference = Replay(1.0)
    wanted = np.full((1, 1, 2, 4), -9.0, np.float32)
    wanted[0, 0, 1, 1] = wanted[0, 0, 1, 3] = 9.0
    reference.max_pool(wanted, (2, 2), (2, 2), (0, 0))
    pool = nn.MaxPool2d(2)
    with Watch(pool, Replay(1.0, reference.branches)):
        pool(x.requires_grad_()).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert np.flatnonzero(x.grad.float().numpy()).tolist() == [5, 7]


# ---------------------------------------------------------------- taken up again


@pytest.mark.parametrize("sides", [PRODUCTS["bfloat16 autocast beside float32"], MODULE])
@pytest.mark.parametrize("kind", [None, "a bias never moves"])
def test_a_run_in_fewer_digits_taken_up_again_ends_as_if_it_had_not_been(
    sides: Any, kind: str | None, tmp_path: Path
) -> None:
    def fresh() -> TrainingRun:
        side = sides.candidate(DATA, MOMENTUM)
        candidate = side if kind is None else PLANTED[kind](sides.candidate, DATA, MOMENTUM)
        plan = schedule(DATA, "MLP", epochs=3)
        return TrainingRun(sides.reference(DATA, MOMENTUM), candidate, plan, batch, precision=sides.precision)

    def told(run: TrainingRun) -> dict[str, Any]:
        whole = run.report("run").to_dict()
        for side in ("reference", "candidate"):
            whole[side].pop("seconds")
        return whole

    whole, part = fresh(), fresh()
    while not whole.done:
        whole.epoch()
    while not part.done:
        part.epoch()
        np.savez(tmp_path / "kept.npz", **part.snapshot())  # type: ignore[arg-type]
        part = fresh()
        with np.load(tmp_path / "kept.npz") as arrays:
            part.restore(dict(arrays))
    assert told(part) == told(whole)


# ---------------------------------------------------------------- torch's switches


def allowed() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture
def switches() -> Iterator[Callable[[bool], None]]:
    before, general = allowed(), torch.get_float32_matmul_precision()

    def write(value: bool) -> None:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = value

    yield write
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
    torch.set_float32_matmul_precision(general)  # last: the switches of before do not reach all that it does


@pytest.mark.parametrize("before", [True, False])
def test_tf32_is_on_where_it_is_asked_for_and_off_elsewhere(switches: Callable[[bool], None], before: bool) -> None:
    from gradcheck_kit.cli.mnist_run import comparable_torch

    switches(before)
    for manager, inside in (
        (tensor_float32(), True),
        (full_precision(), False),
        (comparable_torch(), False),
        (comparable_torch("tf32"), True),
        (comparable_torch("bfloat16"), False),
    ):
        with pytest.raises(ZeroDivisionError), manager:  # noqa: PT012
            assert allowed() == (inside, inside)
            raise ZeroDivisionError
        assert allowed() == (before, before)


def test_tf32_on_the_device_is_the_same_computation_only_where_it_was_declared(
    device: str, needs_device: Callable[[str, str], None]
) -> None:
    """The CPU has none: there the same code is a float32 run."""
    needs_device(device, "training with products in TF32 beside NumPy")
    for precision, verdict in (("tf32", Verdict.PASS), (None, Verdict.FAIL if device == "cuda" else Verdict.PASS)):
        side = torch_side(DATA, SGD, device=device)
        with tensor_float32():
            report = train(numpy_side(DATA, SGD), side, precision=precision)
        assert report.verdict is verdict, report
        with full_precision():
            assert train(numpy_side(DATA, SGD), torch_side(DATA, SGD, device=device)).verdict is Verdict.PASS


def test_autocast_on_the_device_is_the_same_computation(device: str, needs_device: Callable[[str, str], None]) -> None:
    needs_device(device, "training under autocast to bfloat16 beside NumPy")
    side = torch_side(DATA, SGD, autocast=torch.bfloat16, device=device)
    assert train(numpy_side(DATA, SGD), side, precision="bfloat16").verdict is Verdict.PASS

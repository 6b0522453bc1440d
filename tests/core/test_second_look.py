"""A law that is left by little is asked again: does rounding alone drive this network so far?"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.trainee import Trainee
from gradcheck_kit.side_by_side.training import TrainingRun
from gradcheck_kit.verdict import Verdict
from reference_impls.networks import MLP
from reference_impls.optimizers import RMSProp

PAIRS, FEATURES, EPOCHS = 60, 6, 4
SMALL = 1e-6  # of the mirrored feature: with lr / eps = 1e11 its rounding becomes steps, and they do not blow up
LR, EPS = 0.01, 1e-13
LAYOUT = {
    "0.W": ("0.weight", True),
    "0.b": ("0.bias", False),
    "1.W": ("2.weight", True),
    "1.b": ("2.bias", False),
}


def mirrored(small: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Every example twice, with the last feature of either sign: its gradients cancel, and rounding is all of them."""
    generator = np.random.default_rng(2)
    x = generator.normal(size=(PAIRS, FEATURES))
    labels = (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)
    x[:, -1] = small * generator.uniform(0.5, 1.0, PAIRS)
    mirror = x.copy()
    mirror[:, -1] *= -1
    return np.concatenate([x, mirror]), np.concatenate([labels, labels])


def training(
    lr: float = LR,
    shadows: int | None = None,
    small: float = SMALL,
    *,
    beside_itself: bool = False,
    silent: bool = True,
) -> TrainingRun:
    """A NumPy MLP with RMSProp beside torch's, or beside another of its kind."""
    x, labels = mirrored(small)

    def batch(indices: Any) -> tuple[Any, Any]:
        pairs = np.concatenate([indices, indices + PAIRS])
        return x[pairs], labels[pairs]

    networks = [MLP([FEATURES, 8, 3], np.random.default_rng(0)) for _ in range(2)]
    start = {name: p.copy() for name, p in networks[0].params.items()}
    start["0.W"][-1] = 0.0
    module = nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    optimizer = torch.optim.RMSprop(module.parameters(), lr=LR, eps=EPS)
    reference: Trainee = TorchTrainee("torch", module, optimizer, nn.functional.cross_entropy, LAYOUT)
    if silent:  # nothing shows which elements of its gradients are rounding
        reference.gradients = None  # type: ignore[attr-defined]
    if beside_itself:
        reference = NumPyTrainee("NumPy", networks[1], lambda params: RMSProp(params, lr=LR, eps=EPS))
    candidate = NumPyTrainee("NumPy", networks[0], lambda params: RMSProp(params, lr=lr, eps=EPS))
    return TrainingRun(reference, candidate, Schedule(start, PAIRS, 20, EPOCHS, 0), batch, shadows=shadows)


def finished(run: TrainingRun) -> ParityReport:
    while not run.done:
        run.epoch()
    return run.report("mirrored")


def test_drift_that_rounding_makes_is_no_difference_and_the_new_constant_is_noted() -> None:
    assert finished(training(shadows=0)).divergence is not None
    report = finished(training())
    assert report.divergence is None, report
    assert report.verdict is Verdict.PASS
    assert any("its constant is" in note for note in report.notes)
    assert report.allowed[-1] > 3 * report.allowed[0]


@pytest.mark.parametrize("factor", [1 + 1e-9, 1 + 1e-7])
def test_a_difference_beyond_what_the_copies_do_is_still_one(factor: float) -> None:
    report = finished(training(lr=LR * factor, silent=False))
    assert report.verdict is Verdict.FAIL
    assert report.divergence is not None
    assert report.divergence.cause == "learning-rate"


def test_where_the_gradients_show_which_elements_are_rounding_these_are_left_out_and_the_law_stays_narrow() -> None:
    report = finished(training(silent=False))
    assert report.verdict is Verdict.PASS
    assert report.allowed[-1] < 3 * report.allowed[0]
    assert any("the gradient of 8 of the 48 elements of 0.W is nothing but rounding" in note for note in report.notes)


def test_a_run_taken_up_again_after_a_second_look_ends_identically() -> None:
    whole = finished(training())
    first = training()
    first.epoch()
    assert any("its constant is" in note for note in first.report("mirrored").notes)
    again = training()
    again.restore({name: np.array(values) for name, values in first.snapshot().items()})
    resumed = finished(again)
    assert resumed.notes == whole.notes
    for one, other in ((resumed.drift, whole.drift), (resumed.allowed, whole.allowed), (resumed.losses, whole.losses)):
        assert np.array_equal(one, other)


def test_a_reference_that_rounding_alone_drives_anywhere_decides_nothing_and_says_so() -> None:
    """lr / eps times the square of this feature is far beyond 2, where steps blow up what they began with."""
    report = finished(training(small=3e-5))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.divergence is None
    assert report.chaotic_from is not None
    assert f"from step {report.chaotic_from} on rounding alone drives the reference anywhere" in str(report)


def test_a_difference_before_that_step_is_still_one() -> None:
    report = finished(training(lr=LR * (1 + 1e-7), small=3e-5))
    assert report.verdict is Verdict.FAIL
    assert report.divergence is not None
    assert report.divergence.step == 1


def test_a_chaotic_copy_takes_nothing_from_a_candidate_that_stays_within_the_law() -> None:
    report = finished(training(small=3e-5, shadows=1, beside_itself=True))
    assert any("it is chaotic" in note for note in report.notes)
    assert report.verdict is Verdict.PASS


def test_batches_that_change_are_no_measure_and_that_is_noted() -> None:
    run, generator = training(), np.random.default_rng(9)
    given = run._batch

    def augmented(indices: Any) -> tuple[Any, Any]:
        x, labels = given(indices)
        return x * (1 + 1e-3 * np.concatenate([generator.normal(size=(len(x) // 2, 1))] * 2)), labels

    run._batch = run._shadows.batch = augmented
    notes = finished(run).notes
    assert any("batch is not a function, it gives other arrays for the same positions" in note for note in notes)
    assert not any("chaotic" in note for note in notes)

"""One distance for every question about two sides, and one answer where the norm to divide by is zero."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from gradcheck_kit.render.html_parity import page
from gradcheck_kit.side_by_side.distance import distance, losses_apart, ratio_of_norms
from gradcheck_kit.side_by_side.scene import relative
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.shadow import Made, Shadow
from gradcheck_kit.side_by_side.trace import Trace
from gradcheck_kit.side_by_side.trainee import Values
from gradcheck_kit.side_by_side.training import TrainingRun, train_parity

ZERO, TINY, HUGE, NAN = 0.0, 5e-324, 1e300, math.nan
# ‖ΔW‖, ‖W‖, their ratio
RATIOS = {
    "both zero": (ZERO, ZERO, ZERO),
    "equal": (ZERO, 2.0, ZERO),
    "ordinary": (1.0, 4.0, 0.25),
    "tiny, from zero": (TINY, ZERO, math.inf),
    "huge, from zero": (HUGE, ZERO, math.inf),
    "no number, from zero": (NAN, ZERO, math.inf),
    "no number": (NAN, 1.0, NAN),
    "from no number": (NAN, NAN, NAN),
    "infinitely far": (math.inf, 1.0, math.inf),
}


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


@pytest.mark.parametrize(("apart", "norm", "expected"), RATIOS.values(), ids=RATIOS)
def test_every_ratio_of_norms_goes_by_one_rule(apart: float, norm: float, expected: float) -> None:
    assert same(ratio_of_norms(apart, norm), expected)


@pytest.mark.parametrize("seed", range(5))
def test_the_relative_distance_is_that_of_all_tensors_laid_end_to_end(seed: int) -> None:
    generator = np.random.default_rng(seed)
    one, other = ({"W": generator.normal(size=(3, 4)), "b": generator.normal(size=4)} for _ in range(2))
    found = distance(one, other)
    flat, far = (np.concatenate([side["W"].ravel(), side["b"]]) for side in (one, other))
    assert found.relative == pytest.approx(np.linalg.norm(flat - far) / np.linalg.norm(flat), rel=1e-14)
    assert found.relative_of("b") == pytest.approx(np.linalg.norm(one["b"] - other["b"]) / np.linalg.norm(flat))


class Walker:
    """A trainee whose parameters are those that it is told to have after each step."""

    name, dtype, device = "walker", "float64", "cpu"

    def __init__(self, *places: float) -> None:
        self._places, self._at = places, 0

    def load(self, _parameters: Mapping[str, Values]) -> None:
        self._at = 0

    def parameters(self) -> Mapping[str, Values]:
        return {"W": np.full(2, self._places[self._at])}

    def loss_and_gradients(self, _inputs: Values, _labels: Values) -> float:
        return 1.0 / (1 + self._at)

    def step(self) -> None:
        self._at += 1


ROWS = np.zeros((2, 1))
START, UNIT = 1.0, 2.0**-53


def walking(*places: float, beside: tuple[float, ...], start: float = START) -> TrainingRun:
    plan = Schedule({"W": np.full(2, start)}, 2, 2, len(places), 0)
    sides = Walker(start, *places), Walker(start, *beside)
    return TrainingRun(*sides, plan, lambda indices: (ROWS[indices], ROWS[indices]), shadows=0)


def walked(*places: float, beside: tuple[float, ...], start: float = START) -> Any:
    run = walking(*places, beside=beside, start=start)
    while not run.done:
        run.epoch()
    return run.report("walk")


# Where the reference is, where the other side is, and their distance as every place that asks must have it.
PLACES = [(0.0, 0.0, 0.0), (0.0, 1e-100, math.inf), (0.0, 1.0, math.inf), (2.0, 2.0, 0.0), (2.0, 1.0, 0.5)]


@pytest.mark.parametrize(("here", "there", "expected"), PLACES)
def test_trace_shadow_report_and_stages_say_the_same(here: float, there: float, expected: float) -> None:
    one, other = {"W": np.full(2, here)}, {"W": np.full(2, there)}
    now = distance(one, other)
    trace = Trace()
    trace.add_drift(now, 1.0)
    assert [now.relative, *trace.drift, *trace.tensor_drift["W"]] == pytest.approx([expected] * 3)

    shadow = Shadow(Walker(START, there), np.random.default_rng(0))
    shadow.advance(ROWS, ROWS, Made(one), UNIT, 1)
    assert shadow.left is (expected > 1e-3)

    assert walked(here, beside=(here,)).moved == pytest.approx(math.inf if here == 0.0 else abs(here - START) / here)
    assert relative(one["W"], other["W"]) == pytest.approx(expected)


def test_a_run_that_ends_at_zero_says_so_in_words_and_in_json() -> None:
    report = walked(0.5, 0.0, beside=(0.5, 0.0))
    assert report.divergence is None
    assert "they ended at zero" in str(report)
    assert "they moved by 100% of it" in str(walked(0.25, 0.5, beside=(0.25, 0.5)))
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["moved"] == "inf"


def test_a_side_that_leaves_a_reference_at_zero_has_left_the_law_however_little() -> None:
    report = walked(0.0, beside=(1e-100,), start=0.0)
    assert report.divergence is not None
    assert (report.divergence.step, report.divergence.apart) == (1, math.inf)
    assert report.max_difference == {"W": math.inf}
    assert report.to_dict()["max_difference"] == {"W": "inf"}
    assert "inf" in page(report)


def test_a_weight_that_comes_near_zero_keeps_the_rounding_of_the_values_that_made_it() -> None:
    """One place of the 1.0 that it was made from is no difference at 1e-4, nor at 0; a thousand such places are."""
    place = 2.0**-52
    for here in (1e-4, 0.0):
        assert walked(here, 0.5, beside=(here + place, 0.5)).divergence is None
        assert walked(here, 0.5, beside=(here + 1000 * place, 0.5)).divergence.step == 1
    assert walked(4.0, 1e-4, beside=(4.0, 1e-4 + 8 * place)).divergence is None, "the largest so far, not the first"
    assert walked(1e-4, 4.0, beside=(1e-4 + 1000 * place, 4.0)).divergence.step == 1, "not the largest of all"
    assert distance({"W": np.ones(1)}, {"W": np.full(1, 2.0)}, largest=4.0).relative == 0.25


def test_the_largest_norm_so_far_is_kept_with_a_run_that_is_taken_up_again() -> None:
    trace = Trace()
    for here in (4.0, 1e-4):
        trace.add_drift(distance({"W": np.full(1, here)}, {"W": np.full(1, here)}, trace.norm), 1.0)
    assert trace.norm == 4.0
    taken_up = Trace.from_arrays(trace.to_arrays())
    assert taken_up.norm == 4.0
    shadow = Shadow(Walker(4.0, 1e-4 + 1e-15), np.random.default_rng(0), norm=8.0)
    shadow.advance(ROWS, ROWS, Made({"W": np.full(2, 1e-4)}), UNIT, 1)
    assert shadow.norm == 8.0
    assert 0 < shadow.worst < 1


# ---------------------------------------------------------------- losses

# Reference, candidate, and how far they are apart.
LOSSES = [
    (2.5, 2.0, 0.5),
    (2.0, 2.5, 0.5),
    (-1.0, 1.0, 2.0),
    (0.3, 0.3, 0.0),
    (math.inf, 1.0, math.inf),
    (1.0, -math.inf, math.inf),
    (math.inf, math.inf, NAN),
    (NAN, 1.0, NAN),
    (1.0, NAN, NAN),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("here", "there", "expected"), LOSSES)
def test_losses_are_apart_the_same_whether_one_step_or_many(here: float, there: float, expected: float) -> None:
    assert same(float(losses_apart((here, there))), expected)
    many = losses_apart([(1.0, 1.0), (here, there)])
    assert many.shape == (2,)
    assert many[0] == 0.0
    assert same(float(many[1]), expected)


def test_no_step_has_no_difference() -> None:
    assert losses_apart(np.empty((0, 2))).shape == (0,)


class Sloped(Walker):
    """Whose losses are those that it is told to have."""

    def __init__(self, *losses: float) -> None:
        super().__init__(*(START for _ in range(len(losses) + 1)))
        self._losses = losses

    def loss_and_gradients(self, _inputs: Values, _labels: Values) -> float:
        return self._losses[self._at]


@pytest.mark.parametrize(("here", "there", "expected"), [entry for entry in LOSSES if entry[2] != 0.0])
def test_verdict_and_report_take_the_same_difference(here: float, there: float, expected: float) -> None:
    plan = Schedule({"W": np.full(2, START)}, 2, 2, 2, 0)
    report = train_parity(
        Sloped(9.0, here), Sloped(9.0, there), plan, lambda indices: (ROWS[indices], ROWS[indices]), shadows=0
    )
    assert report.divergence is not None
    assert (report.divergence.step, report.divergence.what) == (2, "loss")
    assert same(report.divergence.apart, expected)
    assert same(report.max_loss_difference, expected)

"""How small an error is caught without any option; the right gradient of the same function passes."""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gradcheck_kit as gk
from benchmarks import power
from tests.mutants.relu_network import relu_network
from tests.mutants.subtle import SUBTLE, Subtle, normal, times

SEEDS = range(5)


@pytest.mark.parametrize("name", SUBTLE)
def test_a_subtle_error_is_caught_and_the_right_gradient_passes(name: str) -> None:
    for seed in SEEDS:
        wrong, right = (SUBTLE[name].examine(seed, spoilt) for spoilt in (True, False))
        assert wrong.verdict is gk.Verdict.FAIL, f"seed {seed}\n{wrong}"
        assert right.verdict is gk.Verdict.PASS, f"seed {seed}\n{right}"


EXTREME = {
    "1e308·x": (1e308, 0.3),
    "1e300·x at 1e5": (1e300, 1e5),
    "2x at 1e306": (2.0, 1e306),
    "1e-308·x": (1e-308, 1.0),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", EXTREME)
def test_at_either_end_of_the_format_right_and_wrong_are_told_apart(name: str) -> None:
    slope, size = EXTREME[name]
    x = np.linspace(0.5, 2.0, 6) * size
    for factor in (1.0, 1.01, -1.0, 0.0):
        report = gk.examine(lambda x: x * slope, x, vjp=lambda u, x, f=factor: f * slope * u)
        assert report.verdict is (gk.Verdict.PASS if factor == 1.0 else gk.Verdict.FAIL), f"{factor}\n{report}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_of_kinks_passes_at_the_price_of_a_few_looks(dtype: type[np.floating[Any]]) -> None:
    """With ordinary steps a kink is inside every stencil, and where all weights move as one far below them too."""
    report = gk.examine(relu_network(np.random.default_rng(3), dtype), seed=3)
    assert report.verdict is gk.Verdict.PASS, str(report)
    assert report.cost.forward + report.cost.vjp < 200


@pytest.mark.parametrize("factor", [-1.0, 1.0, 1.5])
def test_what_rounding_hides_altogether_is_never_called_right(factor: float) -> None:
    """x² beside 1e8 is below the last place of float32: its forward is constant, its gradient is not."""
    x = np.linspace(1.0, 3.0, 6, dtype=np.float32)
    report = gk.examine(
        lambda x: np.float32(1e8) + x * x, x, vjp=lambda u, x: np.float32(2 * factor) * x * u, reference="native"
    )
    assert report.verdict is gk.Verdict.INCONCLUSIVE, str(report)


@pytest.mark.parametrize("fast", [False, True])
def test_torch_beside_us_is_given_the_same_gradient(fast: bool) -> None:
    doubled = Subtle(np.sin, np.cos, normal(6), times(2.0))
    assert power.torch_passes(doubled, 0, spoilt=False, fast=fast)
    assert not power.torch_passes(doubled, 0, spoilt=True, fast=fast)


def test_what_a_passed_check_excludes_never_passes_and_ten_times_that_fails() -> None:
    found = power.of_size((50, 3))
    assert {(one.where, one.part) for one in found} == {(where, part) for where in power.SPOILT for part in power.PARTS}
    for one in found:
        assert one.slipped == 0, one
        assert one.part < 1.0 or one.verdicts["PASS"] == 0, one
        assert one.part < 10.0 or one.verdicts == Counter({"FAIL": 3}), one
    assert any(one.verdicts["PASS"] for one in found if one.part == min(power.PARTS)), "none is too small to be seen"


@pytest.mark.parametrize("x", [np.array([5e102, 1.0]), np.full(1000, 4e102)], ids=["one", "all"])
def test_a_gradient_whose_sums_overflow_is_no_failure(x: npt.NDArray[np.float64]) -> None:
    """Every element of it is a number, the largest 7.5e205; along a direction of the input's size none is."""
    with np.errstate(over="ignore"):
        right = gk.examine(lambda x: x**3, x, vjp=lambda u, x: 3 * u * x**2)
    assert right.verdict is gk.Verdict.INCONCLUSIVE
    assert "pass an input at which the gradient is smaller" in str(right).replace("\n      ", " ")


@pytest.mark.parametrize("x", [np.array([709.5, 1.0]), np.full(1000, 709.7)], ids=["one", "all"])
def test_beside_the_end_of_float64_a_right_exponential_passes(x: npt.NDArray[np.float64]) -> None:
    """Along a direction of the input's size the gradient is beyond float64, along one that stays in the domain it is
    not; the sum of two outputs is beyond it, too."""
    with np.errstate(over="ignore", invalid="ignore"):
        right = gk.examine(np.exp, x, vjp=lambda u, x: u * np.exp(x))
        wrong = [gk.examine(np.exp, x, vjp=lambda u, x, f=f: f * u * np.exp(x)) for f in (1.001, 0.5, -1.0)]
    assert right.verdict is gk.Verdict.PASS
    assert {report.verdict for report in wrong} == {gk.Verdict.FAIL}

"""Kinks, jumps, edges of the domain, values that vanish or underflow, many outputs: no small error that is wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

from gradcheck_kit.differences import line
from gradcheck_kit.differences.estimate import Estimate, Obstacle
from gradcheck_kit.differences.ladder import EVALUATIONS, differentiate
from gradcheck_kit.differences.line import Line
from gradcheck_kit.differences.scheme import SCHEMES
from gradcheck_kit.space import Array, Arrays, NumPy

Values = npt.NDArray[Any]
DTYPES = ["float64", "float32"]


# ---------------------------------------------------------------- kinks, jumps, edges


@dataclass
class Probe:
    """A NumPy function of one array along the tangent `v`, with its evaluations counted."""

    f: Callable[[Values], Values]
    x: Values
    v: Values
    calls: int = 0

    def estimate(self) -> Estimate:
        def forward(at: Arrays) -> Mapping[str, Array]:
            self.calls += 1
            return {"y": self.f(at["x"])}

        scheme = SCHEMES[str(self.x.dtype)]
        outputs = forward({"x": self.x})
        self.calls = 0
        u = {"y": np.ones(np.asarray(outputs["y"]).size)}
        probed = Line(NumPy(), forward, {"x": self.x}, {"x": self.v.astype(self.x.dtype)}, u)
        return differentiate(probed.sample, probed.rounding_floor(outputs), scheme, float(np.linalg.norm(self.v)))


def relu(x: Values) -> Values:
    return np.maximum(x, 0)


# Each kink is a whole number of 2^-20 away from x = 1, inside the first stencil ±2^-5.
OFFSETS = [2.0**-k for k in (6, 7, 8, 9, 10, 12)]


@pytest.mark.parametrize("offset", [*OFFSETS, *(-o for o in OFFSETS)])
@pytest.mark.parametrize(("f", "left", "right"), [(abs, -1.0, 1.0), (relu, 0.0, 1.0)], ids=["abs", "relu"])
def test_a_kink_inside_the_stencil_leaves_the_value_right(
    f: Callable[[Values], Values], left: float, right: float, offset: float
) -> None:
    found = Probe(lambda x: f(x - 1.0 + offset), np.array([1.0]), np.array([1.0])).estimate()
    truth = right if offset > 0 else left
    assert abs(found.value - truth) <= found.error


@pytest.mark.parametrize("f", [abs, relu, lambda x: np.maximum(x, 2 * x), lambda x: abs(x) + x**2], ids=range(4))
@pytest.mark.parametrize("v", [1.0, -0.5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_kink_at_the_point_itself_never_has_a_small_error(
    f: Callable[[Values], Values], v: float, dtype: str
) -> None:
    found = Probe(f, np.zeros(1, dtype), np.array([v])).estimate()
    assert not found.smooth or found.error >= 0.1 * abs(v)


@pytest.mark.parametrize(("left", "right"), [(-1.0, 1.0), (0.0, 1.0), (0.25, 2.0), (1.0, -3.0)])
@pytest.mark.parametrize("v", [1.0, -0.5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_at_a_kink_the_value_is_the_mean_slope_and_the_jump_is_told(
    left: float, right: float, v: float, dtype: str
) -> None:
    def bent(x: Values) -> Values:
        return np.where(x > 0, right * x, left * x).astype(x.dtype)

    found = Probe(bent, np.zeros(1, dtype), np.array([v])).estimate()
    assert found.obstacle is Obstacle.KINK
    assert found.value == pytest.approx(v * (left + right) / 2)
    assert found.half_jump == pytest.approx(abs(v * (right - left)) / 2)
    assert found.error_at_kink is not None
    assert found.error_at_kink >= found.half_jump
    smooth = Probe(np.sin, np.ones(1, dtype), np.array([v])).estimate()
    assert (smooth.half_jump, smooth.error_at_kink) == (0.0, None)


def test_an_estimate_that_is_not_trusted_has_an_infinite_error() -> None:
    found = Probe(np.sin, np.ones(1), np.ones(1)).estimate()
    assert found.trusted
    assert found.error < 1e-9
    assert replace(found, trusted=False).error == np.inf


@pytest.mark.parametrize("offset", [0.0, 2.0**-22, 2.0**-19, 2.0**-12, 2.0**-7, 2.0**-6, -(2.0**-7)])
@pytest.mark.parametrize("height", [1e-3, 1.0])
def test_a_jump_never_yields_a_wrong_value_with_a_small_error(offset: float, height: float) -> None:
    """f' = 1 on both sides of a jump at 1 + offset."""
    found = Probe(lambda x: x + height * (x > 1 + offset), np.array([1.0]), np.array([1.0])).estimate()
    assert not found.smooth or abs(found.value - 1.0) <= found.error


def test_the_assertion_on_jumps_can_fail() -> None:
    """A naive central difference across a jump is wrong by height ÷ 2h."""
    h = 2.0**-7
    naive = ((1 + h + 1.0) - (1 - h)) / (2 * h)
    assert abs(naive - 1.0) > 10


EDGES: dict[str, tuple[Callable[[Values], Values], Callable[[float], float]]] = {
    "sqrt": (np.sqrt, lambda x: 0.5 / x**0.5),
    "log": (np.log, lambda x: 1 / x),
    "x log x": (lambda x: x * np.log(x), lambda x: 1 + float(np.log(x))),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("x", [2.0**-6, 2.0**-8, 2.0**-10])
def test_near_the_edge_of_the_domain_the_step_shrinks(name: str, x: float) -> None:
    f, derivative = EDGES[name]
    probe = Probe(f, np.array([x]), np.array([1.0]))
    found = probe.estimate()
    assert found.step < x / 2 < SCHEMES["float64"].first_step
    assert not found.smooth or abs(found.value - derivative(x)) <= found.error
    assert probe.calls <= EVALUATIONS


class OutsideError(Exception):
    """Raised by a function beyond its domain."""


def _raises_below_zero(x: Values) -> Values:
    if (x <= 0).any():
        raise OutsideError
    return np.log(x)


@pytest.mark.parametrize("x", [2.0**-k for k in (1, 6, 8, 12, 16, 19, 20, 30)])
def test_a_function_that_raises_beyond_the_edge_gives_an_estimate_or_an_obstacle(x: float) -> None:
    probe = Probe(_raises_below_zero, np.array([x]), np.array([1.0]))
    found = probe.estimate()
    assert probe.calls <= EVALUATIONS
    if found.smooth:
        assert abs(found.value - 1 / x) <= found.error
    elif np.isnan(found.value):
        assert found.obstacle is Obstacle.DOMAIN
        assert found.error == np.inf


@pytest.mark.parametrize(
    "f",
    [np.sin, abs, lambda x: np.sin(1e4 * x), lambda x: 1e8 + x, lambda x: np.floor(1e3 * x), lambda x: x**60],
    ids=range(6),
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_never_more_evaluations_than_allowed_and_the_count_is_told(f: Callable[[Values], Values], dtype: str) -> None:
    probe = Probe(f, np.array([1.0, 0.0, -0.7], dtype), np.array([1.0, 0.5, -0.75]))
    found = probe.estimate()
    assert found.evaluations == probe.calls <= EVALUATIONS


def test_nan_at_the_base_is_an_obstacle_of_the_domain() -> None:
    found = Probe(lambda x: x * np.nan, np.array([1.0]), np.array([1.0])).estimate()
    assert found.obstacle is Obstacle.DOMAIN
    assert np.isnan(found.value)
    assert found.error == np.inf


def test_rounding_is_that_of_the_stencil_where_the_value_vanishes_at_the_point() -> None:
    """φ(0) = 0 has no last place; the outputs at the steps have."""
    for factor in np.linspace(0.1, 3, 25).astype(np.float32):
        found = Probe(lambda x, c=factor: c * x + c * x * x / 3, np.zeros(1, np.float32), np.array([0.8125])).estimate()
        assert abs(found.value - float(factor) * 0.8125) <= found.error


@pytest.mark.parametrize("x", [-400.0, -710.0, -718.0, -725.0])
def test_the_error_covers_the_truth_where_the_squares_of_the_values_underflow(x: float) -> None:
    probe = Probe(np.exp, np.array([x]), np.array([1.0]))
    found = probe.estimate()
    assert abs(found.value - float(mpmath.exp(x))) <= found.error < 1e-3 * found.value
    assert found.evaluations == probe.calls <= EVALUATIONS


def test_an_exception_at_the_base_is_the_callers() -> None:
    probed = Line(
        NumPy(),
        lambda at: {"y": _raises_below_zero(at["x"])},
        {"x": np.array([-1.0])},
        {"x": np.ones(1)},
        {"y": np.ones(1)},
    )
    with pytest.raises(OutsideError):
        probed.sample(0.0)


# ---------------------------------------------------------------- large outputs


def _wide(x: Values) -> Values:
    return np.sin(np.outer(np.linspace(0.0, 3.0, 10_000), x)).reshape(-1)  # 50,000 outputs of 5 inputs


def test_large_outputs_are_summed_in_buckets_with_the_same_value(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(5)
    x, v = generator.normal(size=5), generator.uniform(0.5, 1, 5)
    x, v = (np.round(a * 2**12) / 2**12 for a in (x, v))
    u = generator.choice([-1.0, 1.0], 50_000) * generator.uniform(0.5, 1, 50_000)
    probed = Line(NumPy(), lambda at: {"y": _wide(at["x"])}, {"x": x}, {"x": v}, {"y": u})
    floor = probed.rounding_floor({"y": _wide(x)})
    found = []
    for buckets in (line.BUCKETS, 10**6):
        monkeypatch.setattr(line, "BUCKETS", buckets)
        sampled = probed.sample(0.0)
        assert sampled is not None
        assert len(sampled) <= min(buckets + 1, 50_000)
        found.append(differentiate(probed.sample, floor, SCHEMES["float64"], 100.0))
    k = np.linspace(0.0, 3.0, 10_000)[:, None]
    truth = float(u @ (k * v * np.cos(k * x)).reshape(-1))
    for estimate in found:
        assert estimate.smooth
        assert abs(estimate.value - truth) <= estimate.error
    sketched, exact = found
    assert sketched.value == pytest.approx(exact.value, abs=sketched.error + exact.error)
    assert 0.5 < sketched.size / exact.size < 2  # random signs keep the norm

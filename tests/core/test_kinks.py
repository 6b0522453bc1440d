"""Points without a derivative: what kind they are, and that a gradient between the one-sided slopes is right there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gradcheck_kit as gk
from gradcheck_kit.differences.kinks import ABOVE_NOISE, Kind, Shape, classify
from gradcheck_kit.verdict import Verdict

Values = npt.NDArray[Any]
SMOOTH, KINK, JUMP, ROUGH = Kind.SMOOTH, Kind.KINK, Kind.JUMP, Kind.ROUGH
PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE

# ---------------------------------------------------------------- one line through one point

STEPS = [2.0**-k for k in range(5, 13)]


@dataclass(frozen=True)
class Point:
    """φ along a line, φ(0) being the point itself, and what is known of it by hand.

    Attributes:
        phi: t → the outputs.
        kind: what kind of point t = 0 is.
        left, right: at a kink, the one-sided derivatives of every output.
    """

    phi: Callable[[float], Sequence[float]]
    kind: Kind
    left: Sequence[float] = ()
    right: Sequence[float] = ()

    @property
    def half_jump(self) -> float:
        return sum(abs(right - left) for left, right in zip(self.left, self.right, strict=True)) / 2

    def shape(self, sigma: float = 1e-17, steps: Sequence[float] = STEPS, factor: float = 1.0) -> Shape:
        def at(t: float) -> Values:
            return factor * np.array(self.phi(t), dtype=np.float64)

        return classify(steps, [at(h) for h in steps], [at(-h) for h in steps], at(0.0), sigma)


POINTS = {
    "|x|": Point(lambda t: [abs(t)], KINK, [-1], [1]),
    "-3|x|": Point(lambda t: [-3 * abs(t)], KINK, [3], [-3]),
    "|x| backwards": Point(lambda t: [abs(-0.75 * t)], KINK, [-0.75], [0.75]),
    "relu": Point(lambda t: [max(t, 0.0)], KINK, [0], [1]),
    "leaky relu": Point(lambda t: [max(t, 0.01 * t)], KINK, [0.01], [1]),
    "|x| + sin x": Point(lambda t: [abs(t) + np.sin(t)], KINK, [0], [2]),
    "|x| + x²": Point(lambda t: [abs(t) + t * t], KINK, [-1], [1]),
    "exp|x|": Point(lambda t: [np.exp(abs(t))], KINK, [-1], [1]),
    "a tie of two": Point(lambda t: [max(1 + 0.75 * t, 1 - 0.5 * t)], KINK, [-0.5], [0.75]),
    "a tie of three": Point(lambda t: [max(1 + t, 1 + 0.5 * t, 1 - t)], KINK, [-1], [1]),
    "a tie that the line does not break": Point(lambda t: [max(1 + t, 1 + t)], SMOOTH),
    "a kink beside a smooth output": Point(lambda t: [abs(t), np.sin(t)], KINK, [-1, 1], [1, 1]),
    "two kinks whose sum is smooth": Point(lambda t: [abs(t), -abs(t)], KINK, [-1, 1], [1, -1]),
    "relu of both signs": Point(lambda t: [max(t, 0.0), max(-t, 0.0)], KINK, [0, -1], [1, 0]),
    "x|x|": Point(lambda t: [t * abs(t)], SMOOTH),
    "|x|³": Point(lambda t: [abs(t) ** 3], SMOOTH),
    "x²": Point(lambda t: [t * t], SMOOTH),
    "x⁴": Point(lambda t: [t**4], SMOOTH),
    "x": Point(lambda t: [2 + t], SMOOTH),
    "a constant": Point(lambda t: [3.0], SMOOTH),
    "sin": Point(lambda t: [np.sin(1 + t)], SMOOTH),
    "exp": Point(lambda t: [np.exp(t), np.exp(-2 * t)], SMOOTH),
    "1/(1+x²)": Point(lambda t: [1 / (1 + t * t)], SMOOTH),
    "a kink further off than the small steps": Point(lambda t: [abs(t - 0.75 * 2.0**-7)], SMOOTH),
    "sqrt|x|": Point(lambda t: [abs(t) ** 0.5], ROUGH),
    "|x|^¾": Point(lambda t: [abs(t) ** 0.75], ROUGH),
    "a bend that one step does not see": Point(lambda t: [float(t != 0 and abs(t) != 2.0**-7)], ROUGH),
    "a step up": Point(lambda t: [float(t > 0)], JUMP),
    "a step that includes the point": Point(lambda t: [float(t >= 0)], JUMP),
    "x + a step": Point(lambda t: [t + float(t > 0)], JUMP),
    "a lone point": Point(lambda t: [float(t == 0)], JUMP),
    "sign, odd, has the mean of both sides": Point(lambda t: [float(np.sign(t))], SMOOTH),
    "a step beside a kink": Point(lambda t: [float(t > 0), 0.01 * abs(t)], JUMP),
}


@pytest.mark.parametrize("name", POINTS)
def test_the_kind_of_a_point_and_half_the_jump_of_its_slopes(name: str) -> None:
    point = POINTS[name]
    found = point.shape()
    assert found.kind is point.kind
    assert found.half_jump == pytest.approx(point.half_jump, rel=STEPS[-1])


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("factor", [-1.0, 2.0**-20, 2.0**20])
def test_the_kind_does_not_depend_on_the_unit_and_the_jump_scales_with_it(name: str, factor: float) -> None:
    plain, scaled = POINTS[name].shape(), POINTS[name].shape(sigma=abs(factor) * 1e-17, factor=factor)
    assert scaled.kind is plain.kind
    assert scaled.half_jump == abs(factor) * plain.half_jump


@pytest.mark.parametrize("name", POINTS)
def test_the_kind_does_not_depend_on_which_way_the_line_is_walked(name: str) -> None:
    point = POINTS[name]
    assert Point(lambda t: point.phi(-t), point.kind).shape() == point.shape()


@pytest.mark.parametrize("name", [name for name, point in POINTS.items() if point.kind is not SMOOTH])
def test_what_does_not_rise_above_the_noise_is_taken_for_smooth(name: str) -> None:
    rises = (np.subtract(POINTS[name].phi(t), POINTS[name].phi(0.0)) for h in STEPS for t in (h, -h))
    highest = max(float(np.linalg.norm(rise)) for rise in rises)
    assert POINTS[name].shape(sigma=2 * highest * 1.01 / ABOVE_NOISE).kind is SMOOTH


def test_two_steps_are_too_few_to_tell() -> None:
    assert POINTS["|x|"].shape(steps=STEPS[:2]).kind is SMOOTH
    assert POINTS["|x|"].shape(steps=STEPS[:3]).kind is KINK


@pytest.mark.parametrize("name", [name for name, point in POINTS.items() if point.kind is KINK])
@pytest.mark.parametrize("seed", range(3))
def test_noise_a_hundred_times_below_the_bend_changes_neither_kind_nor_jump(name: str, seed: int) -> None:
    point, generator = POINTS[name], np.random.default_rng(seed)
    sigma = 1e-2 * point.half_jump * STEPS[-1]
    noisy = Point(lambda t: np.asarray(point.phi(t)) + sigma * generator.normal(size=len(point.left)), KINK)
    found = noisy.shape(sigma=sigma)
    assert found.kind is KINK
    assert found.half_jump == pytest.approx(point.half_jump, rel=0.05)


# ---------------------------------------------------------------- conventions of a whole backward

Vjp = Callable[[Values, Values], Values]


def with_zeros(seed: int) -> Values:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=7)
    x[generator.choice(7, 3, replace=False)] = 0.0
    return x


def with_ties(seed: int) -> Values:
    return np.random.default_rng(seed).integers(0, 3, (4, 3)).astype(np.float64)


def zeros_only(seed: int) -> Values:
    return np.zeros(4)


def relu(x: Values) -> Values:
    return np.maximum(x, 0)


def relu_with(at_zero: float) -> Vjp:
    return lambda u, x: (u * np.where(x == 0, at_zero, x > 0)).astype(x.dtype)


def abs_with(at_zero: float) -> Vjp:
    return lambda u, x: (u * np.where(x == 0, at_zero, np.sign(x))).astype(x.dtype)


def curved(x: Values) -> Values:
    return np.maximum(x, 0) * np.exp(-x)


def curved_with(at_zero: float) -> Vjp:
    return lambda u, x: (u * np.where(x == 0, at_zero, (x > 0) * (1 - x) * np.exp(-x))).astype(x.dtype)


def max_pool(x: Values) -> Values:
    return x.max(1)


def to_first(u: Values, x: Values) -> Values:
    return u[:, None] * np.eye(x.shape[1], dtype=x.dtype)[x.argmax(1)]


def to_last(u: Values, x: Values) -> Values:
    return to_first(u, x[:, ::-1])[:, ::-1]


def to_all(u: Values, x: Values) -> Values:
    return u[:, None] * (x == x.max(1, keepdims=True)).astype(x.dtype)


def shared(u: Values, x: Values) -> Values:
    tied = x == x.max(1, keepdims=True)
    return u[:, None] * tied / tied.sum(1, keepdims=True, dtype=x.dtype)


def to_none(u: Values, x: Values) -> Values:
    alone = (x == x.max(1, keepdims=True)).sum(1, keepdims=True) == 1
    return to_first(u, x) * alone


@dataclass(frozen=True)
class Convention:
    """A backward at exact kinks."""

    forward: Callable[[Values], Values]
    vjp: Vjp
    draw: Callable[[int], Values]

    def examine(self, seed: int, dtype: str = "float64") -> gk.Report:
        return gk.examine(self.forward, self.draw(seed).astype(dtype), vjp=self.vjp, names=["x"], seed=seed)


RIGHT = {
    "relu, 0 at zero": Convention(relu, relu_with(0.0), with_zeros),
    "relu, ½ at zero": Convention(relu, relu_with(0.5), with_zeros),
    "relu, 1 at zero": Convention(relu, relu_with(1.0), with_zeros),
    "relu, nothing but zeros": Convention(relu, relu_with(0.0), zeros_only),
    "abs, 0 at zero": Convention(abs, abs_with(0.0), with_zeros),
    "abs, 1 at zero": Convention(abs, abs_with(1.0), with_zeros),
    "a curved kink, its right slope": Convention(curved, curved_with(1.0), with_zeros),
    "a curved kink, its left slope": Convention(curved, curved_with(0.0), with_zeros),
    "max, to the first": Convention(max_pool, to_first, with_ties),
    "max, to the last": Convention(max_pool, to_last, with_ties),
    "max, shared": Convention(max_pool, shared, with_ties),
}
WRONG = {
    "relu, -1 at zero": Convention(relu, relu_with(-1.0), with_zeros),
    "relu, 2 at zero": Convention(relu, relu_with(2.0), with_zeros),
    "relu, 1.01 at zero": Convention(relu, relu_with(1.01), with_zeros),
    "relu, -0.01 at zero": Convention(relu, relu_with(-0.01), with_zeros),
    "relu, 1.01, nothing but zeros": Convention(relu, relu_with(1.01), zeros_only),
    "abs, 1.5 at zero": Convention(abs, abs_with(1.5), with_zeros),
    "abs, -2 at zero": Convention(abs, abs_with(-2.0), with_zeros),
    "max, to all": Convention(max_pool, to_all, with_ties),
    "max, to none": Convention(max_pool, to_none, with_ties),
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_gradient_between_the_one_sided_slopes_passes_and_the_kink_is_named(name: str, dtype: str) -> None:
    report = RIGHT[name].examine(0, dtype)
    assert report.verdict is PASS, report
    (finding,) = [f for f in report.findings if f.question == "directional"]
    assert "sits on a kink" in finding.message
    assert finding.input == "x"


@pytest.mark.parametrize("name", WRONG)
def test_a_gradient_that_no_kink_excuses_is_undecided_for_the_kink_in_every_draw(name: str) -> None:
    """Also where a tangent of positive elements alone shows it, and the draws before agreed."""
    for seed in range(4):
        (finding,) = [f for f in WRONG[name].examine(seed, "float64").findings if f.question == "directional"]
        if finding.verdict is INCONCLUSIVE:
            assert finding.cause == "kink", finding.message
            assert "the input sits on a kink" in finding.message


def test_a_gradient_away_from_every_kink_passes_and_none_is_named() -> None:
    report = gk.examine(relu, np.array([1.0, -2.0, 3.0]), vjp=relu_with(-7.0), names=["x"])
    assert report.verdict is PASS
    assert not any("kink" in finding.message for finding in report.findings)


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("seed", range(3))
def test_a_gradient_beyond_the_one_sided_slopes_never_passes(name: str, seed: int) -> None:
    assert WRONG[name].examine(seed).verdict is not PASS


@pytest.mark.parametrize("name", ["relu, -1 at zero", "relu, 2 at zero", "relu, 1.01 at zero", "max, to all"])
def test_a_gradient_beyond_the_one_sided_slopes_never_passes_in_float32(name: str) -> None:
    assert WRONG[name].examine(0, "float32").verdict is not PASS


def test_a_right_convention_is_never_a_failure_over_fifty_seeds() -> None:
    conventions = list(RIGHT.values())
    verdicts = [conventions[seed % len(conventions)].examine(seed).verdict for seed in range(50)]
    assert FAIL not in verdicts
    assert verdicts.count(PASS) >= 45  # else this would be the silence of a check that never decides


def test_a_wrong_gradient_beside_the_kinks_still_does_not_pass() -> None:
    """The kink excuses what happens on it only."""

    def off(u: Values, x: Values) -> Values:
        return relu_with(0.0)(u, x) * np.where(x > 1, 1.001, 1.0)

    x = np.array([0.0, 1.5, -1.0, 0.0, 0.5])
    assert gk.examine(relu, x, vjp=off, names=["x"]).verdict is not PASS
    assert gk.examine(relu, x, vjp=relu_with(0.0), names=["x"]).verdict is PASS


JUMPS: dict[str, Callable[[Values], Values]] = {
    "sign": np.sign,
    "step": lambda x: (x > 0).astype(x.dtype),
    "step that includes zero": lambda x: (x >= 0).astype(x.dtype),
    "x + step": lambda x: x + (x > 0),
    "floor": np.floor,
}


@pytest.mark.parametrize("name", JUMPS)
@pytest.mark.parametrize("slope", [0.0, 1.0])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_jump_at_the_point_is_neither_passed_nor_failed(name: str, slope: float, dtype: str) -> None:
    x = with_zeros(0).astype(dtype)
    report = gk.examine(JUMPS[name], x, vjp=lambda u, x: (slope * u).astype(x.dtype), names=["x"])
    assert report.verdict is INCONCLUSIVE

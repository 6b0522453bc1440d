"""At a kink a gradient is right if it is a mixture of those on the two sides, and only then."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from reference_impls.networks import MLP

Values = npt.NDArray[Any]
PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE

X = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 3.0]])
TIED = np.array([[1.0, 0.0, -0.5], [4.0, 3.0, -3.0]])  # with X: at [0, 0] and [1, 1]


def maximum(first: float, second: float) -> gk.Subject:
    """max(x, y) whose gradient at a tie is `first` of the cotangent for x, `second` for y."""

    def vjp(u: Values, x: Values, y: Values) -> tuple[Values, Values]:
        tie = x == y
        return u * ((x > y) + first * tie), u * ((y > x) + second * tie)

    return gk.function(np.maximum, X, TIED, vjp=vjp, names=["x", "y"])


def at(x: Values, forward: Callable[[Values], Values], vjp: Callable[[Values, Values], Values]) -> gk.Subject:
    return gk.function(forward, x, vjp=vjp, names=["x"])


def clip(x: Values, slope_at_the_bound: float) -> gk.Subject:
    return at(
        x,
        lambda v: np.clip(v, -1, 1),
        lambda u, v: u * np.where(abs(v) == 1, slope_at_the_bound, 1.0 * (abs(v) < 1)),
    )


def norm(x: Values) -> gk.Subject:
    """The length of each row; the plain formula gives 0/0 for the gradient of a row of zeros."""

    def length(v: Values) -> Values:
        return np.sqrt((v * v).sum(axis=1))

    return at(x, length, lambda u, v: (u / length(v))[:, None] * v)


def entropy(slope: float, dtype: type) -> gk.Subject:
    """x log |x| plus a straight line: at 0 the gradient grows without end, and hardly while the line is steep."""

    def forward(x: Values) -> Values:
        return np.where(x == 0, 0, x * np.log(np.where(x == 0, 1, abs(x)))) + dtype(slope) * x

    return at(np.array([0.0, 2.0], dtype), forward, lambda u, x: u * (np.log(abs(x)) + dtype(1 + slope)))


def corner() -> gk.Subject:
    """√min x, of ten zeros: nearly every point beside it is outside."""

    def vjp(u: Values, x: Values) -> Values:
        return u * (x == x.min()) / (2 * np.sqrt(x.min()))

    return at(np.zeros(10), lambda x: np.sqrt(x.min(keepdims=True)), vjp)


def network() -> gk.Subject:
    """At zero without biases every unit is on its kink: right, by the convention of each, and no mixture in sum."""
    return gk.layer(MLP([3, 5, 2], np.random.default_rng(0)), np.zeros((2, 3)))


SUBJECTS: dict[str, tuple[gk.Subject, Verdict, str | None]] = {
    "a maximum, all to the first": (maximum(1, 0), PASS, None),
    "a maximum, half to each": (maximum(0.5, 0.5), PASS, None),
    "a maximum, three to one": (maximum(0.75, 0.25), PASS, None),
    "a maximum, all to each": (maximum(1, 1), FAIL, "outside-kink"),
    "a maximum, none to either": (maximum(0, 0), FAIL, "outside-kink"),
    "a maximum, too much for one": (maximum(1.25, -0.25), FAIL, "outside-kink"),
    "a maximum, a little too much": (maximum(1.05, 0), FAIL, "outside-kink"),
    "clip, zero at the bound": (clip(np.array([1.0, 0.5, -1.0]), 0.0), PASS, None),
    "clip, a third at the bound": (clip(np.array([1.0, 0.5, -1.0]), 1 / 3), PASS, None),
    "clip, negative at the bound": (clip(np.array([1.0, 0.5, -1.0]), -0.1), FAIL, "outside-kink"),
    "clip in float32": (clip(np.array([1, 0.5], np.float32), -0.1), FAIL, "outside-kink"),
    "a square": (at(X, lambda x: x * x, lambda u, x: 2 * x * u), PASS, None),
    "a square, wrong at zero alone": (
        at(X, lambda x: x * x, lambda u, x: u * (2 * x + (x == 0))),
        FAIL,
        "outside-kink",
    ),
    "a square, not finite at zero": (
        at(X, lambda x: x * x, lambda u, x: np.where(x == 0, np.nan, 2 * x * u)),
        FAIL,
        "not-finite",
    ),
    "a square, finite nowhere": (at(X, lambda x: x * x, lambda u, x: u * np.inf), FAIL, "not-finite"),
    "a root at its edge": (
        at(np.array([0.0, 4.0]), np.sqrt, lambda u, x: u / (2 * np.sqrt(x))),
        INCONCLUSIVE,
        "domain",
    ),
    "an absolute value, not finite at zero": (at(X, abs, lambda u, x: u * x / abs(x)), FAIL, "not-finite"),
    "an absolute value in float32, not finite at zero": (
        at(X.astype(np.float32), abs, lambda u, x: u * x / abs(x)),
        FAIL,
        "not-finite",
    ),
    "a norm, not finite at zero": (norm(np.zeros((2, 3))), FAIL, "not-finite"),
    "a norm, not finite in one of two rows": (norm(X * [[0.0], [1.0]]), FAIL, "not-finite"),
    "|x|**1.5, not finite at zero": (
        at(np.array([0.0, 2.0]), lambda x: abs(x) ** 1.5, lambda u, x: 1.5 * u * x / np.sqrt(abs(x))),
        FAIL,
        "not-finite",
    ),
    "a root of the absolute value, infinitely steep on both sides": (
        at(np.array([0.0, 2.0]), lambda x: np.sqrt(abs(x)), lambda u, x: u * np.sign(x) / (2 * np.sqrt(abs(x)))),
        INCONCLUSIVE,
        "domain",
    ),
    "x log |x|, infinitely steep at zero": (entropy(1.0, np.float64), INCONCLUSIVE, "domain"),
    "x log |x| in float32": (entropy(1.0, np.float32), INCONCLUSIVE, "domain"),
    "x log |x| + 100 x": (entropy(100.0, np.float64), INCONCLUSIVE, "domain"),
    "a root where it is not defined": (
        at(np.array([-1.0, 4.0]), np.sqrt, lambda u, x: u / (2 * np.sqrt(x))),
        INCONCLUSIVE,
        "domain",
    ),
    "a root of the smallest, at a corner of its domain": (corner(), INCONCLUSIVE, "domain"),
    "a network with many kinks at one point": (network(), INCONCLUSIVE, "kinks"),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_answer_is_that_of_the_generalised_gradient(name: str) -> None:
    subject, verdict, cause = SUBJECTS[name]
    with np.errstate(all="ignore"):
        (finding,) = gk.examine(subject, questions=["kink"]).findings
    assert (finding.verdict, finding.cause) == (verdict, cause)


def test_the_finding_names_the_elements_and_both_sides() -> None:
    (finding,) = gk.examine(maximum(1, 1), questions=["kink"]).findings
    first, x, y = finding.message.splitlines()
    assert first.endswith("seen at output[0, 0]")
    assert sorted([x.split(":")[0], y.split(":")[0]]) == ["at x[0, 0]", "at y[0, 0]"]
    assert "backward 1; right beside it" in x
    assert (finding.input, finding.index) in [("x", (0, 0)), ("y", (0, 0))]


def test_a_gradient_that_is_not_finite_is_told_beside_those_of_its_two_sides() -> None:
    with np.errstate(all="ignore"):
        subject = at(np.zeros(1), lambda x: np.maximum(3 * x, 0), lambda u, x: 3 * u * np.maximum(x, 0) / x)
        (finding,) = gk.examine(subject, questions=["kink"]).findings
    assert "right beside it it is between" in finding.message
    assert (finding.input, finding.index) == ("x", (0,))


def test_it_is_asked_only_by_name() -> None:
    report = gk.examine(maximum(1, 1))
    assert "kink" not in {finding.question for finding in report.findings}
    assert not any(item.startswith("kink") for item in report.not_asked)


def test_half_precision_is_not_judged() -> None:
    subject = clip(np.array([1, 0.5], np.float16), 0.0)
    (finding,) = gk.examine(subject, questions=["kink"]).findings
    assert (finding.verdict, finding.cause) == (INCONCLUSIVE, "precision")


def test_a_custom_function_of_torch_is_asked_alike() -> None:
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.abs()

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            (x,) = ctx.saved_tensors
            return cotangents[0] * torch.where(x == 0, 2.0, x.sign())

    x = torch.tensor([0.0, 1.0], dtype=torch.float64)
    (wrong,) = gk.examine(Doubled, x, questions=["kink"]).findings
    (right,) = gk.examine(torch.abs, x, questions=["kink"]).findings
    assert (wrong.verdict, right.verdict) == (FAIL, PASS)


def test_empty_tensors_are_compared_too() -> None:
    assert gk.examine(torch.abs, torch.zeros(0, 3, dtype=torch.float64)).verdict is INCONCLUSIVE

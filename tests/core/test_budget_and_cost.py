"""What a check may spend, and what a pass costs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import gradcheck_kit as gk
from gradcheck_kit.provenance import Budget, Meter
from gradcheck_kit.subject import BudgetSpentError
from gradcheck_kit.verdict import Verdict

Values = npt.NDArray[Any]
PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
X = np.linspace(-1.0, 2.0, 5)


@dataclass
class Counted:
    """sin or, at exact zeros, a kink; every call of the caller's code is counted."""

    calls: int = 0
    factor: float = 1.0
    pause: float = 0.0

    def forward(self, x: Values) -> Values:
        self.calls += 1
        time.sleep(self.pause)
        return np.sin(x)

    def vjp(self, u: Values, x: Values) -> Values:
        self.calls += 1
        return self.factor * u * np.cos(x)

    def examine(self, x: Values = X, **options: Any) -> gk.Report:
        return gk.examine(self.forward, x, vjp=self.vjp, **options)


# ---------------------------------------------------------------- evaluations


@pytest.mark.parametrize("evaluations", [0, 1, 2, 3, 5, 8, 13, 21, 34, 40])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_evaluations_never_exceed_the_budget_and_its_end_is_named(evaluations: int, dtype: str) -> None:
    counted = Counted()
    report = counted.examine(X.astype(dtype), budget=gk.Budget(evaluations=evaluations))
    assert counted.calls == report.cost.forward + report.cost.vjp <= evaluations
    assert report.verdict is INCONCLUSIVE
    finding = report.findings[-1]
    assert (finding.question, finding.verdict, finding.cause) == ("budget", INCONCLUSIVE, "budget")
    assert f"the budget of {evaluations} evaluations was spent" in finding.message
    assert finding.message in " ".join(str(report).split())


def test_a_budget_that_is_just_enough_changes_nothing() -> None:
    free = Counted().examine()
    spent = free.cost.forward + free.cost.vjp
    assert free.verdict is PASS
    assert Counted().examine(budget=gk.Budget(evaluations=spent)).findings == free.findings
    assert Counted().examine(budget=gk.Budget(evaluations=spent - 1)).verdict is INCONCLUSIVE


def test_what_was_found_before_the_budget_was_spent_is_kept() -> None:
    report = Counted().examine(budget=gk.Budget(evaluations=20))
    answered = [f.question for f in report.findings if f.verdict is PASS]
    assert answered[:3] == ["contract", "purity", "determinism"]
    assert "directional" not in answered


def test_a_wrong_gradient_within_the_budget_still_fails() -> None:
    assert Counted(factor=1.5).examine(budget=gk.Budget(evaluations=1000)).verdict is FAIL


def test_check_raises_when_the_budget_is_spent_and_says_so() -> None:
    with pytest.raises(gk.GradientCheckError, match="budget of 9 evaluations") as caught:
        gk.check(np.sin, X, vjp=lambda u, x: u * np.cos(x), names=["x"], budget=gk.Budget(evaluations=9))
    assert caught.value.report.verdict is INCONCLUSIVE


@pytest.mark.parametrize("evaluations", [4, 11, 17, 40])
def test_the_budget_holds_for_torch_and_for_a_reference_of_its_own(evaluations: int) -> None:
    budget = gk.Budget(evaluations=evaluations)
    tensors = gk.examine(lambda x: x.sin(), torch.tensor(X, dtype=torch.float32), budget=budget)
    beside = Counted().examine(X.astype(np.float32), reference=np.sin, budget=budget)
    for report in (tensors, beside):
        assert report.cost.forward + report.cost.vjp <= evaluations
        assert report.verdict is INCONCLUSIVE
        assert report.findings[-1].cause == "budget"


def test_a_forward_that_swallows_every_exception_cannot_swallow_the_budget() -> None:
    """The count is taken outside the caller's code."""

    def forward(x: Values) -> Values:
        try:
            return np.sin(x)
        except Exception:
            return x

    report = gk.examine(forward, X, vjp=lambda u, x: u * np.cos(x), budget=gk.Budget(evaluations=15))
    assert report.findings[-1].cause == "budget"


def test_a_meter_stops_before_the_evaluation_that_would_be_too_many() -> None:
    subject = gk.function(np.sin, X, vjp=lambda u, x: u * np.cos(x), names=["x"])
    meter = Meter(subject, Budget(evaluations=2))
    meter.subject.forward(subject.point)
    meter.subject.pullback(subject.point, {"output": X})
    for _ in range(2):
        with pytest.raises(BudgetSpentError, match="2 evaluations"):
            meter.subject.forward(subject.point)
    assert (meter.forward, meter.vjp) == (1, 1)


# ---------------------------------------------------------------- seconds


@pytest.mark.parametrize("budget", [0.05, gk.Budget(seconds=0.05), gk.Budget(seconds=0.05, evaluations=10_000)])
def test_a_sleeping_forward_ends_soon_after_its_seconds(budget: Any) -> None:
    started = time.perf_counter()
    report = Counted(pause=0.02).examine(budget=budget)
    assert time.perf_counter() - started < 2.0  # the whole check would sleep for a second at least, and load is no bug
    assert report.verdict is INCONCLUSIVE
    assert "the budget of 0.05 seconds was spent" in report.findings[-1].message
    assert report.cost.forward <= 4


def test_seconds_that_suffice_change_nothing() -> None:
    assert Counted().examine(budget=600).findings == Counted().examine().findings


# ---------------------------------------------------------------- budgets that are none

BAD: list[Any] = [0, -1, -0.5, float("nan"), True, "10", [10], (1, 2), {"seconds": 1}]
BAD_FIELDS: list[dict[str, Any]] = [
    {"seconds": -1},
    {"seconds": "1"},
    {"seconds": float("nan")},
    {"seconds": True},
    {"evaluations": -1},
    {"evaluations": 1.5},
    {"evaluations": "10"},
    {"evaluations": True},
]


@pytest.mark.parametrize("budget", BAD)
def test_a_bad_budget_is_a_usage_error(budget: Any) -> None:
    with pytest.raises(gk.UsageError, match="budget="):
        Counted().examine(budget=budget)


@pytest.mark.parametrize("fields", BAD_FIELDS, ids=str)
def test_a_budget_of_bad_fields_cannot_be_made(fields: dict[str, Any]) -> None:
    with pytest.raises(gk.UsageError) as caught:
        gk.Budget(**fields)
    ((name, value),) = fields.items()
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)


def test_no_budget_is_no_limit() -> None:
    assert Counted().examine(budget=None).verdict is PASS
    assert Counted().examine(budget=gk.Budget()).verdict is PASS


# ---------------------------------------------------------------- the cost of a pass

FORWARD, VJP = 70, 12  # of the differences
FORWARD_OF_ALL, VJP_OF_ALL = 80, 30  # with every other question


def chain(*xs: Values) -> Values:
    """s ← s/2 + tanh(x) over the inputs, then sin."""
    s = xs[0]
    for x in xs[1:]:
        s = 0.5 * s + np.tanh(x)
    return np.sin(s)


def chain_vjp(u: Values, *xs: Values) -> list[Values]:
    s = xs[0]
    for x in xs[1:]:
        s = 0.5 * s + np.tanh(x)
    carried = u * np.cos(s)
    gradients = []
    for x in reversed(xs[1:]):
        gradients.append(carried / np.cosh(x) ** 2)
        carried = 0.5 * carried
    return [carried, *reversed(gradients)]


def drawn(count: int, size: int, seed: int) -> list[Values]:
    generator = np.random.default_rng(seed)
    return [generator.uniform(-1, 1, size) for _ in range(count)]


@pytest.mark.parametrize("inputs", [1, 3, 12])
@pytest.mark.parametrize("size", [1, 10, 10_000])
@pytest.mark.parametrize("seed", range(3))
def test_a_smooth_float64_subject_passes_at_a_cost_that_does_not_grow(inputs: int, size: int, seed: int) -> None:
    inputs_drawn = drawn(inputs, size, seed)
    for questions, forward, vjp in ((["directional"], FORWARD, VJP), (None, FORWARD_OF_ALL, VJP_OF_ALL)):
        report = gk.examine(chain, *inputs_drawn, vjp=chain_vjp, seed=seed, questions=questions)
        assert report.verdict is PASS, report
        assert report.cost.forward <= forward
        assert report.cost.vjp <= vjp


SINGLE: dict[str, tuple[Callable[[Values], Values], Callable[[Values], Values]]] = {
    "exp": (np.exp, np.exp),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "linear": (lambda x: 3 * x, lambda x: 3 + 0 * x),
    "bell": (lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x)),
    "softplus": (lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x))),
}


@pytest.mark.parametrize("name", SINGLE)
def test_the_cost_is_that_for_many_functions(name: str) -> None:
    forward, slope = SINGLE[name]
    for questions, forwards, vjps in ((["directional"], FORWARD, VJP), (None, FORWARD_OF_ALL, VJP_OF_ALL)):
        point = drawn(1, 30, 5)[0]
        report = gk.examine(forward, point, vjp=lambda u, x: u * slope(x), names=["x"], questions=questions)
        assert report.verdict is PASS, report
        assert report.cost.forward <= forwards
        assert report.cost.vjp <= vjps


def test_the_cost_that_is_told_is_the_cost() -> None:
    counted = Counted()
    report = counted.examine()
    assert counted.calls == report.cost.forward + report.cost.vjp


def test_a_subject_that_needs_more_is_seen_to_cost_more() -> None:
    """The bounds above can be exceeded: by a function with a kink."""
    report = gk.examine(abs, np.array([0.0, 1.0, -2.0]), vjp=lambda u, x: u * np.sign(x), names=["x"])
    assert report.cost.forward > FORWARD_OF_ALL

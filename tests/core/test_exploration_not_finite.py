"""A search and a check say the same of a gradient that is not finite."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import gradcheck_kit as gk
from gradcheck_kit.exploration.demands import Demands
from gradcheck_kit.exploration.search import searched

PASS, FAIL = gk.Verdict.PASS, gk.Verdict.FAIL
EXAMPLES = 100


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


class Absolute:
    """|x| by the formula x / |x|, which at 0 is NaN."""

    def forward(self, x: Any) -> Any:
        self.x = x
        return abs(x)

    def backward(self, cotangent: Any) -> Any:
        return cotangent * self.x / abs(self.x)


class AbsoluteBySign(Absolute):
    """Right: 0 at 0."""

    def backward(self, cotangent: Any) -> Any:
        return cotangent * np.sign(self.x)


class Norm:
    """The length of each row, by the formula x / ‖x‖."""

    def forward(self, x: Any) -> Any:
        self.x, self.length = x, np.sqrt((x * x).sum(axis=1, keepdims=True))
        return self.length

    def backward(self, cotangent: Any) -> Any:
        return cotangent * self.x / self.length


class GuardedNorm(Norm):
    """Right: 0 for a row of zeros."""

    def backward(self, cotangent: Any) -> Any:
        return cotangent * self.x / np.where(self.length > 0, self.length, 1)


class Root:
    """Right: defined for x ≥ 0, its derivative infinite at 0."""

    def forward(self, x: Any) -> Any:
        self.y = np.sqrt(x)
        return self.y

    def backward(self, cotangent: Any) -> Any:
        return cotangent / (2 * self.y)


def torch_norm(x: torch.Tensor) -> torch.Tensor:
    return torch.sqrt((x * x).sum(dim=1))


TARGETS: dict[str, tuple[Any, gk.Verdict]] = {
    "an absolute value that divides by itself": (Absolute(), FAIL),
    "a norm that divides by itself": (Norm(), FAIL),
    "a norm of torch, composed by autograd": (torch_norm, FAIL),
    "an absolute value": (AbsoluteBySign(), PASS),
    "a guarded norm": (GuardedNorm(), PASS),
    "the norm of torch": (lambda x: torch.linalg.norm(x, dim=1), PASS),
    "a square root, drawn outside its domain too": (Root(), PASS),
    "the square root of torch": (torch.sqrt, PASS),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_search_fails_a_gradient_that_is_not_finite_at_a_kink_and_no_other(name: str) -> None:
    target, verdict = TARGETS[name]
    report = gk.explore(target, x=("n", 3), max_examples=EXAMPLES)
    assert report.verdict is verdict, report
    if verdict is FAIL:
        assert "not-finite" in {finding.cause for finding in report.findings}


@pytest.mark.parametrize("target", [Absolute(), torch_norm])
def test_what_the_search_found_fails_a_check_at_that_point(target: Any) -> None:
    explored = gk.explore(target, x=("n", 3), max_examples=EXAMPLES).exploration
    assert explored is not None
    x = np.array(explored.inputs["x"]["values"], explored.inputs["x"]["dtype"])
    made = torch.from_numpy(x) if target is torch_norm else x
    assert gk.examine(target, made).verdict is FAIL


def test_it_fails_too_where_the_question_about_kinks_is_not_asked() -> None:
    demands = Demands(questions=("contract", "directional"))
    assert searched(Absolute(), {"x": ("n", 3)}, demands, max_examples=EXAMPLES).verdict is FAIL
    assert searched(AbsoluteBySign(), {"x": ("n", 3)}, demands, max_examples=EXAMPLES).verdict is PASS

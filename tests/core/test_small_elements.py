"""An element that is tiny beside its array hides no wrong gradient, and its own kinks raise no alarm."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict

Array = np.ndarray[Any, Any]
TINY = [1e-8, 1e-12, -1e-12, 1e-20, 1e-100]


def roots(x: Array) -> Array:
    """3·x₀, and roots of elements so different in size that each has to move by its own."""
    return np.concatenate([3 * x[:1], np.sqrt(x[1:])])


def slope_of_roots(x: Array) -> Array:
    return np.concatenate([3 * np.ones(1), 0.5 / np.sqrt(x[1:])])


@pytest.mark.parametrize("tiny", TINY)
@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_gradient_of_a_tiny_element_fails_and_is_named(tiny: float, seed: int) -> None:
    point, factor = np.array([tiny, 1e-3, 1.0, 1e3]), np.array([1.01, 1.0, 1.0, 1.0])
    report = gk.examine(roots, point, vjp=lambda u, x: u * slope_of_roots(x) * factor, seed=seed)
    (wrong,) = (finding for finding in report.findings if finding.verdict is Verdict.FAIL)
    assert (wrong.input, wrong.index) == ("x", (0,))
    assert gk.examine(roots, point, vjp=lambda u, x: u * slope_of_roots(x), seed=seed).verdict is Verdict.PASS


STRUCTURED: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "log": lambda x: x.abs().log(),
    "root": lambda x: x.abs().sqrt(),
    "x log x": lambda x: torch.special.xlogy(x.abs(), x.abs()),
    "steep sigmoid": lambda x: torch.sigmoid(1e10 * x),
    "root that is rounded off": lambda x: (x * x + 1e-20).rsqrt(),
    "two slopes": lambda x: torch.where(x > 1e-9, x, 2 * x),
}


@pytest.mark.parametrize("tiny", [*TINY, 1e-30])
@pytest.mark.parametrize("name", STRUCTURED)
def test_structure_at_a_tiny_element_is_no_error(name: str, tiny: float) -> None:
    for seed, others in enumerate(([0.5, -0.25, 1.0], [1e-3, 3.0, -1e3])):
        point = torch.tensor([tiny, *others], dtype=torch.float64)
        assert gk.examine(STRUCTURED[name], point, seed=seed).verdict is not Verdict.FAIL

"""What kept a derivative from being sharp is told as it is: rounding where rounding explains it, and else not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gradcheck_kit as gk
from gradcheck_kit.differences.estimate import Obstacle

Array = npt.NDArray[Any]

POINT = np.linspace(0.1, 1.0, 5)


@pytest.mark.parametrize(
    ("forward", "cause"),
    [
        (lambda x: 1e8 + np.sin(x), "noise"),
        (lambda x: 1e12 + np.sin(x), "noise"),
        (lambda x: (np.sin(x) + 5e7) - 5e7, "unexplained"),  # a bound, but too wide
        (lambda x: (np.sin(x) + 1e8) - 1e8, "unexplained"),  # no bound at all
    ],
    ids=["a large constant", "a larger one", "fewer digits inside than are returned", "still fewer"],
)
def test_too_few_digits_in_the_result_are_noise_and_fewer_than_it_shows_are_unexplained(
    forward: Callable[[Array], Array], cause: str
) -> None:
    report = gk.examine(gk.function(forward, POINT, vjp=lambda u, x: u * np.cos(x)), questions="directional")
    (finding,) = report.findings
    assert (finding.verdict, finding.cause) == (gk.Verdict.INCONCLUSIVE, cause)
    assert Obstacle[cause.upper()].value in finding.message

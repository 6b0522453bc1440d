"""At the edge of a domain a dither may leave it, and then whatever the user's code raises there is no crash."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict

Values = npt.NDArray[Any]
P = np.linspace(0.5, 1.0, 6).reshape(2, 3)


class OutsideError(Exception):
    """A class of the user's own."""


RAISED = pytest.mark.parametrize("error", [ValueError, AssertionError, OutsideError])


def entropy(error: type[Exception], factor: float = 1.0) -> gk.Subject:
    """Defined up to p = 1, where P ends; its gradient is `factor` times the right one."""

    def inside(p: Values) -> Values:
        if (p > 1.0).any():
            raise error("a probability above 1")
        return p

    def vjp(u: Values, p: Values) -> Values:
        return factor * u * (np.log(inside(p)) + 1.0)

    return gk.function(lambda p: inside(p) * np.log(p), P, vjp=vjp, names=["p"])


@RAISED
def test_a_check_at_the_edge_says_that_a_step_leaves_the_domain(error: type[Exception]) -> None:
    report = gk.examine(entropy(error))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "leaves the function's domain" in str(report)


@RAISED
def test_a_comparison_at_the_edge_passes_what_is_right(error: type[Exception]) -> None:
    assert gk.parity(entropy(error), entropy(error)).verdict is Verdict.PASS


@RAISED
def test_a_comparison_at_the_edge_fails_what_is_wrong(error: type[Exception]) -> None:
    assert gk.parity(entropy(error), entropy(error, 1 + 1e-10)).verdict is Verdict.FAIL

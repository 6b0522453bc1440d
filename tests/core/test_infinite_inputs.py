"""An input that is not finite cannot be moved: that is said, and nobody's backward is called wrong for it."""

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
def test_an_input_that_is_not_finite_is_inconclusive_and_named(number: float) -> None:
    point = np.array([number, 1.0])
    report = gk.examine(
        lambda x: np.tanh(np.nan_to_num(x)), point, vjp=lambda u, x: u * (1 - np.tanh(np.nan_to_num(x)) ** 2)
    )
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "the input x is not finite" in str(report)


def test_a_mask_of_infinities_that_is_held_fixed_is_no_obstacle() -> None:
    mask = np.array([0.0, -np.inf, 0.0])

    def weights(x: np.ndarray, bias: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        e = np.exp(x + bias)
        return e / e.sum()

    def vjp(u: np.ndarray, x: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, None]:  # type: ignore[type-arg]
        p = weights(x, bias)
        return p * (u - (u * p).sum()), None

    assert gk.examine(weights, np.array([0.5, 1.0, -0.25]), mask, vjp=vjp, wrt="x").verdict is Verdict.PASS

"""The weights of extrapolation and of the noise estimate are the closed forms, and measured noise is the true one."""

from fractions import Fraction
from itertools import pairwise
from math import prod

import mpmath
import numpy as np
import pytest

from gradcheck_kit.differences import extrapolation, noise

RUNGS = 6
ORDERS = [(k, j) for k in range(RUNGS) for j in range(min(k, extrapolation.COLUMNS - 1) + 1)]

# ---------------------------------------------------------------- weights


def lagrange(k: int, j: int) -> list[Fraction]:
    """The closed form: the weights that extrapolate a polynomial of degree j in h² to h = 0."""
    squares = [Fraction(1, 4**i) for i in range(RUNGS)]
    weights = [Fraction(0)] * RUNGS
    for m in range(k - j, k + 1):
        weights[m] = prod((squares[i] / (squares[i] - squares[m]) for i in range(k - j, k + 1) if i != m), start=1)
    return weights


@pytest.mark.parametrize(("k", "j"), ORDERS)
def test_romberg_weights_are_the_closed_form(k: int, j: int) -> None:
    found = extrapolation._weights(RUNGS)[k, j]
    for weight, exact in zip(found, lagrange(k, j), strict=True):
        assert abs(Fraction(float(weight)) - exact) <= Fraction(1, 2**50)


@pytest.mark.parametrize(("k", "j"), ORDERS)
def test_romberg_weights_sum_to_one_and_annihilate_the_even_powers(k: int, j: int) -> None:
    exact = lagrange(k, j)
    found = [Fraction(float(weight)) for weight in extrapolation._weights(RUNGS)[k, j]]
    for power in range(j + 1):
        wanted = 1 if power == 0 else 0
        moments = [Fraction(1, 4 ** (i * power)) for i in range(RUNGS)]
        assert sum(w * m for w, m in zip(exact, moments, strict=True)) == wanted
        assert abs(sum(w * m for w, m in zip(found, moments, strict=True)) - wanted) <= Fraction(1, 2**49)
    beyond = sum(w * Fraction(1, 4 ** (i * (j + 1))) for i, w in enumerate(exact))
    assert beyond != 0  # one power more is not annihilated: the order is what it says


@pytest.mark.parametrize("j", range(extrapolation.COLUMNS))
def test_the_error_of_each_column_falls_with_its_order(j: int) -> None:
    steps = [2.0**-k for k in range(1, RUNGS + 1)]
    weights = extrapolation._weights(RUNGS)
    central = np.array([float((mpmath.exp(h) - mpmath.exp(-h)) / (2 * mpmath.mpf(h))) for h in steps])
    errors = [abs(float(weights[k, j] @ central) - 1.0) for k in range(j, RUNGS)]
    for coarse, fine in pairwise(errors):
        if fine > 1e-13:  # above rounding
            assert coarse / fine == pytest.approx(4.0 ** (j + 1), rel=0.3)


def test_fourth_difference_weights_annihilate_cubics_and_have_squared_sum_70() -> None:
    weights = [Fraction(float(w)) for w in noise.FOURTH_DIFFERENCE]
    for power in range(4):
        for start in (-2, 0, 5):
            assert sum(w * Fraction(start + i) ** power for i, w in enumerate(weights)) == 0
    assert sum(w * Fraction(i) ** 4 for i, w in enumerate(weights)) != 0
    assert sum(w * w for w in weights) == 70


# ---------------------------------------------------------------- noise


@pytest.mark.parametrize("sigma", [1e-16, 1e-8, 1.0, 1e6])
@pytest.mark.parametrize("count", [50, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_measured_noise_is_the_true_one_to_a_factor_of_three(sigma: float, count: int, seed: int) -> None:
    """One evaluation's noise: σ in every output, and σ·√count in their sum."""
    generator = np.random.default_rng(seed)
    slope = generator.normal(size=count)
    slope -= slope.mean()
    cluster = [sigma * (0.01 * j * slope + generator.normal(size=count)) for j in noise.OFFSETS]
    measured = noise.measure(cluster, 0.0).sigma
    assert sigma * np.sqrt(count) / 3 <= measured <= 3 * sigma * np.sqrt(count)


def test_noise_is_never_below_its_floor_and_a_cubic_has_none() -> None:
    cubic = [np.array([1.0 + j + 2.0 * j**2 - j**3] * 9) for j in noise.OFFSETS]
    assert noise.measure(cubic, 0.0).sigma == 0.0
    assert noise.measure(cubic, 0.25).sigma == 0.25
    assert noise.measure([v[:1] for v in cubic], 0.25).sigma > 0.25  # few outputs: widened
    assert noise.measure(cubic, 0.25).unexplained == 1.0
    assert noise.Noise(1.0, 0.0).unexplained == np.inf

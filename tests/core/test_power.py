"""How small an error is caught in float64 without any option; the right gradient of the same function passes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import gradcheck_kit as gk

Values = npt.NDArray[np.float64]
SEEDS = range(5)


@dataclass(frozen=True)
class Subtle:
    """An elementwise function, its derivative, where it is asked, and how the gradient is spoilt."""

    f: Callable[[Values], Values]
    derivative: Callable[[Values], Values]
    draw: Callable[[np.random.Generator], Values]
    spoil: Callable[[Values], Values]

    def examine(self, seed: int, spoilt: bool) -> gk.Report:
        x = self.draw(np.random.default_rng(seed))

        def vjp(u: Values, at: Values) -> Values:
            gradient = u * self.derivative(at)
            return self.spoil(gradient) if spoilt else gradient

        return gk.examine(self.f, x, vjp=vjp, names=["x"], seed=seed)


def normal(count: int) -> Callable[[np.random.Generator], Values]:
    return lambda g: g.normal(size=count)


def times(factor: float) -> Callable[[Values], Values]:
    return lambda gradient: gradient * factor


def one_times(factor: float) -> Callable[[Values], Values]:
    def spoil(gradient: Values) -> Values:
        largest = int(np.argsort(abs(gradient))[len(gradient) // 2])  # one of ordinary size
        return np.where(np.arange(len(gradient)) == largest, factor * gradient, gradient)

    return spoil


def decades(g: np.random.Generator) -> Values:
    return g.normal(size=19) * 10.0 ** np.arange(-9, 10)


SUBTLE = {
    "a factor 1 + 1e-8 everywhere": Subtle(np.sin, np.cos, normal(30), times(1 + 1e-8)),
    "one element of 10 wrong by 1e-8": Subtle(np.sin, np.cos, normal(10), one_times(1 + 1e-8)),
    "one element of 10,000 wrong by 1e-6": Subtle(np.sin, np.cos, normal(10_000), one_times(1 + 1e-6)),
    "a gradient of 1e-7 that is zero": Subtle(lambda x: 1e-7 * x, lambda x: 0 * x + 1e-7, normal(6), times(0.0)),
    "a gradient of 1e-7 with the wrong sign": Subtle(
        lambda x: 1e-7 * x, lambda x: 0 * x + 1e-7, normal(6), times(-1.0)
    ),
    "1.001 in 1e8 + x²": Subtle(lambda x: 1e8 + x * x, lambda x: 2 * x, lambda g: 3 + g.normal(size=6), times(1.001)),
    "1.001 at x near 1e8": Subtle(lambda x: x * x, lambda x: 2 * x, lambda g: 1e8 + g.normal(size=6), times(1.001)),
    "1.001 over 18 orders of magnitude": Subtle(lambda x: x * x, lambda x: 2 * x, decades, times(1.001)),
    "1.001 in sin(50x)": Subtle(lambda x: np.sin(50 * x), lambda x: 50 * np.cos(50 * x), normal(10), times(1.001)),
}


@pytest.mark.parametrize("name", SUBTLE)
def test_a_subtle_error_is_caught_and_the_right_gradient_passes(name: str) -> None:
    for seed in SEEDS:
        wrong, right = (SUBTLE[name].examine(seed, spoilt) for spoilt in (True, False))
        assert wrong.verdict is gk.Verdict.FAIL, f"seed {seed}\n{wrong}"
        assert right.verdict is gk.Verdict.PASS, f"seed {seed}\n{right}"


@pytest.mark.parametrize("factor", [-1.0, 1.0, 1.5])
def test_what_rounding_hides_altogether_is_never_called_right(factor: float) -> None:
    """x² beside 1e8 is below the last place of float32: its forward is constant, its gradient is not."""
    x = np.linspace(1.0, 3.0, 6, dtype=np.float32)
    report = gk.examine(
        lambda x: np.float32(1e8) + x * x, x, vjp=lambda u, x: np.float32(2 * factor) * x * u, reference="native"
    )
    assert report.verdict is gk.Verdict.INCONCLUSIVE, str(report)


def torch_layers() -> dict[str, tuple[Any, tuple[int, ...]]]:
    nn = torch.nn
    return {
        "Linear": (nn.Linear(6, 4), (5, 6)),
        "Conv2d": (nn.Conv2d(2, 3, 3), (2, 2, 6, 6)),
        "LayerNorm": (nn.LayerNorm(6), (5, 6)),
        "BatchNorm1d": (nn.BatchNorm1d(6), (5, 6)),
        "GELU": (nn.GELU(), (5, 6)),
        "ReLU": (nn.ReLU(), (5, 6)),
        "MaxPool2d": (nn.MaxPool2d(2), (2, 2, 6, 6)),
        "Softmax": (nn.Softmax(-1), (5, 6)),
    }


@pytest.mark.parametrize("name", list(torch_layers()))
def test_torchs_own_layers_in_float32_are_never_a_failure_beside_float64_or_alone(name: str) -> None:
    for seed in range(10):
        torch.manual_seed(seed)
        module, shape = torch_layers()[name]
        x = torch.randn(shape)
        assert gk.examine(module, x, seed=seed).verdict is gk.Verdict.PASS, f"{name}, seed {seed}"
        assert gk.examine(module, x, seed=seed, reference="native").verdict is not gk.Verdict.FAIL, (
            f"{name}, seed {seed}"
        )

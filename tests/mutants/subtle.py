"""Gradients that are wrong by very little, or where little is left to see it by; each with the right one beside it.

Planted bugs, and right gradients beside them, live in `tests.mutants` alone: the benchmarks draw from there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import gradcheck_kit as gk

Values = npt.NDArray[np.float64]
Spoil = Callable[[Values, Values], Values]


@dataclass(frozen=True)
class Subtle:
    """An elementwise function, its derivative, where it is asked, and how the gradient is spoilt.

    Attributes:
        f, derivative: float64 array (n,) → float64 array (n,).
        draw: generator → the point, float64 (n,).
        spoil: the right gradient and the derivative, both (n,) → the wrong gradient. Linear in the gradient.
    """

    f: Callable[[Values], Values]
    derivative: Callable[[Values], Values]
    draw: Callable[[np.random.Generator], Values]
    spoil: Spoil

    def vjp(self, u: Values, at: Values, spoilt: bool) -> Values:
        derivative = self.derivative(at)
        return self.spoil(u * derivative, derivative) if spoilt else u * derivative

    def examine(self, seed: int, spoilt: bool) -> gk.Report:
        x = self.draw(np.random.default_rng(seed))
        return gk.examine(self.f, x, vjp=lambda u, at: self.vjp(u, at, spoilt), names=["x"], seed=seed)


def normal(count: int) -> Callable[[np.random.Generator], Values]:
    return lambda g: g.normal(size=count)


def times(factor: float) -> Spoil:
    return lambda gradient, _: gradient * factor


def one_times(factor: float) -> Spoil:
    """One element times a factor: one whose derivative is of the array's root-mean-square size, or nearly."""

    def spoil(gradient: Values, derivative: Values) -> Values:
        size = np.sqrt(np.mean(derivative**2))
        ordinary = int(np.argmin(abs(abs(derivative) - size)))
        return np.where(np.arange(len(gradient)) == ordinary, factor * gradient, gradient)

    return spoil


def _decades(g: np.random.Generator) -> Values:
    return g.normal(size=19) * 10.0 ** np.arange(-9, 10)


def _tiny(spoil: Spoil) -> Subtle:
    return Subtle(lambda x: 1e-7 * x, lambda x: 0 * x + 1e-7, normal(6), spoil)


def _square(draw: Callable[[np.random.Generator], Values]) -> Subtle:
    return Subtle(lambda x: x * x, lambda x: 2 * x, draw, times(1.001))


SUBTLE = {
    "a factor 1 + 1e-8 everywhere": Subtle(np.sin, np.cos, normal(30), times(1 + 1e-8)),
    "one element of 10 wrong by 1e-8": Subtle(np.sin, np.cos, normal(10), one_times(1 + 1e-8)),
    "one element of 10,000 wrong by 1e-6": Subtle(np.sin, np.cos, normal(10_000), one_times(1 + 1e-6)),
    "a gradient of 1e-7 that is zero": _tiny(times(0.0)),
    "a gradient of 1e-7 with the wrong sign": _tiny(times(-1.0)),
    "1.001 in 1e8 + x²": Subtle(lambda x: 1e8 + x * x, lambda x: 2 * x, lambda g: 3 + g.normal(size=6), times(1.001)),
    "1.001 at x near 1e8": _square(lambda g: 1e8 + g.normal(size=6)),
    "1.001 over 18 orders of magnitude": _square(_decades),
    "1.001 in sin(50x)": Subtle(lambda x: np.sin(50 * x), lambda x: 50 * np.cos(50 * x), normal(10), times(1.001)),
}

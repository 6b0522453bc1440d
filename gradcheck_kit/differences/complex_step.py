"""The complex step: Im f(x + i·h·v)/h is the directional derivative, without a difference and so without cancellation.

Lyness & Moler 1967, "Numerical differentiation of analytic functions", SIAM J. Numer. Anal. 4, p. 202; Squire & Trapp
1998, "Using complex variables to estimate derivatives of real functions", SIAM Review 40, p. 110. h can be so small
that no truncation is left. It holds for analytic functions alone: one that drops the imaginary part on its way (abs, a
comparison, .real, a cast) gives a wrong number in silence. It is an oracle to compare with, never the judge.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck_kit.differences.derivative import expect_a_direction, named, point_and_tangents
from gradcheck_kit.space import norm, root_mean_square
from gradcheck_kit.subject import UsageError, in_words

STEP = 2.0**-332  # about 1e-100: its square vanishes beside 1, and is not yet subnormal
DIFFERENCE_STEP = 2.0**-17  # of a plain central difference, good to nine digits or so
PLAUSIBLE = 1e-3  # an imaginary part that was dropped makes a difference of order 1

Values = npt.NDArray[Any]


def complex_step(function: Callable[..., Any], point: Any, tangents: Any, *, cotangent: Any = None) -> float:
    """⟨u, J·v⟩ by the complex step, to the last digits of float64.

    Args:
        function: analytic in NumPy arrays → one array, a tuple or list, or a dict of arrays.
        point: one array, a tuple or list of arrays, or a dict of them (keyword arguments), taken as float64;
            integer ones are held fixed.
        tangents: v, in the structure of `point`; None for an argument that is held fixed.
        cotangent: u, in the structure of the outputs; may be left out for a single output of one element.

    Raises:
        UsageError: `function` does not take complex numbers, returns real ones, returns another real part for them, or
            its result is far from a plain central difference: it drops imaginary parts on its way. A function on a
            kink, or one that no difference can resolve, is refused as well.
    """
    x, v = point_and_tangents(point, tangents)
    expect_a_direction(bool(np.any(d)) for d in v.values())
    base = {n: np.array(a, np.float64) if np.asarray(a).dtype.kind == "f" else np.array(a) for n, a in x.items()}
    moving = {n: np.asarray(d, np.float64) for n, d in v.items()}

    def at(t: complex) -> dict[str, Values]:
        moved = {n: base[n] + t * moving[n] if n in moving else base[n].copy() for n in base}
        returned = function(**moved) if isinstance(point, Mapping) else function(*moved.values())
        return {name: np.asarray(y) for name, y in named(returned).items()}

    real = at(0.0)
    weights = _weights(real, cotangent)
    lifted = _lifted(at)
    for name in weights:
        if lifted[name].dtype.kind != "c":
            raise UsageError("the function returns real numbers for complex ones: it drops the imaginary part")
        if not np.allclose(lifted[name].real, real[name], rtol=1e-9, atol=1e-300):
            raise UsageError("the function's real part is another for complex arguments: it is not analytic")
    terms = {n: u * lifted[n].imag / STEP for n, u in weights.items()}
    _expect_plausible(at, weights, terms, _difference_step(base, moving))
    return float(sum(term.sum() for term in terms.values()))


def _weights(outputs: Mapping[str, Values], cotangent: Any) -> dict[str, Values]:
    if cotangent is None:
        if [y.size for y in outputs.values()] != [1]:
            raise UsageError(f"the outputs have shapes {[y.shape for y in outputs.values()]}; pass cotangent=")
        return {name: np.ones(y.shape) for name, y in outputs.items()}
    given = {name: np.asarray(u, np.float64) for name, u in named(cotangent).items() if u is not None}
    if not given or any(name not in outputs or outputs[name].shape != u.shape for name, u in given.items()):
        raise UsageError("cotangent= has another structure or other shapes than the outputs")
    return given


def _lifted(at: Callable[[complex], dict[str, Values]]) -> dict[str, Values]:
    try:
        with np.errstate(all="ignore"):
            return at(1j * STEP)
    except Exception as error:
        raise UsageError(
            f"the function does not take complex numbers ({in_words(error, None)}); use directional_derivative"
        ) from error


def _difference_step(base: Mapping[str, Values], moving: Mapping[str, Values]) -> float:
    ratios = [
        (root_mean_square(base[n].reshape(-1)) or 1.0) / root_mean_square(v.reshape(-1))
        for n, v in moving.items()
        if v.any()
    ]
    return DIFFERENCE_STEP * min(ratios)


def _expect_plausible(
    at: Callable[[complex], dict[str, Values]], weights: Mapping[str, Values], terms: Mapping[str, Values], h: float
) -> None:
    """The contributions of the outputs, compared as vectors, since an error in one may cancel in the sum."""
    with np.errstate(all="ignore"):
        up, down = at(h), at(-h)
        plain = np.concatenate([(u * (up[n] - down[n]) / (2 * h)).reshape(-1) for n, u in weights.items()])
        grain = max(norm((u * up[n]).reshape(-1)) for n, u in weights.items()) * 2.0**-50 / h
    exact = np.concatenate([term.reshape(-1) for term in terms.values()])
    far = np.linalg.norm(plain - exact)
    if not far <= PLAUSIBLE * np.linalg.norm(plain) + grain:
        raise UsageError(
            f"the complex step is {far:.1g} off a plain central difference of {np.linalg.norm(plain):.1g}: the "
            "function drops imaginary parts on its way (abs, a comparison, .real, a cast); use directional_derivative"
        )

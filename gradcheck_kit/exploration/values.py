"""Values of one array, from a seed: ordinary ones, and those at which gradients go wrong."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gradcheck_kit.exploration.axes import Axes
from gradcheck_kit.space import FloatVector

Values = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Values]

SPECIAL = (
    0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    3.0,
    6.0,
    -6.0,
    1e-3,
    20.0,
    -20.0,
)  # bounds of clips, of saturation, of branches


def _normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    return generator.normal(size=shape)


def _scaled(scale: float) -> Draw:
    return lambda generator, shape: scale * generator.normal(size=shape)


def _one_sign(sign: float) -> Draw:
    return lambda generator, shape: sign * abs(generator.normal(size=shape))


def _integers(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Small ones, so that there are ties and zeros."""
    return generator.integers(-3, 4, shape).astype(np.float64)


def _halves(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    return generator.integers(-12, 13, shape) / 2.0


def _one_tie(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Ordinary numbers, one of them twice in its last axis (or anywhere, where that has one element)."""
    values = generator.normal(size=shape)
    flat: FloatVector = values.reshape(-1)
    if len(flat) > 1:
        first = int(generator.integers(len(flat) - 1))
        flat[first + 1] = flat[first]
    return flat.reshape(shape)


def _sparse(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    return generator.normal(size=shape) * (generator.random(shape) < 0.3)


def _equal_rows(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    return np.array(np.broadcast_to(generator.normal(size=shape[1:]), shape)) if shape else generator.normal(size=())


def _zeros(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    return np.zeros(shape)


def _special(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    return generator.choice(np.array(SPECIAL), shape)


def _wide(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Magnitudes from 1e-3 to 1e3 side by side."""
    return np.asarray(10.0 ** generator.uniform(-3, 3, shape) * generator.choice([-1.0, 1.0], shape))


KINDS: dict[str, Draw] = {
    "normal": _normal,
    "integers": _integers,
    "times 4": _scaled(4.0),
    "one tie": _one_tie,
    "positive": _one_sign(1.0),
    "negative": _one_sign(-1.0),
    "times 30": _scaled(30.0),
    "times 1e3": _scaled(1e3),
    "times 1e-6": _scaled(1e-6),
    "halves": _halves,
    "sparse": _sparse,
    "equal rows": _equal_rows,
    "zeros": _zeros,
    "special": _special,
    "wide": _wide,
}
"""Every kind of values by name; a draw gives float64 of any shape."""


def drawn(
    axes: Axes, kind: str, generator: np.random.Generator, lengths: dict[str, int], dtype: str
) -> npt.NDArray[np.generic]:
    """An array of one kind.

    Args:
        axes: the array's axes and domain.
        kind: one of `KINDS`; for integers it makes no difference.
        generator: where the values come from.
        lengths: of the named axes.
        dtype: of floating-point arrays, such as "float32".
    """
    shape = axes.shape(lengths)
    if axes.below is not None:
        return generator.integers(0, max(axes.classes(lengths), 1), shape)
    values = np.asarray(KINDS[kind](generator, shape))
    return _inside(values, axes.within).astype(dtype)


def _inside(values: Values, within: tuple[float, float]) -> Values:
    """Values moved into an open interval: reflected at one end, or folded between two; ties stay ties."""
    low, high = within
    if math.isfinite(low) and math.isfinite(high):
        folded = 0.5 + np.arctan(values) / np.pi  # (0, 1), and short decimals do not matter yet
        return np.asarray(low + (high - low) * np.clip(folded, 1e-3, 1.0 - 1e-3))
    if math.isfinite(low):
        return np.asarray(low + np.where(values == 0.0, 1.0, abs(values)))
    if math.isfinite(high):
        return np.asarray(high - np.where(values == 0.0, 1.0, abs(values)))
    return values

"""Where do weights start? He et al. (2015) for ReLU, Glorot & Bengio (2010) for sigmoid and linear layers.

Both draw float64 numbers from the generator and cast them, so that networks of every dtype start from the
same weights up to rounding, and leave the generator in the same state.
"""

from typing import Any, Literal, TypeAlias

import numpy as np

from reference_impls.layers.layer import Array

Initialization: TypeAlias = Literal["he", "glorot"]


def he(rng: np.random.Generator, fan_in: int, fan_out: int, dtype: np.dtype[Any]) -> Array:
    """Return W of shape (fan_in, fan_out), normal with mean 0 and standard deviation sqrt(2 / fan_in)."""
    return rng.normal(0.0, np.sqrt(2 / fan_in), (fan_in, fan_out)).astype(dtype)


def glorot(rng: np.random.Generator, fan_in: int, fan_out: int, dtype: np.dtype[Any]) -> Array:
    """Return W of shape (fan_in, fan_out), uniform within ±sqrt(6 / (fan_in + fan_out))."""
    limit = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, (fan_in, fan_out)).astype(dtype)


INITIALIZATIONS = {"he": he, "glorot": glorot}

"""How are gradients summed? In at least float32, and back to the shape an input had before broadcasting."""

from typing import Any

import numpy as np

from reference_impls.layers.layer import Array


def sum_over(array: Array, axes: int | tuple[int, ...] | None, *, keepdims: bool = False) -> Array:
    """Return the sum over ``axes`` (None: all) as a fresh array of the same dtype.

    float16 is added up in float32: added one by one in float16, ten thousand ones make 2048.
    """
    accumulator = np.promote_types(array.dtype, np.float32)
    return np.asarray(np.sum(array, axis=axes, dtype=accumulator, keepdims=keepdims), dtype=array.dtype)


def sum_to_shape(gradient: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return the adjoint of broadcasting ``shape`` to ``gradient.shape``, as a fresh array of ``dtype``.

    Where one number was repeated along an axis, its gradient is the sum along that axis.
    """
    new_axes = gradient.ndim - len(shape)
    repeated = [new_axes + i for i, length in enumerate(shape) if length == 1]
    summed = sum_over(gradient, (*range(new_axes), *repeated))
    return summed.reshape(shape).astype(dtype, copy=False)

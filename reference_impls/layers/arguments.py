"""Is this argument what the layer needs? If not: what was passed, what belongs there, what to type."""

import math
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from reference_impls.layers.layer import Array

Pair: TypeAlias = tuple[int, int]

FLOAT_DTYPES = (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64))


def float_dtype(owner: str, dtype: Any) -> np.dtype[Any]:
    """Return ``dtype`` as a NumPy dtype; TypeError unless it is float16, float32 or float64."""
    for allowed in FLOAT_DTYPES:
        if dtype is not None and allowed == dtype:
            return allowed
    raise TypeError(f"{owner}: dtype is {dtype!r}; pass np.float16, np.float32 or np.float64")


def is_array(value: object) -> bool:
    """Is ``value`` a NumPy array or a NumPy scalar?"""
    return isinstance(value, np.ndarray | np.generic)


def is_python_number(value: object) -> bool:
    """Is ``value`` a bare Python int or float, which has no dtype of its own?"""
    return type(value) in (int, float)


def float_array(owner: str, name: str, value: object) -> Array:
    """Return ``value``, a float16/32/64 array or NumPy scalar, as an uncopied array; else TypeError."""
    array = real_array(owner, name, value)
    if array.dtype not in FLOAT_DTYPES:
        raise TypeError(
            f"{owner}: {name} is {array.dtype}, which is not float16, float32 or float64; "
            f"pass {name}.astype(np.float64)"
        )
    return array


def real_array(owner: str, name: str, value: object) -> Array:
    """Return ``value``, an array of bools, integers or floats, as an uncopied array; else TypeError."""
    if not is_array(value):
        raise TypeError(
            f"{owner}: {name} is a {type(value).__name__}, not a NumPy array; "
            f"pass np.asarray({name}, dtype=np.float64) or another fitting dtype"
        )
    array = np.asarray(value)
    if array.dtype.kind == "c":
        raise TypeError(f"{owner}: {name} is {array.dtype}; only real numbers work here, pass {name}.real")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{owner}: {name} has dtype {array.dtype}; pass {name}.astype(np.float64)")
    return array


def cotangent_array(owner: str, cotangent: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return ``cotangent`` cast to the output's dtype; ValueError unless it has the output's shape."""
    if is_python_number(cotangent):
        cotangent = np.asarray(cotangent, dtype=dtype)
    array = float_array(owner, "cotangent", cotangent)
    if array.shape != shape:
        raise ValueError(
            f"{owner}: cotangent has shape {array.shape}, the output has shape {shape}; "
            f"pass a cotangent of shape {shape}"
        )
    return array.astype(dtype, copy=False)


def same_dtype(owner: str, name: str, array: Array, other_name: str, other: Array) -> None:
    """TypeError unless both arrays have one dtype."""
    if array.dtype != other.dtype:
        raise TypeError(
            f"{owner}: {name} is {array.dtype}, {other_name} is {other.dtype}; "
            f"pass {name}.astype(np.{other.dtype}) or cast {other_name} to {array.dtype}"
        )


def target_like(owner: str, target: object, prediction_name: str, prediction: Array) -> Array:
    """Return ``target``, of any real dtype, cast to the prediction's; ValueError if the shapes differ."""
    array = real_array(owner, "target", target)
    if array.shape != prediction.shape:
        # Broadcasting (N,) against (N, 1) would quietly compare all pairs.
        raise ValueError(
            f"{owner}: target has shape {array.shape}, {prediction_name} has shape {prediction.shape}; "
            + (
                f"pass target.reshape({prediction.shape})"
                if array.size == prediction.size
                else f"pass a target of shape {prediction.shape}"
            )
        )
    return array.astype(prediction.dtype, copy=False)


def within_unit_interval(owner: str, name: str, array: Array) -> None:
    """ValueError, naming the first offender, unless every element lies in [0, 1]; nan does not."""
    outside = ~((array >= 0) & (array <= 1))
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"{owner}: {name} is {array[index]} at index {index}, outside [0, 1]; "
            "pass probabilities, such as the output of Sigmoid"
        )


def class_labels(owner: str, labels: object, rows: int, classes: int) -> Array:
    """Return ``labels``: integers (rows,) in [0, classes), or targets (rows, classes) of any real dtype.

    Raises:
        TypeError: labels are no real array, or one-dimensional and not integers.
        ValueError: another shape, or a label outside the classes (the first such row is named).
    """
    array = real_array(owner, "labels", labels)
    if array.shape == (rows, classes):
        return array
    if array.shape != (rows,):
        raise ValueError(
            f"{owner}: labels have shape {array.shape}; pass integers of shape ({rows},) or one-hot or soft "
            f"labels of shape ({rows}, {classes}), to match logits of shape ({rows}, {classes})"
        )
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{owner}: labels of shape ({rows},) are class numbers but have dtype {array.dtype}; "
            "pass labels.astype(np.int64)"
        )
    outside = (array < 0) | (array >= classes)
    if outside.any():
        row = int(np.argmax(outside))
        raise ValueError(
            f"{owner}: label {array[row]} in row {row} is no class; pass labels from 0 to {classes - 1}, "
            f"for logits of {classes} classes"
        )
    return array.astype(np.intp, copy=False)


def batch_of_rows(owner: str, x: Array, features: int, parameter_shape: tuple[int, ...]) -> Array:
    """Return ``x`` (batch, ...) as (batch, features); ValueError if a row has another number of features."""
    if x.ndim < 2:
        raise ValueError(
            f"{owner}: x has shape {x.shape}, which has no batch axis beside the features; "
            "pass x[np.newaxis, :] for a single row or x[:, np.newaxis] for one feature a row"
        )
    row_size = math.prod(x.shape[1:])
    if row_size != features:
        raise ValueError(
            f"{owner}: x has {row_size} features a row (shape {x.shape}), W takes {features} (shape "
            f"{parameter_shape}); pass x with {features} features a row or W with {row_size} rows"
        )
    # Not reshape(batch, -1), which an empty batch leaves undecided.
    return x.reshape(x.shape[0], features)


def image_batch(owner: str, x: object) -> Array:
    """Return ``x``, a float16/32/64 array of shape (batch, channels, rows, columns), uncopied."""
    array = float_array(owner, "x", x)
    if array.ndim != 4:
        hint = "pass x[np.newaxis] for a single image" if array.ndim == 3 else "reshape x"
        raise ValueError(f"{owner}: x has shape {array.shape}, not (batch, channels, rows, columns); {hint}")
    return array


def integer(owner: str, name: str, value: object, wanted: str = "an integer") -> int:
    """Return ``value`` as a Python int; TypeError, asking for what is ``wanted``, unless it is one: a bool is none."""
    if not _is_integer(value):
        raise TypeError(f"{owner}: {name} is {value!r}; pass {wanted}")
    return int(value)


def _is_integer(value: object) -> TypeGuard[int | np.integer[Any]]:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def integer_pair(owner: str, name: str, value: object, least: int) -> Pair:
    """Return (rows, columns) of an integer, which stands for both, or of a pair; each at least ``least``.

    Raises:
        TypeError: no integer and no pair of integers.
        ValueError: an integer below ``least``.
    """
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(map(_is_integer, pair)):
        raise TypeError(f"{owner}: {name} is {value!r}; pass an integer or a pair (rows, columns) of integers")
    rows, columns = int(pair[0]), int(pair[1])
    if min(rows, columns) < least:
        raise ValueError(f"{owner}: {name} is {value!r}; pass integers of at least {least}")
    return rows, columns


def real_number(owner: str, name: str, value: object, low: float, high: float = math.inf) -> float:
    """Return ``value`` as a Python float; TypeError unless it is a number, ValueError outside [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{owner}: {name} is {value!r}, not a number; pass a float")
    number = float(value)
    if not (low <= number <= high and math.isfinite(number)):
        span = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        raise ValueError(f"{owner}: {name} is {number:g}; pass a finite number {span}")
    return number


def check_generator(owner: str, rng: object) -> None:
    """TypeError unless ``rng`` is a NumPy Generator."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{owner}: rng is a {type(rng).__name__}; pass np.random.default_rng(0)")

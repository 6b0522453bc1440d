"""Numerical derivatives for whoever wants the number itself, with its error, without a gradient to check.

No step, no tolerance: `directional_derivative(f, x, v)` is an `Estimate` whose `.error` bounds |value − truth|.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from math import frexp, hypot, inf, isfinite
from typing import Any

import numpy as np

from gradcheck_kit.differences.estimate import Estimate, Obstacle, Sample
from gradcheck_kit.differences.extrapolation import size
from gradcheck_kit.differences.ladder import differentiate
from gradcheck_kit.differences.line import Line, scheme_for
from gradcheck_kit.differences.noise import OFFSETS
from gradcheck_kit.differences.one_sided import one_sided
from gradcheck_kit.differences.scheme import Scheme
from gradcheck_kit.space import FORMATS, Array, Arrays, Library, NumPy, Vector, copies_of, root_mean_square
from gradcheck_kit.subject import UsageError

SIDES = {"both": 0, "right": 1, "left": -1}


def directional_derivative(
    function: Callable[..., Any],
    point: Any,
    tangents: Any,
    *,
    cotangent: Any = None,
    side: str = "both",
    library: Library | None = None,
) -> Estimate:
    """⟨u, J·v⟩ of any function of arrays, with a bound on its own error.

    Args:
        function: arrays → one array, a tuple or list of arrays, or a dict of arrays.
        point: one array, a tuple or list of arrays (positional arguments), or a dict of arrays (keyword arguments), in
            float16, bfloat16, float32 or float64, of any shape; integer ones are held fixed. None is changed.
        tangents: v, in the structure of `point`; None for an argument that is held fixed. Taken in the dtype of its
            argument.
        cotangent: u, in the structure of the outputs; may be left out for a single output of one element.
        side: "both" for central differences; "right" or "left" for the one-sided derivative, which evaluates nothing
            on the other side: lim (f(x + t·v) − f(x))/t for t from above or from below; in float64 alone.
        library: of the arrays; NumPy by default, `gradcheck_kit.adapters.torch_library.Torch()` for tensors.

    Returns:
        The estimate; its `step` is relative to v. `error` is infinite where there is no derivative to be found, or
        the controls do not hold, and `obstacle` then says why.

    Raises:
        UsageError: the structures, shapes or options do not fit; the message says what to pass.
        Exception: whatever `function` raises at `point` itself.
    """
    if side not in SIDES:
        raise UsageError(f"side={side!r}; pass one of {', '.join(map(repr, SIDES))}")
    library = library or NumPy()
    arrays, directions = _point_and_tangents(library, point, tangents)
    forward = _forward(function, point)
    outputs = forward(arrays)
    weights = _weights(library, outputs, cotangent)
    unit = _unit(library, arrays, directions)
    scaled = {name: library.shaped(unit * library.vector(v), v) for name, v in directions.items()}
    line = Line(library, forward, arrays, scaled, {name: u / unit for name, u in weights.items()})
    scheme = scheme_for(library, [arrays[name] for name in directions], outputs)
    if SIDES[side] and scheme.form.name != "float64":
        raise UsageError(
            f"side={side!r} is calibrated in float64 alone, not in {scheme.form.name}; pass float64 arrays"
        )
    floor = line.rounding_floor(outputs)
    if not isfinite(floor):  # the outputs at the point are not finite
        return Estimate(float("nan"), 0.0, inf, 0.0, 0.0, float("nan"), 1, obstacle=Obstacle.DOMAIN, trusted=False)
    sample = cache(line.sample)
    with np.errstate(all="ignore"):  # a step may leave the domain
        floor = hypot(floor, _of_rounded_points(sample, scheme, SIDES[side]))
        found = _estimate(sample, floor, scheme, SIDES[side])
    return replace(found, step=found.step * unit, evaluations=found.evaluations + 1)


def _estimate(sample: Sample, floor: float, scheme: Scheme, side: int) -> Estimate:
    if side:
        return one_sided(sample, floor, scheme, side)
    return differentiate(sample, floor, scheme, 0.0)  # no size that would do: the search goes on while it gains


def _of_rounded_points(sample: Sample, scheme: Scheme, side: int) -> float:
    """The noise that rounding x + t·v itself must cause: u·|x| of each argument, and v is about as large as x.

    From a slope at the scale of the noise cluster, whose points are sampled in any case.
    """
    offsets = (0, side * OFFSETS[-1]) if side else (OFFSETS[0], -OFFSETS[0])
    low, high = (sample(j * scheme.noise_step) for j in offsets)
    if low is None or high is None:
        return 0.0
    return scheme.form.unit_roundoff * size(high - low) / (abs(offsets[1] - offsets[0]) * scheme.noise_step)


def _point_and_tangents(library: Library, point: Any, tangents: Any) -> tuple[Arrays, Arrays]:
    """Copies of the arguments, and the tangents of those that move, by name."""
    given, moving = point_and_tangents(point, tangents)
    arrays = copies_of(library, given)
    directions = {}
    for name, v in moving.items():
        if library.dtype(arrays[name]) not in FORMATS:
            raise UsageError(f"{name} is {library.dtype(arrays[name])}; pass None as its tangent, or a float array")
        if library.shape(v) != library.shape(arrays[name]):
            raise UsageError(
                f"the tangent of {name} has shape {library.shape(v)}, it itself {library.shape(arrays[name])}"
            )
        directions[name] = library.shaped(library.vector(v), arrays[name])
    expect_a_direction(bool((library.vector(v) != 0).any()) for v in directions.values())
    return arrays, directions


def point_and_tangents(point: Any, tangents: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments, and the tangents of those that move, by name.

    Raises:
        UsageError: the two have other names, or numbers, of arrays.
    """
    given, moving = named(point), named(tangents)
    if given.keys() != moving.keys():
        raise UsageError(
            f"tangents for {', '.join(moving)}, but the point has {', '.join(given)}; pass None to hold fixed"
        )
    return given, {name: v for name, v in moving.items() if v is not None}


def expect_a_direction(moves: Iterable[bool]) -> None:
    """`moves` says of each tangent whether an element of it is not zero.

    Raises:
        UsageError: none moves.
    """
    if not any(moves):
        raise UsageError("every tangent is zero or None; pass a direction in which to differentiate")


def named(values: Any) -> dict[str, Any]:
    """Arrays by keyword, or by position, or one alone."""
    if isinstance(values, Mapping):
        return {str(name): value for name, value in values.items()}
    if isinstance(values, tuple) or (
        isinstance(values, list) and any(hasattr(v, "shape") or v is None for v in values)
    ):
        return {f"[{i}]": value for i, value in enumerate(values)}
    return {"[0]": values}


def _forward(function: Callable[..., Any], point: Any) -> Callable[[Arrays], dict[str, Array]]:
    if isinstance(point, Mapping):
        return lambda arrays: named(function(**arrays))
    return lambda arrays: named(function(*arrays.values()))


def _weights(library: Library, outputs: Mapping[str, Array], cotangent: Any) -> dict[str, Vector]:
    """u by output, as vectors."""
    shapes = {name: library.shape(y) for name, y in outputs.items()}
    if cotangent is None:
        vectors = [library.vector(y) for y in outputs.values()]
        if len(vectors) != 1 or len(vectors[0]) != 1:
            raise UsageError(f"the outputs have shapes {shapes}; pass cotangent= of the same structure and shapes")
        return {name: library.vector(y) * 0.0 + 1.0 for name, y in outputs.items()}
    given = {name: u for name, u in named(cotangent).items() if u is not None}
    found = {name: library.shape(u) for name, u in given.items()}
    if not found or any(shapes.get(name) != shape for name, shape in found.items()):
        raise UsageError(f"the cotangent has shapes {found}, the outputs {shapes}; pass the same structure and shapes")
    return {name: library.vector(u) for name, u in given.items()}


def _unit(library: Library, arrays: Arrays, directions: Mapping[str, Array]) -> float:
    """A power of two: v times it moves each argument by about its own size, or by 1 where that is zero."""
    ratios = []
    for name, v in directions.items():
        length = root_mean_square(library.vector(v))
        if length > 0.0:
            ratios.append((root_mean_square(library.vector(arrays[name])) or 1.0) / length)
    return 2.0 ** (frexp(min(ratios))[1] - 1)

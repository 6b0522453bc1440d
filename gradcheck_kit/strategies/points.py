"""Points: named arrays that share the lengths of their named axes, in one dtype and layout."""

from collections.abc import Mapping
from typing import Any, TypeVar

from hypothesis import strategies as st

from gradcheck_kit.arguments import UsageError, as_integer
from gradcheck_kit.exploration.axes import Axes, Axis, axes, named_axes
from gradcheck_kit.exploration.structure import DTYPES, LAID_OUT
from gradcheck_kit.strategies.domains import Domain, NDArray, of_axes, regular
from gradcheck_kit.strategies.tensors import like

Point = dict[str, Any]
Value = TypeVar("Value")
SCALES = (1.0, 30.0, 1e-3, 1e3, 1e-6)
FLOATS = ("float64", "float32", "float16")


def points(
    *,
    dtype: str | st.SearchStrategy[str] = "float64",
    layout: str | st.SearchStrategy[str] = "C",
    scale: float | st.SearchStrategy[float] = 1.0,
    lengths: tuple[int, int] | st.SearchStrategy[int] = (1, 5),
    **arrays: Any,
) -> st.SearchStrategy[Point]:
    """A strategy of points: a dict of arrays by name.

        points(x=("n", 3), W=(3, "m"), labels=labels("n", below="m"))

    Args:
        dtype: of the floating-point arrays, "float64", "float32" or "float16"; or a strategy, such as `dtypes()`.
        layout: "C", "Fortran" or "step 2"; or a strategy, such as `layouts()`.
        scale: a factor for the arrays that are given as a plain tuple; or a strategy, such as `scales()`.
        lengths: the shortest and longest length of a named axis; or a strategy of lengths.
        arrays: by name a tuple of axes (its values are `regular`), a domain such as `positive("n")`, `gk.axes(...)`,
            another strategy, or anything else, which is passed on as it is.

    Returns:
        Dicts in the order of the names. Every draw makes fresh arrays.

    Raises:
        UsageError: an axis, a dtype, a layout or a length cannot be meant.
    """
    domains = {
        name: _domain(value) for name, value in arrays.items() if isinstance(value, tuple | list | Axes | Domain)
    }
    if not arrays:
        raise UsageError("points() has nothing to draw; name the arrays with their axes, such as x=('n', 3)")
    kinds, orders = _one_of("dtype", dtype, FLOATS), _one_of("layout", layout, (*LAID_OUT,))
    known = named_axes({name: domain.axes for name, domain in domains.items()})
    drawn = _lengths(lengths)
    return _points(arrays, domains, kinds, orders, scale, st.fixed_dictionaries(dict.fromkeys(known, drawn)))


def array(*lengths: Axis | Domain | Axes, **options: Any) -> st.SearchStrategy[NDArray]:
    """One array: `array("n", 3)`, `array(simplex("n", "m"), dtype="float32")`; options as for `points`.

    Raises:
        UsageError: as `points`.
    """
    single = len(lengths) == 1 and isinstance(lengths[0], Domain | Axes)
    return points(array=lengths[0] if single else lengths, **options).map(lambda point: point["array"])


def cotangents(output: Any) -> st.SearchStrategy[Any]:
    """Cotangents for an output: for each element a number that is not zero, no two equal.

    Args:
        output: an array or tensor, whose dtype and device they take; a shape, for float64 arrays; or a dict, list or
            tuple of arrays or tensors.

    Raises:
        UsageError: the output is none of these.
    """
    if isinstance(output, Mapping):
        return st.fixed_dictionaries({name: cotangents(part) for name, part in output.items()})
    several = isinstance(output, tuple | list)
    lengths = [as_integer(n, 0) for n in (output if several else getattr(output, "shape", (None,)))]
    if several and lengths and all(length is None for length in lengths):
        parts = st.tuples(*(cotangents(part) for part in output))
        return parts if isinstance(output, tuple) else parts.map(list)
    shape = tuple(length for length in lengths if length is not None)
    if len(shape) < len(lengths):
        raise UsageError(f"cotangents: {output!r} is no output; pass an array, a tensor, a shape, or several of them")
    drawn = regular().values(shape, 0)
    return drawn if several else drawn.map(lambda values: like(values, output))


def dtypes(*names: str) -> st.SearchStrategy[str]:
    """The names of dtypes, by default "float64" and "float32"."""
    return st.sampled_from(list(dict.fromkeys(names or DTYPES)))


def layouts() -> st.SearchStrategy[str]:
    """The names of memory layouts: "C", "Fortran" (columns are contiguous), "step 2" (every second element)."""
    return st.sampled_from(list(LAID_OUT))


def scales() -> st.SearchStrategy[float]:
    """Factors from 1e-6 to 1000; 1 is the simplest."""
    return st.sampled_from(SCALES)


@st.composite
def _points(
    draw: st.DrawFn,
    arrays: Mapping[str, Any],
    domains: Mapping[str, Domain],
    dtype: Any,
    layout: Any,
    scale: Any,
    lengths: st.SearchStrategy[dict[str, int]],
) -> Point:
    length = draw(lengths)
    kind, order, factor = (_drawn(draw, option) for option in (dtype, layout, scale))
    point: Point = {}
    for name, given in arrays.items():
        if name not in domains:
            point[name] = _drawn(draw, given)
            continue
        held = domains[name]
        values = draw(held.values(held.axes.shape(length), held.axes.classes(length)))
        values = values * factor if isinstance(given, tuple | list) else values
        point[name] = LAID_OUT[order](values.astype(kind) if values.dtype.kind == "f" else values)
    return point


def _drawn(draw: st.DrawFn, given: Any) -> Any:
    return draw(given) if isinstance(given, st.SearchStrategy) else given


def _domain(given: Any) -> Domain:
    if isinstance(given, Domain):
        return given
    return of_axes(given if isinstance(given, Axes) else axes(*given))


def _one_of(what: str, given: Any, known: tuple[str, ...]) -> Any:
    if not isinstance(given, st.SearchStrategy) and given not in known:
        raise UsageError(f"points: {what}={given!r}; pass one of {', '.join(known)}, or a strategy of them")
    return given


def _lengths(given: tuple[int, int] | st.SearchStrategy[int]) -> st.SearchStrategy[int]:
    if isinstance(given, st.SearchStrategy):
        return given
    found = [as_integer(length, 0) for length in given] if isinstance(given, tuple) else []
    if len(found) != 2 or found[0] is None or found[1] is None or found[0] > found[1]:
        raise UsageError(f"points: lengths={given!r}; pass the shortest and the longest, such as (1, 5)")
    return st.integers(found[0], found[1])

"""Is the derivative the cotangent summed over axes that the input was spread along, and the backward is not?"""

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from gradcheck_kit.diagnose.evidence import Cause, Hypothesis, Probe, Values

MOST_AXES = 5
Axes = tuple[int, ...]


def sums(probe: Probe) -> Iterator[Hypothesis]:
    """The cotangent, alone or times another input, summed over the right axes, where the backward returns another sum
    of it or a slice."""
    for what, name, other in _summed(probe):
        u = _product(probe, name, other)
        for axes in _axes_to(u.shape, probe.gradient.shape):
            returned = _returned(u, axes, probe.gradient, what)
            if returned is not None:
                slug, words = returned
                sentence = f"backward returns {words}; the derivative is its sum over {spelled(axes)} of {name}"
                yield Hypothesis(
                    Cause(slug, sentence),
                    lambda p, n=name, o=other, a=axes: _product(p, n, o).sum(axis=a).reshape(p.gradient.shape),  # type: ignore[misc]
                )


def _summed(probe: Probe) -> Iterator[tuple[str, str, str | None]]:
    """In words, which cotangent, and which input beside it."""
    for name, u in probe.cotangents.items():
        yield "the cotangent", name, None
        for other, x in probe.primals.items():
            if x.shape == u.shape:
                yield f"the cotangent times {other}", name, other


def _product(probe: Probe, name: str, other: str | None) -> Values:
    u = probe.cotangents[name]
    return u if other is None else u * probe.primals[other]


def _axes_to(shape: Axes, summed: Axes) -> list[Axes]:
    """The axes whose sum turns one shape into the other, kept with length one or dropped."""
    found = []
    for axes in axes_of(shape):
        dropped = tuple(n for axis, n in enumerate(shape) if axis not in axes)
        kept = tuple(1 if axis in axes else n for axis, n in enumerate(shape))
        if summed in (dropped, kept) and math.prod(shape) > math.prod(summed):
            found.append(axes)
    return found


def axes_of(shape: Axes) -> list[Axes]:
    """Every set of axes."""
    if len(shape) > MOST_AXES:
        return []
    return [axes for count in range(1, len(shape) + 1) for axes in combinations(range(len(shape)), count)]


def _returned(u: Values, right: Axes, g: Values, what: str) -> tuple[str, str] | None:
    """What of the cotangent the backward returned in place of its sum over the right axes."""
    for axes in axes_of(u.shape):
        if (
            axes != right
            and u.size == g.size * math.prod(u.shape[axis] for axis in axes)
            and np.allclose(u.sum(axis=axes).reshape(g.shape), g, rtol=1e-6, atol=0.0)
        ):
            return "wrong-axis", f"{what} summed over {spelled(axes)}"
    for place, words in ((0, "first"), (-1, "last")):
        taken = u[tuple(place if axis in right else slice(None) for axis in range(u.ndim))]
        if np.allclose(np.reshape(taken, g.shape), g, rtol=1e-6, atol=0.0):
            return "missing-sum", f"{what} at the {words} index of {spelled(right)} alone"
    return None


def spelled(axes: Axes) -> str:
    """In words: "axis 0 and axis 2"."""
    return " and ".join(f"axis {axis}" for axis in axes)

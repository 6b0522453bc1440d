"""Is a sum, a term or a factor missing from the backward, that can be made of the arrays at hand?

With g the backward's answer and y an output of its shape, the right gradient of what is normalised over an axis is
often g less a projection: g − mean(g) (a mean taken for a constant), g − y·Σg (softmax), g − y·mean(g·y) (a variance).
"""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from gradcheck_kit.diagnose.evidence import Cause, Hypothesis, Probe, Values

MOST_AXES = 4
Field = Callable[[Probe], Values]


def terms(probe: Probe) -> Iterator[Hypothesis]:
    """Sums over axes, and projections."""
    shape, plain = probe.gradient.shape, _is_plain(probe)
    long = [axis for axis, length in enumerate(shape) if length > 1]
    for axes in [a for n in range(1, len(long) + 1) for a in combinations(long, n)] if len(long) <= MOST_AXES else []:
        over = " and ".join(f"axis {axis}" for axis in axes)
        yield from _of_axes(axes, over, plain)
        for name, y in probe.outputs.items():
            if y.shape == shape:
                yield from _projections(name, axes, over, plain)
    for name, u in probe.cotangents.items():
        if u.shape == shape:
            yield Hypothesis(
                Cause(
                    "missing-term", f"the cotangent of {name} itself is missing, as where a residual path is forgotten"
                ),
                lambda p, n=name: p.gradient + p.cotangents[n],  # type: ignore[misc]
            )
            yield Hypothesis(
                Cause("extra-term", f"the cotangent of {name} is added once too often"),
                lambda p, n=name: p.gradient - p.cotangents[n],  # type: ignore[misc]
            )


def _is_plain(probe: Probe) -> bool:
    """Whether the backward returns a cotangent, alone or times its output: a term that is missing is then not there."""
    g = probe.gradient
    pairs = [(u, probe.outputs[name]) for name, u in probe.cotangents.items() if u.shape == g.shape]
    return any(np.allclose(g, plain, rtol=1e-6, atol=0.0) for u, y in pairs for plain in (u, u * y))


def _of_axes(axes: tuple[int, ...], over: str, plain: bool) -> Iterator[Hypothesis]:
    means = f"less its mean over {over} backward would be right: what depends on a mean is taken for constant"
    means += "" if plain else ", or a sum stands in the place of a mean"
    yield Hypothesis(
        Cause("missing-mean", means),
        lambda p: p.gradient - p.gradient.mean(axis=axes, keepdims=True),
    )
    yield Hypothesis(
        Cause("missing-sum", f"backward is not summed over {over}, along which the input is used more than once"),
        lambda p: np.broadcast_to(p.gradient.sum(axis=axes, keepdims=True), p.gradient.shape),
    )


def _projections(name: str, axes: tuple[int, ...], over: str, plain: bool) -> Iterator[Hypothesis]:
    def less(project: Callable[[Values, Values], Values]) -> Field:
        return lambda p: p.gradient - p.outputs[name] * project(p.gradient, p.outputs[name])

    for words, project in (
        ("Σg", lambda g, y: g.sum(axis=axes, keepdims=True)),
        ("Σ(g·y)", lambda g, y: (g * y).sum(axis=axes, keepdims=True)),
        ("mean(g·y)", lambda g, y: (g * y).mean(axis=axes, keepdims=True)),
    ):
        missing = "missing" if plain else "missing, or there with another sum"
        sentence = f"the term −y·{words} over {over} is {missing} (g: what backward returns, y: {name})"
        yield Hypothesis(Cause("missing-term", sentence), less(project))


def factors(probe: Probe, name: str) -> Iterator[Hypothesis]:
    """Right gradient = backward × a / b, with a and b made of the inputs and outputs, element by element."""
    fields = dict(_fields(probe, name))
    for above, a in fields.items():
        yield Hypothesis(Cause("missing-factor", f"the factor {above} is missing"), lambda p, a=a: p.gradient * a(p))  # type: ignore[misc]
        yield Hypothesis(Cause("extra-factor", f"there is a factor {above} too many"), lambda p, a=a: p.gradient / a(p))  # type: ignore[misc]
        for below, b in fields.items():
            if above != below:
                sentence = f"backward has the factor {below} where {above} belongs"
                yield Hypothesis(
                    Cause("wrong-factor", sentence),
                    lambda p, a=a, b=b: p.gradient * a(p) / b(p),  # type: ignore[misc]
                    rank=2,
                )
    yield from _masks(probe, name)


def _masks(probe: Probe, name: str) -> Iterator[Hypothesis]:
    """Right gradient = backward, and 0 where a ReLU, a clip or dropout lets nothing through."""
    for where, passes in _passing(probe, name):
        yield Hypothesis(
            Cause("missing-mask", f"backward passes something on where the derivative is zero: where {where}"),
            lambda p, passes=passes: p.gradient * passes(p),  # type: ignore[misc]
        )


def _passing(probe: Probe, name: str) -> Iterator[tuple[str, Callable[[Probe], Any]]]:
    yield f"{name} is negative", lambda p: p.primal > 0
    for output, values in probe.outputs.items():
        if values.shape == probe.gradient.shape:
            clipped = f"{output} is not {name}, as where it is clipped"
            yield clipped, lambda p, n=output: p.outputs[n] == p.primal  # type: ignore[misc]
            yield f"{output} is zero", lambda p, n=output: p.outputs[n] != 0  # type: ignore[misc]


def _fields(probe: Probe, name: str) -> Iterator[tuple[str, Field]]:
    """Arrays that spread to the input's shape, and what is made of them in common derivatives."""
    shape = probe.gradient.shape
    yield from _powers(name, lambda p: p.primal)
    for other, values in probe.primals.items():
        if _spreads(values, shape):
            yield other, lambda p, n=other: p.primals[n]  # type: ignore[misc]
    for output, values in probe.outputs.items():
        if values.shape == shape:
            yield from _powers(output, lambda p, n=output: p.outputs[n])  # type: ignore[misc]


def _powers(name: str, field: Field) -> Iterator[tuple[str, Field]]:
    yield name, field
    yield f"(1 − {name})", lambda p: 1 - field(p)
    yield f"(1 + {name})", lambda p: 1 + field(p)
    yield f"(1 − {name}²)", lambda p: 1 - field(p) ** 2


def _spreads(values: Values, shape: tuple[int, ...]) -> bool:
    try:
        return values.size > 1 and np.broadcast_shapes(values.shape, shape) == shape
    except ValueError:
        return False

"""Does the backward return the right numbers in the wrong places?"""

from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np

from gradcheck_kit.diagnose.evidence import Cause, Hypothesis, Probe, Values

MOST_AXES = 5


def rearranged(shape: tuple[int, ...]) -> Iterator[Hypothesis]:
    """Axes exchanged, reversed or shifted."""
    if len(shape) <= MOST_AXES:
        yield from _exchanged(shape)
        yield from _reversed(shape)
    for axis, length in enumerate(shape):
        if length > 2:  # shifting two is reversing two
            for shift in (1, -1):
                words = f"backward is shifted by {shift:+d} along axis {axis}"
                yield Hypothesis(
                    Cause("rolled", words),
                    lambda p, s=shift, a=axis: np.roll(p.gradient, -s, a),  # type: ignore[misc]
                )


def _exchanged(shape: tuple[int, ...]) -> Iterator[Hypothesis]:
    same = tuple(range(len(shape)))
    for order in permutations(same):
        if order == same:
            continue
        turned = tuple(shape[axis] for axis in order)
        words = "transposed" if len(shape) == 2 else f"with its axes in the order {order}"
        if turned == shape:
            yield Hypothesis(
                Cause("transposed", f"backward is returned {words}"),
                lambda p, o=order: np.transpose(p.gradient, np.argsort(o)),  # type: ignore[misc]
            )
        else:  # the numbers lie in memory as those of another axis order
            yield Hypothesis(
                Cause("transposed", f"backward is laid out {words} and then reshaped"),
                lambda p, o=order, t=turned: np.transpose(p.gradient.reshape(t), np.argsort(o)),  # type: ignore[misc]
            )


def _reversed(shape: tuple[int, ...]) -> Iterator[Hypothesis]:
    long = [axis for axis, length in enumerate(shape) if length > 1]
    for count in range(1, len(long) + 1):
        for axes in combinations(long, count):
            along = " and ".join(f"axis {axis}" for axis in axes)
            yield Hypothesis(
                Cause("flipped", f"backward is reversed along {along}"),
                lambda p, a=axes: np.flip(p.gradient, a),  # type: ignore[misc]
            )


def swapped(probe: Probe) -> Iterator[tuple[str, Hypothesis]]:
    """The gradient of another input of the same shape, under that input's name."""
    for other, gradient in probe.gradients.items():
        if gradient.shape == probe.gradient.shape:
            yield (
                other,
                Hypothesis(
                    Cause(
                        "swapped-gradients", f"backward returns the gradient of {other} in its place, and the reverse"
                    ),
                    lambda p, o=other: _of(p, o),  # type: ignore[misc]
                ),
            )


def _of(probe: Probe, name: str) -> Values:
    return probe.gradients[name]

"""Are the two sides' buffers the same: what a step keeps beside the parameters, such as running statistics?

Losses and gradients of a training know nothing of batch norm's running mean and variance, and every evaluation does.
Those of one module are judged together, by the largest norm that they had so far: a mean alone may be nothing but
rounding.
"""

import math
from typing import NamedTuple

import numpy as np

from gradcheck_kit.side_by_side.distance import ratio_of_norms
from gradcheck_kit.side_by_side.trainee import Named, Trainee, Values, offered

STAGE = "buffers"
EVIDENCE = (
    "loss and parameters are within rounding; only what is kept beside them for evaluations differs, such as a running "
    "mean or variance: its momentum, its start, or a variance divided by another count"
)


class Furthest(NamedTuple):
    """The buffer of the module that is furthest apart, and how far: ‖Δ‖ ÷ ‖·‖ of all buffers of that module."""

    name: str
    apart: float


def buffers_of(side: Trainee) -> dict[str, Values]:
    """What a side offers, in float64; nothing from one that offers none."""
    found = offered(side, "buffers")
    told = None if found is None else found()
    return {name: np.array(values, np.float64) for name, values in (told or {}).items()}


def common(one: Named, other: Named) -> list[str]:
    """The names that both have, in equal shapes."""
    return [name for name, values in one.items() if name in other and np.shape(other[name]) == np.shape(values)]


def not_compared(sides: tuple[Trainee, Trainee]) -> str | None:
    """Which buffers only one side offers, as a note; None where each has its like."""
    held = [buffers_of(side) for side in sides]
    both = set(common(*held))
    alone = [(side.name, [n for n in own if n not in both]) for side, own in zip(sides, held, strict=True)]
    told = " and ".join(f"{', '.join(names)} of {who}" for who, names in alone if names)
    beside = "which the other side does not offer under that name and in that shape"
    return f"buffers were not compared: {told}, {beside}" if told else None


def furthest(one: Named, other: Named, norms: dict[str, float]) -> Furthest:
    """Of the buffers that both have.

    Args:
        one, other: what `buffers_of` gave of the reference and of another.
        norms: by module, the largest norm of the reference's buffers so far; brought up to date.
    """
    apart: dict[str, dict[str, float]] = {}
    squares: dict[str, float] = {}
    for name in common(one, other):
        owner = name.rpartition(".")[0]
        apart.setdefault(owner, {})[name] = float(np.linalg.norm(_differences(one[name], other[name])))
        finite = np.where(np.isfinite(one[name]), one[name], 0.0).ravel()
        squares[owner] = squares.get(owner, 0.0) + float(finite @ finite)
    found = Furthest("", 0.0)
    for owner, held in apart.items():
        norms[owner] = max(norms.get(owner, 0.0), math.sqrt(squares[owner]))
        share = ratio_of_norms(math.hypot(*held.values()), norms[owner])
        if not share <= found.apart:
            worst = max(held, key=lambda name: math.inf if math.isnan(held[name]) else held[name])
            found = Furthest(worst, share)
    return found


def _differences(one: Values, other: Values) -> Values:
    """Zero where the two are the same, infinite (a mask's) or not."""
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        return np.where(same, 0.0, one - other).ravel()

"""Which elements of the cotangent expose a wrong gradient: the mismatch is linear in the cotangent too.

The numerical derivative is taken once, of every output element by itself; after that a reading costs one VJP and no
evaluation of the function.
"""

import math
from itertools import pairwise

import numpy as np

from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.differences.line import BUCKETS, Line
from gradcheck_kit.locate.box import Box
from gradcheck_kit.locate.contributions import Reading
from gradcheck_kit.space import FloatVector, inner

RUNGS = 4
ROUNDINGS = 64.0  # units of roundoff that an output may be off by


class OfOutputs:
    """The elements of one output's cotangent, in a round and along a tangent that showed a mismatch."""

    coarseness = 0.0

    def __init__(self, strike: Measurement, output: str, derivative: FloatVector, error: FloatVector) -> None:
        self._strike, self._output = strike, output
        self._library = strike.round.examination.library
        self._cotangent = strike.round.backward.cotangents[output]
        self.shape = self._library.shape(self._cotangent)
        self._derivative, self._error = derivative, error

    def of(self, weights: FloatVector) -> Reading:
        """As `Contributions.of`; weights are on u."""
        library, asked = self._library, self._strike.round
        u = library.vector(self._cotangent) * library.place(weights, self._cotangent)
        silent = {name: library.shaped(0.0 * library.vector(c), c) for name, c in asked.backward.cotangents.items()}
        gradients = asked.pulled(silent | {self._output: library.shaped(u, self._cotangent)})
        parts = [(library.vector(gradients[n]), library.vector(v)) for n, v in self._strike.tangents.items()]
        difference = sum(inner(g, v) for g, v in parts) - float(weights @ self._derivative)
        bound = float(abs(weights) @ self._error) + self._strike.seen.comparison.bound
        return Reading(difference, bound) if math.isfinite(difference) else Reading(0.0, math.inf)

    def alone(self, index: tuple[int, ...]) -> Reading:
        return self.of(Box.element(self.shape, index).mask())


def of_outputs(strike: Measurement) -> dict[str, OfOutputs]:
    """Each output's elements, where they are few enough to be told apart; empty where they are not."""
    asked, library = strike.round, strike.round.examination.library
    sizes = {name: math.prod(library.shape(u)) for name, u in asked.backward.cotangents.items()}
    if sum(sizes.values()) > BUCKETS:
        return {}
    differentiated = _each_output(asked.line(strike.tangents), strike)
    if differentiated is None:
        return {}
    ends = np.cumsum(list(sizes.values()))[:-1]
    derivatives, errors = (np.split(values, ends) for values in differentiated)
    return {name: OfOutputs(strike, name, derivatives[i], errors[i]) for i, name in enumerate(sizes)}


def _each_output(line: Line, strike: Measurement) -> tuple[FloatVector, FloatVector] | None:
    """uⱼ·dfⱼ/dt and a bound on its error for every output, from a short ladder below the strike's own steps."""
    steps = [strike.estimate.step * 2.0 ** (RUNGS - 1 - k) for k in range(RUNGS)]
    sampled = [(line.sample(h), line.sample(-h)) for h in steps]
    if any(up is None or down is None for up, down in sampled):
        return None
    column = [(up - down) / (2 * h) for (up, down), h in zip(sampled, steps, strict=True)]  # type: ignore[operator]
    best = previous = column[-1]
    for j in range(1, RUNGS):
        previous = column[-1]
        column = [b + (b - a) / (4.0**j - 1) for a, b in pairwise(column)]
        best = column[-1]
    size = np.maximum(*(np.abs(y) for y in sampled[0]))  # type: ignore[arg-type]
    return best, np.abs(best - previous) + ROUNDINGS * strike.round.place.coarsest(
        strike.tangents
    ).form.unit_roundoff * size / steps[-1]

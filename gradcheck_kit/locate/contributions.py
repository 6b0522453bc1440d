"""How much of a mismatch each part of an array contributes: the only thing that the search measures.

The mismatch D(v) = ⟨g, v⟩ − ⟨u, J·v⟩ is linear in the tangent v and in the cotangent u. With weights c on the
elements of v (or of u), D(c∘v) = Σ cᵢdᵢ, where dᵢ is what element i contributes, 0 where the backward is right.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from gradcheck_kit.checks.rounds import Measurement, Round
from gradcheck_kit.locate.box import Box
from gradcheck_kit.space import Array, FloatVector, Vector, inner

UNEVEN = math.pi / 4  # a weight that no lattice holds exactly
CLEAR = 3.0  # a part counts as wrong from three bounds on


@dataclass(frozen=True)
class Reading:
    """Σ cᵢdᵢ and a bound on its error; infinite where nothing could be measured."""

    difference: float
    bound: float

    @property
    def wrong(self) -> bool:
        return abs(self.difference) > CLEAR * self.bound

    @property
    def right(self) -> bool:
        return abs(self.difference) <= self.bound < math.inf

    @property
    def clearness(self) -> float:
        """How many bounds the difference is."""
        if not math.isfinite(self.bound):
            return 0.0
        return abs(self.difference) / self.bound if self.bound > 0.0 else math.inf

    def less(self, part: "Reading") -> "Reading":
        """What is left when a measured part is taken away."""
        return Reading(self.difference - part.difference, self.bound + part.bound)


class Contributions(Protocol):
    """An array whose elements contribute to a mismatch."""

    shape: tuple[int, ...]

    @property
    def coarseness(self) -> float:
        """By how much the weights that are really used may be off the given ones (0 and 1 are exact)."""

    def of(self, weights: FloatVector) -> Reading:
        """Σ cᵢdᵢ.

        Args:
            weights: c between 0 and 1, one for each element in row-major order.
        """

    def alone(self, index: tuple[int, ...]) -> Reading:
        """The contribution of one element."""


@dataclass(frozen=True)
class Element:
    """One element of an input: the backward's number beside the numerical derivative and its error."""

    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    wrong: bool


class OfInput:
    """The elements of the input whose mismatch was measured; every reading costs one directional derivative."""

    def __init__(self, strike: Measurement) -> None:
        ((self.name, tangent),) = strike.tangents.items()
        self._round: Round = strike.round
        self._library = strike.round.examination.library
        self.shape = self._library.shape(tangent)
        self._tangent = tangent
        self._components = self._library.vector(tangent)
        self.total = reading_of(strike)
        self.elements: dict[tuple[int, ...], Element] = {}

    @cached_property
    def coarseness(self) -> float:
        wanted = UNEVEN * self._components
        snapped = self._library.vector(self._round.on_lattice(self.name, wanted))
        return 2.0 * float((abs(snapped - wanted) / abs(self._components)).max())

    def of(self, weights: FloatVector) -> Reading:
        return reading_of(self._measured(weights))

    def alone(self, index: tuple[int, ...]) -> Reading:
        """The contribution of one element, whose numbers are kept in `elements`."""
        measured = self._measured(Box.element(self.shape, index).mask())
        seen, reading = measured.seen.comparison, reading_of(measured)
        position = int(np.ravel_multi_index(index, self.shape)) if self.shape else 0
        component = self._at(self._components, position)
        analytic = self._at(self._library.vector(self._round.backward.gradients[self.name]), position)
        numbers = analytic, seen.numeric / component, seen.bound / abs(component)
        self.elements[index] = Element(index, *numbers, wrong=reading.wrong)
        return reading

    def analytic(self, weights: FloatVector) -> float:
        """⟨g, c∘v⟩ for weights c of 0 and 1: what the backward says of a part."""
        gradient = self._library.vector(self._round.backward.gradients[self.name])
        return inner(gradient, self.tangent(weights))

    def terms(self) -> FloatVector:
        """g∘v in NumPy: the sum over a part is what the backward says of it, whatever the others are."""
        gradient = self._library.vector(self._round.backward.gradients[self.name])
        return self._library.numpy(gradient * self._components)

    def tangent(self, weights: FloatVector) -> Vector:
        """c∘v, for weights c of 0 and 1."""
        return self._components * self._library.place(weights, self._tangent)

    def part(self, weights: FloatVector) -> Array:
        """The same, shaped like the input."""
        return self._library.shaped(self.tangent(weights), self._tangent)

    def _measured(self, weights: FloatVector) -> Measurement:
        wanted = self.tangent(weights)
        if bool(((weights == 0.0) | (weights == 1.0)).all()):  # on the lattice already
            return self._round.along(self.name, self._library.shaped(wanted, self._tangent))
        return self._round.along(self.name, self._round.on_lattice(self.name, wanted))

    def _at(self, vector: object, position: int) -> float:
        return float(self._library.numpy(vector[position : position + 1])[0])  # type: ignore[index]


def reading_of(measurement: Measurement) -> Reading:
    """The mismatch of a measurement; nothing is known where it is not finite."""
    seen = measurement.seen.comparison
    difference = seen.analytic - seen.numeric
    return Reading(difference, seen.bound) if math.isfinite(difference) else Reading(0.0, math.inf)

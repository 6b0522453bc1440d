"""From "this input is wrong" to one of its elements, by bisection.

The mismatch D(v) = ⟨g, v⟩ − ⟨u, J v⟩ is linear in v, so the half of the elements with the larger mismatch holds a
wrong one: log₂ n derivatives, and the other half's by subtraction.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.space import Array


@dataclass(frozen=True)
class Element:
    """One element of an input: the backward's number beside the numerical derivative and its error."""

    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    exact: bool

    def describe(self, name: str) -> str:
        """In words: where, and by how much."""
        place = f"{name}[{', '.join(map(str, self.index))}]" if self.index else name
        where = f"at {place}" if self.exact else f"near {place}"
        return f"{where}: backward {self.analytic:.10g}, numerical derivative {self.numeric:.10g} ± {self.error:.1g}"


def locate(strike: Measurement) -> Element:
    """A wrong element of the input whose mismatch was measured.

    Args:
        strike: a measurement that mismatches; its round is measured again along parts of its tangent.
    """
    asked, ((name, v),) = strike.round, strike.tangents.items()
    library = asked.examination.library
    shape = library.shape(v)
    components = library.vector(v)

    def part(first: int, end: int) -> Array:
        mask = np.zeros(len(components))
        mask[first:end] = 1.0
        return library.shaped(components * library.place(mask, v), v)

    first, end = _bisect(len(components), _mismatch(strike), lambda a, b: _mismatch(asked.along(name, part(a, b))))
    single = asked.along(name, part(first, end)).seen.comparison
    component = float(library.numpy(components[first : first + 1])[0])
    exact = single.discrepancy > single.bound
    index = tuple(int(i) for i in np.unravel_index(first, shape)) if shape else ()
    return Element(index, single.analytic / component, single.numeric / component, single.bound / abs(component), exact)


def _mismatch(measurement: Measurement) -> float:
    return measurement.seen.comparison.analytic - measurement.seen.comparison.numeric


def _bisect(count: int, total: float, mismatch: Callable[[int, int], float]) -> tuple[int, int]:
    """The element that the larger mismatch leads to, as a range of length one."""
    first, end = 0, count
    while end - first > 1:
        middle = (first + end) // 2
        left = mismatch(first, middle)
        if not abs(total - left) > abs(left):  # also where a part could not be measured
            end, total = middle, left
        else:
            first, total = middle, total - left
    return first, end

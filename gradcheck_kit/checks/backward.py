"""The backward at one point and cotangent: its gradients, and how far rounding alone moves them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradcheck_kit.checks.examination import Examination, widened
from gradcheck_kit.checks.place import Place
from gradcheck_kit.checks.reference import FLOAT64
from gradcheck_kit.differences.probe import at_dithered_point, dithered
from gradcheck_kit.space import Array, Arrays, FloatVector, Format, Vector, blocks, in_blocks, inner_of, is_finite, norm

DITHERS = 2  # repetitions of the VJP with every input moved by one unit in the last place


@dataclass(frozen=True)
class Lost:
    """What a backward loses in its own precision: Δg, its distance from the same backward in float64, g.

    Attributes:
        share: ‖Δg‖ ÷ ‖g‖.
        along: ‖Δg∘w‖₂ along the tangents, where no element moves by more than its own size: among elements of very
            different size a tangent carries a small one far from where it is.
    """

    share: float
    along: float


class Backward:
    """The backward at a point and a cotangent.

    Attributes:
        library: of all arrays.
        cotangents: u by output.
        gradients: vjp(u) by input; a missing one is the zero that it claims.
    """

    def __init__(self, examination: Examination, point: Arrays, cotangents: Arrays) -> None:
        self._examination, self.library = examination, examination.library
        self._point, self.cotangents = point, cotangents
        self.gradients = self.pulled(point, cotangents)

    def pulled(self, point: Arrays, cotangents: Arrays) -> dict[str, Array]:
        """The gradients at another point, or of another cotangent."""
        subject, library = self._examination.subject, self.library
        returned = dict(subject.pullback(point, cotangents))
        gradients = {}
        for name in subject.differentiable:
            gradient = returned.pop(name, None)
            if gradient is None:
                gradient = library.moved(point[name], point[name], -1.0)
            # Contiguous once and for all: to read a transposed array block by block would copy it each time.
            gradients[name] = library.flat(gradient).reshape(library.shape(gradient))
        return gradients

    @property
    def finite(self) -> bool:
        return all(is_finite(self.library, gradient) for gradient in self.gradients.values())

    @property
    def form(self) -> Format:
        """The coarsest format among the inputs and the cotangents."""
        return self._examination.coarsest

    def dithered(self, place: Place | None = None) -> dict[str, Array]:
        """The gradients where point and cotangent have moved by a unit in the last place, at random.

        The large arrays of `place`, if this backward was asked there, are moved in their own memory and put back.
        """
        library, generator = self.library, self._examination.generator
        cotangents = {n: dithered(library, generator, u) for n, u in self.cotangents.items()}
        lent: Arrays = {} if place is None else place.lent

        def gradients(moved: Arrays) -> dict[str, Array]:
            try:
                return self._apart_from(lent, self.pulled(moved, cotangents))
            finally:
                if place is not None:
                    place.restore()

        return at_dithered_point(library, generator, self._point, gradients, self.gradients.keys(), lent)

    def _apart_from(self, lent: Arrays, gradients: dict[str, Array]) -> dict[str, Array]:
        """The gradients, copied where they lie in lent memory: a backward may return the very array it was given."""
        for name, gradient in gradients.items():
            if any(self.library.overlap(gradient, array) for array in lent.values()):
                gradients[name] = self.library.copy(gradient)
        return gradients

    @cached_property
    def kept_dithers(self) -> list[dict[str, Array]]:
        """Dithered gradients, for tangents that are not known yet."""
        return [self.dithered() for _ in range(DITHERS)]

    def change(self, name: str, again: Array, v: Array) -> tuple[float, float]:
        """How ⟨gradient, v⟩ changes when the gradient of `name` is `again`: as it is, and without cancelling."""
        given = in_blocks(self.library, again, self.gradients[name], v)
        return _summed((there - here) * direction for there, here, direction in given)

    def change_along(self, name: str, again: Array, drawn: Callable[[slice], Vector]) -> tuple[float, float]:
        """As `change`, for a large input whose tangent is drawn block by block."""
        there, here, vector = self.library.flat(again), self.library.flat(self.gradients[name]), self.library.vector
        return _summed((vector(there[b]) - vector(here[b])) * drawn(b) for b in blocks(len(here)))

    def of_output(self, position: int) -> dict[str, Array]:
        """The gradients of one output alone: the cotangent there, zero at the others."""
        library, single, start = self.library, {}, 0
        for name, u in self.cotangents.items():
            weights: FloatVector = library.numpy(library.vector(u))
            alone = np.where(np.arange(start, start + len(weights)) == position, weights, 0.0)
            single[name] = library.shaped(library.place(alone, u), u)
            start += len(weights)
        return self.pulled(self._point, single)

    def digits_lost(self, tangents: Arrays, numeric: float, allowed: float) -> Lost | None:
        """How far the gradient is from that of the same backward in float64, where that one agrees.

        The formula is then right, and only digits are lost: an intermediate that was saved after it had rounded to its
        limit, as where a function saturates, moves under no dither. None where the float64 backward mismatches as well,
        or cannot be run.

        Args:
            tangents: v by input.
            numeric: the numerical derivative along them.
            allowed: by how much the float64 backward may differ from it.
        """
        subject, library = self._examination.subject, self.library
        if subject.reference_pullback is None:
            return None
        returned = subject.reference_pullback(widened(library, self._point), widened(library, self.cotangents))
        analytic, far, along, size = 0.0, [0.0], [0.0], [0.0]
        for name, v in tangents.items():
            gradient = returned.get(name)
            if gradient is None or library.dtype(gradient) != FLOAT64:
                return None
            analytic += inner_of(library, gradient, v)
            for wide, own, direction, x in in_blocks(library, gradient, self.gradients[name], v, self._point[name]):
                far.append(norm(wide - own))
                reach = -library.maximum(-abs(direction), -(abs(x) + (x == 0) * abs(direction)))
                along.append(norm((wide - own) * reach))
                size.append(norm(wide))
        whole = math.hypot(*size)
        if abs(analytic - numeric) > allowed or whole == 0.0:
            return None
        return Lost(math.hypot(*far) / whole, math.hypot(*along))


def _summed(products: Iterable[Vector]) -> tuple[float, float]:
    """The sum of all elements, and their norm."""
    total, parts = 0.0, []
    for product in products:
        total += float(product.sum())
        parts.append(norm(product))
    return total, math.hypot(*parts)

"""One round of probing: a place, a cotangent, the gradients there with their own rounding, a tangent for each input.

All inputs of a round are measured against the same VJPs, each alone or all moving together.
"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck_kit.checks.backward import DITHERS, Backward, Lost
from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.checks.kinked_outputs import between_the_slopes
from gradcheck_kit.checks.place import Look, Places
from gradcheck_kit.differences.estimate import NOTHING_TO_DIFFERENTIATE, Estimate
from gradcheck_kit.differences.ladder import differentiate
from gradcheck_kit.differences.line import Line, kept_in, snapped_tangent, tangent_drawn_by
from gradcheck_kit.differences.probe import Kind, expected_size, pass_over, typical_size
from gradcheck_kit.space import Array, Arrays, Vector, built, inner_of, is_finite, norm, norm_of, norm_of_product
from gradcheck_kit.verdict import CLEAR_MARGIN, Comparison

KINK_SHARE = 0.01  # of the jump: what a dither at a kink moves beyond this is the kink, not rounding
LAST_PLACES = 32.0  # of ‖u∘y‖: g = y(1 − y) loses u·y/2, which along v ≈ x is x/2 of them; saturation begins at 6 to 18
DITHER_FACTOR = 4.0  # the true rounding error was at most 2.2 of the largest dither over 1,692 measured cases

Change = tuple[float, float]
"""How a dither changes the analytic number: as it is, and without cancelling."""


@dataclass(frozen=True)
class Seen:
    """The numbers of a measurement.

    Attributes:
        comparison: ⟨vjp(u), v⟩ beside ⟨u, J v⟩.
        sizes: for each input the size of its part of the analytic number, free of cancellation: the norm of its
            terms, or along an aligned tangent their sum.
    """

    comparison: Comparison
    sizes: Mapping[str, float]

    def resolution_of(self, name: str) -> float:
        """The smallest relative error in the gradient of `name` that the comparison could have seen."""
        bound = self.comparison.bound
        if bound == 0.0:
            return 0.0
        size = self.comparison.beside_zero if self.comparison.zero or not self.sizes[name] else self.sizes[name]
        return bound / size if size > 0.0 else math.inf


@dataclass(frozen=True)
class Measurement:
    """Inputs measured along tangents (v by input) in a round: the numerical estimate, and what was seen."""

    round: "Round"
    tangents: Arrays
    estimate: Estimate
    seen: Seen

    @property
    def elements(self) -> int:
        library = self.round.examination.library
        return sum(math.prod(library.shape(v)) for v in self.tangents.values())

    def typical_is_rounding(self, name: str) -> bool:
        """Whether the median element of the gradient of `name` is smaller than a last place of the whole of it."""
        backward, library = self.round.backward, self.round.examination.library
        gradient = backward.gradients[name]
        return typical_size(library, gradient) <= backward.form.unit_roundoff * norm_of(library, gradient)

    def digits_lost(self) -> Lost | None:
        """As `Backward.digits_lost`, where the forward in float64 was differentiated."""
        if self.round.place.exact is None:
            return None
        numeric, allowed = self.seen.comparison.numeric, CLEAR_MARGIN * self.estimate.error
        return self.round.backward.digits_lost(self.tangents, numeric, allowed)

    def shows(self, lost: Lost) -> bool:
        """Whether so much of the gradient could be seen in outputs of the backward's precision.

        Not where a step as long as the input itself would change them by their last places: the slope of a saturated
        function is lost with the digits of its outputs, by the best of formulas. NaN shows.
        """
        ground = self.round.backward.form.unit_roundoff * self.seen.comparison.ground
        return not lost.along <= LAST_PLACES * ground


class Round:
    """A place, a cotangent, the gradients there, and a tangent for each differentiable input.

    Attributes:
        examination: whose subject is probed.
        look: how.
        place: where.
        backward: the gradients there.
        tangents: v by input.
    """

    def __init__(self, examination: Examination, look: Look, places: Places) -> None:
        self.examination, self.look, self.place = examination, look, places.of(look)
        self._library = examination.library
        self.backward = self._pulled()
        self._factors = self._measured_factors()
        self._stream = self._passed_over() if self.place.large and not look.lean else None
        self.tangents = self._drawn(examination.generator) if self._stream is None else {}
        self._dithers = self._measured_dithers()
        if self._stream is not None:
            self.tangents = self._drawn(self._stream)

    def _pulled(self) -> Backward:
        examination, look, point = self.examination, self.look, self.place.point
        equalised = look.kind is Kind.EQUALISED
        backward = Backward(examination, point, examination.cotangents(look.magnitude, equalised=equalised))
        if look.magnitude > 1.0 and not backward.finite:  # the large cotangent itself overflowed
            smaller = examination.cotangents(1.0 / look.magnitude, equalised=equalised)
            backward = Backward(examination, point, smaller)
        return backward

    def _drawn(self, generator: np.random.Generator) -> dict[str, Array]:
        """A fresh tangent for each input."""
        library, point, found = self._library, self.place.line_point, {}
        for name, drawn in self._drawn_by(generator):
            kept = kept_in(library, point[name], self.place.schemes[name])
            found[name] = built(library, point[name], drawn, None if kept is None else library.blank(point[name], kept))
        return found

    def _drawn_by(self, generator: np.random.Generator) -> Iterator[tuple[str, Callable[[slice], Vector]]]:
        """What draws each tangent; together, each scaled down to contribute as much as the least of them."""
        kind, library, place, factors = self.look.kind, self._library, self.place, self._factors
        for n, g in self.backward.gradients.items():
            like, scale, scheme = place.line_point[n], place.scales[n], place.schemes[n]
            yield n, tangent_drawn_by(library, generator, kind, like, g, scale, scheme, factors[n])

    def _passed_over(self) -> np.random.Generator:
        """A generator to draw the tangents from later; the examination's goes on as if they had been drawn.

        Large tangents are held only while the function is differentiated: each dither draws its own, block by block.
        """
        stream = copy.deepcopy(self.examination.generator)
        for g in self.backward.gradients.values():
            pass_over(self.examination.generator, self.examination.elements(g))
        return stream

    def _measured_factors(self) -> dict[str, float]:
        """Factors ≤ 1 that bring every input's contribution down to that of the least; of inputs alone, 1."""
        kind, library = self.look.kind, self._library
        if not self.look.together:
            return dict.fromkeys(self.backward.gradients, 1.0)
        sizes = {}
        for name, g in self.backward.gradients.items():
            typical = typical_size(library, g) if kind is Kind.EQUALISED else 0.0
            sizes[name] = expected_size(library, kind, g, self.place.scales[name], typical)
        least = min((size for size in sizes.values() if size > 0.0), default=0.0)
        return {name: least / size if size > least else 1.0 for name, size in sizes.items()}

    def _measured_dithers(self) -> list[dict[str, Change]]:
        """For each dither and input, how the analytic number changes along the tangent; none in a lean look."""
        return [self._measured_dither() for _ in range(0 if self.look.lean else DITHERS)]

    def _measured_dither(self) -> dict[str, Change]:
        backward = self.backward
        again = backward.dithered(self.place)  # as large as the inputs, and gone before the next
        if self._stream is None:
            return {name: backward.change(name, again[name], v) for name, v in self.tangents.items()}
        drawn = self._drawn_by(copy.deepcopy(self._stream))
        return {name: backward.change_along(name, again.pop(name), block_of) for name, block_of in drawn}

    def measure(self, names: Sequence[str]) -> Measurement:
        """These inputs, moving together along the round's tangents."""
        return self._measured({name: self.tangents[name] for name in names}, self._dithers)

    def seen(self, names: Sequence[str]) -> Seen:
        """As `measure`, numbers alone: the round's last, since its gradients are let go before the differences."""
        return self._measured({name: self.tangents[name] for name in names}, self._dithers, last=True).seen

    def along(self, name: str, v: Array) -> Measurement:
        """`name` along another tangent, on the lattice (or zero) in every element."""
        changes = [{name: self.backward.change(name, again[name], v)} for again in self.backward.kept_dithers]
        return self._measured({name: v}, changes)

    def on_lattice(self, name: str, v: Vector) -> Array:
        """The tangent nearest to `v` that `name` can be measured along."""
        library, place = self._library, self.place
        like, scheme = place.line_point[name], place.schemes[name]
        kept = kept_in(library, like, scheme)
        return library.shaped(snapped_tangent(library, like, v, place.scales[name], scheme, kept), self.tangents[name])

    def pulled(self, cotangents: Arrays) -> Arrays:
        """The backward's gradients at the round's point, for other cotangents."""
        return self.backward.pulled(self.place.point, cotangents)

    def line(self, tangents: Arrays) -> Line:
        """The function that is differentiated, weighted with the round's cotangents, along tangents."""
        weights = {name: self._library.vector(u) for name, u in self.backward.cotangents.items()}
        wide, stacked = self.place.exact is not None, self.place.stacked
        return Line(self._library, self.place.forward, self.place.line_point, tangents, weights, wide, stacked)

    def _measured(
        self, tangents: Arrays, dithers: Sequence[Mapping[str, Change]], *, last: bool = False
    ) -> Measurement:
        library, gradients = self._library, self.backward.gradients
        parts = {n: inner_of(library, gradients[n], v) for n, v in tangents.items()}
        norms = {n: norm_of_product(library, gradients[n], v) for n, v in tangents.items()}
        analytic, norm_of_all = sum(parts.values()), math.hypot(*norms.values())
        # Along an aligned tangent nothing cancels: what is seen there is an error of the sum.
        aligned = self.look.kind is Kind.ALIGNED and math.isfinite(analytic)
        sizes = {n: max(norms[n], abs(parts[n])) for n in norms} if aligned else norms
        scale = max(norm_of_all, abs(analytic)) if aligned else norm_of_all
        finite = math.isfinite(analytic) or all(is_finite(library, gradients[n]) for n in tangents)
        if last:
            gradients.clear()
            self.place.give_back()
        estimate, line = self._differentiated(tangents, scale)
        changes = [[dither[name] for name in tangents] for dither in dithers]
        own = self._own_rounding(changes, norm_of_all, math.hypot(*(norm_of(library, v) for v in tangents.values())))
        comparison = Comparison(
            analytic=analytic,
            numeric=estimate.value,
            bound=math.hypot(estimate.error, own) + self._absorbed(estimate, scale),  # errors of two computations
            scale=scale,
            slope=estimate.size,
            ground=line.ground(self.place.outputs),
            own=own,
            coarse=self.place.coarsest(tangents).form.half,
            overflowed=not math.isfinite(analytic) and (finite or self._beside_a_pole(tangents, estimate)),
            bound_at_kink=self._bound_at_kink(estimate, own, scale),
            extent=estimate.extent,
        )
        outside = comparison.excusable and not between_the_slopes(self.backward, estimate.kinked, tangents)
        if outside:
            comparison = replace(comparison, bound_at_kink=0.0)
        return Measurement(self, tangents, estimate, Seen(comparison, sizes))

    def _differentiated(self, tangents: Arrays, scale: float) -> tuple[Estimate, Line]:
        library, place = self._library, self.place
        line = self.line(tangents)
        if not any(math.prod(library.shape(v)) for v in tangents.values()):
            return NOTHING_TO_DIFFERENTIATE, line
        prior, floor = place.prior if self.look.lean else None, line.rounding_floor(place.outputs)
        scheme = place.coarsest(tangents)
        if line.stacked is None:
            centre = line.weighted(place.outputs)
            estimate = differentiate(line.sample, floor, scheme, scale, centre, prior)
        else:  # another order of the sums: the centre must come from the same call as the steps
            estimate = differentiate(line.sample, floor, scheme, scale, None, prior, line.ahead)
        place.learn(estimate)
        return estimate, line

    def _beside_a_pole(self, names: Iterable[str], estimate: Estimate) -> bool:
        """Whether the point was moved onto its lattice, and the function is not defined around there."""
        point, own = self.place.point, self.examination.subject.point
        return math.isnan(estimate.value) and not all(self._library.identical(point[n], own[n]) for n in names)

    def _own_rounding(self, changes: Sequence[Sequence[Change]], scale: float, length: float) -> float:
        """The backward's own rounding error, from how far it moves under a dither; not less than its last places.

        Counted in these it belongs to the backward's code and not to the direction, so a lean look measures none.
        """
        form = self.backward.form
        last_places = max(form.unit_roundoff * scale, form.smallest_subnormal * length) / math.sqrt(3)
        if not changes:
            return DITHER_FACTOR * self.place.rounding * last_places
        along = max(abs(sum(change for change, _ in dither)) for dither in changes)
        spread = math.hypot(*(size for dither in changes for _, size in dither)) / math.sqrt(len(changes))
        own = max(along, spread, last_places)
        self.place.learn_rounding(own / last_places if last_places > 0.0 else 1.0)
        return DITHER_FACTOR * own

    def _bound_at_kink(self, estimate: Estimate, own: float, scale: float) -> float | None:
        """As the bound, but of a dither no more than a share of the jump is rounding: a dithered tie makes the rest."""
        if estimate.error_at_kink is None:
            return None
        least = DITHER_FACTOR * self.backward.form.unit_roundoff * scale
        return estimate.error_at_kink + max(least, min(own, KINK_SHARE * estimate.half_jump))

    def _absorbed(self, estimate: Estimate, scale: float) -> float:
        """What may hide in outputs that are exactly zero at every sample: log(1 + 1e-200) is 0."""
        library = self._library
        if estimate.evaluations == 0 or estimate.size > 0.0 or scale == 0.0:  # nearly always, before any array is read
            return 0.0
        if any(bool((library.vector(y) != 0).any()) for y in self.place.outputs.values()):
            return 0.0
        scheme = self.place.coarsest(self.place.schemes)
        weight = math.hypot(*(norm(library.vector(u)) for u in self.backward.cotangents.values()))
        return scheme.form.unit_roundoff * weight / scheme.first_step

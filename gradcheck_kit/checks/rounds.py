"""One round of probing: a point, a cotangent, the gradients there with their own rounding, a tangent for each input.

All inputs of a round are measured against the same VJPs, each alone or all moving together.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.checks.reference import FLOAT64
from gradcheck_kit.differences.estimate import NOTHING_TO_DIFFERENTIATE, Estimate, differentiate
from gradcheck_kit.differences.kinks import KinkedOutput
from gradcheck_kit.differences.line import BUCKETS, Line, Scale, scheme_for, snapped_point, snapped_tangent
from gradcheck_kit.differences.probe import Kind, dithered, expected_size, nudged, scale_of, tangent, towards_zero
from gradcheck_kit.differences.scheme import Scheme
from gradcheck_kit.space import FORMATS, Array, Arrays, FloatVector, Format, inner, norm
from gradcheck_kit.verdict import CLEAR_MARGIN, Comparison

DITHERS = 2  # repetitions of the VJP with every input moved by one unit in the last place
KINK_SHARE = 0.01  # of the jump: what a dither at a kink moves beyond this is the kink, not rounding
RELATIVE_AT_KINK = 64.0  # units of roundoff that a single output's gradient may be off by
DITHER_FACTOR = 4.0  # the true rounding error was at most 2.2 of the largest dither over 1,692 measured cases


@dataclass(frozen=True)
class Look:
    """How a round looks: how large the cotangent, which tangents, which steps, where, and at what.

    Attributes:
        kind: of the tangents.
        magnitude: of the cotangents.
        shrink: how many times smaller the first step is.
        per_element: whether each element moves by its own size instead of its array's.
        nudge: whether the point is moved by a small random amount first, off a kink.
        together: whether the inputs will move together; each is then scaled to contribute alike.
        reference: whether the forward in float64 is differentiated, where there is one.
    """

    kind: Kind
    magnitude: float
    shrink: float = 1.0
    per_element: bool = False
    nudge: bool = False
    together: bool = False
    reference: bool = True


@dataclass(frozen=True)
class Seen:
    """The numbers of a measurement.

    Attributes:
        comparison: ⟨vjp(u), v⟩ beside ⟨u, J v⟩.
        sizes: for each input the size of its part of the analytic number, free of cancellation.
    """

    comparison: Comparison
    sizes: Mapping[str, float]

    def resolution_of(self, name: str) -> float:
        """The smallest relative error in the gradient of `name` that the comparison could have seen."""
        bound = self.comparison.bound
        if bound == 0.0:
            return 0.0
        size = self.comparison.ground if self.comparison.zero or not self.sizes[name] else self.sizes[name]
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


class Round:
    """A point, a cotangent, the gradients there, and a tangent for each differentiable input.

    Attributes:
        examination: whose subject is probed.
        look: how.
        point: the primal, in the inputs' own dtypes; the backward is asked here.
        gradients: vjp(u) by input; a missing one is the zero that it claims.
        tangents: v by input.
        line_point: the point as the forward that is differentiated takes it.
    """

    def __init__(self, examination: Examination, look: Look) -> None:
        self.examination, self.look = examination, look
        self._library = examination.library
        self._exact = examination.reference if look.reference else None
        self._schemes: dict[str, Scheme] = {}
        self._scales: dict[str, Scale] = {}
        self.point = self._placed()
        self.cotangents = examination.cotangents(look.magnitude, equalised=look.kind is Kind.EQUALISED)
        self.gradients = self._pulled(self.point, self.cotangents)
        if look.magnitude > 1.0 and not self._finite():  # the large cotangent itself overflowed
            self.cotangents = examination.cotangents(1.0 / look.magnitude, equalised=look.kind is Kind.EQUALISED)
            self.gradients = self._pulled(self.point, self.cotangents)
        self.line_point = self._line_point()
        self.tangents = self._drawn()
        self._dithers = self._measured_dithers()

    # -- the point ------------------------------------------------------------------------------------------------

    def _placed(self) -> Arrays:
        """The subject's point; where its own forward is differentiated, on the lattice of the stencil."""
        subject, library = self.examination.subject, self._library
        point = dict(subject.point)
        for name in subject.differentiable:
            if self.look.nudge:
                point[name] = nudged(library, self.examination.generator, point[name])
            outputs = self.examination.outputs if self._exact is None else self._exact.outputs
            like = point[name] if self._exact is None else library.widened(point[name])
            self._schemes[name] = scheme_for(library, [like], outputs).smaller(self.look.shrink)
            self._scales[name] = scale_of(library, like, self.look.per_element)
            if self._exact is None:
                point[name] = snapped_point(library, like, self._scales[name], self._schemes[name])
        return point

    def _line_point(self) -> Arrays:
        return self.point if self._exact is None else self._exact.widened(self.point)

    def _drawn(self) -> dict[str, Array]:
        """A fresh tangent for each input; together, each scaled down to contribute as much as the least of them."""
        kind, library = self.look.kind, self._library
        factors = self._factors() if self.look.together else dict.fromkeys(self.gradients, 1.0)
        tangents = {}
        for name, gradient in self.gradients.items():
            g, scale, like = library.vector(gradient), self._scales[name], self.line_point[name]
            v = tangent(library, self.examination.generator, kind, self.point[name], g, scale)
            tangents[name] = snapped_tangent(library, like, factors[name] * v, scale, self._schemes[name])
        return tangents

    def _factors(self) -> dict[str, float]:
        """Factors ≤ 1 that bring every input's contribution down to that of the least."""
        sizes = {
            name: expected_size(self._library, self.look.kind, self._library.vector(gradient), self._scales[name])
            for name, gradient in self.gradients.items()
        }
        least = min((size for size in sizes.values() if size > 0.0), default=0.0)
        return {name: least / size if size > least else 1.0 for name, size in sizes.items()}

    # -- the backward ---------------------------------------------------------------------------------------------

    def _pulled(self, point: Arrays, cotangents: Arrays) -> dict[str, Array]:
        subject, library = self.examination.subject, self._library
        pulled = subject.pullback(point, cotangents)
        gradients = {}
        for name in subject.differentiable:
            gradient = pulled.get(name)
            missing = gradient is None
            gradients[name] = library.moved(point[name], point[name], -1.0) if missing else gradient
        return gradients

    def _finite(self) -> bool:
        return all(bool((abs(self._library.vector(g)) < math.inf).all()) for g in self.gradients.values())

    def _dithered_gradients(self) -> dict[str, Array]:
        """The gradients where point and cotangent have moved by a unit in the last place, at random."""
        library, generator, names = self._library, self.examination.generator, self.gradients.keys()
        cotangents = {n: dithered(library, generator, u) for n, u in self.cotangents.items()}
        moved = {n: dithered(library, generator, a) if n in names else a for n, a in self.point.items()}
        try:
            return self._pulled(moved, cotangents)
        except (ValueError, ArithmeticError, RuntimeError):  # beyond an upper edge of the domain, such as p = 1
            inward = {n: towards_zero(library, a) if n in names else a for n, a in self.point.items()}
            return self._pulled(inward, cotangents)

    def _measured_dithers(self) -> list[dict[str, tuple[float, float]]]:
        """For each dither and input, how the analytic number changes: along the tangent, and without cancelling."""
        measured = []
        for _ in range(DITHERS):
            again = self._dithered_gradients()
            measured.append({name: self._change(name, again[name], v) for name, v in self.tangents.items()})
        return measured

    def _change(self, name: str, again: Array, v: Array) -> tuple[float, float]:
        library = self._library
        product = library.vector(library.moved(again, self.gradients[name], -1.0)) * library.vector(v)
        return float(product.sum()), norm(product)

    @cached_property
    def _kept_dithers(self) -> list[dict[str, Array]]:
        """Dithered gradients, for tangents other than the round's own."""
        return [self._dithered_gradients() for _ in range(DITHERS)]

    def digits_lost(self, measurement: "Measurement") -> float | None:
        """How far the gradient is from that of the same backward in float64, relative to it, where that one agrees.

        The formula is then right, and only digits are lost: an intermediate that was saved after it had rounded to its
        limit, as where a function saturates, moves under no dither. None where the float64 backward mismatches as well,
        or cannot be run.
        """
        subject, library, exact = self.examination.subject, self._library, self._exact
        if exact is None or subject.reference_pullback is None:
            return None
        wide = {name: library.widened(u) for name, u in self.cotangents.items()}
        pulled = subject.reference_pullback(self.line_point, wide)
        analytic = far = size = 0.0
        for name, v in measurement.tangents.items():
            gradient = pulled.get(name)
            if gradient is None or library.dtype(gradient) != FLOAT64:
                return None
            g = library.vector(gradient)
            analytic += inner(g, library.vector(v))
            far += norm(g - library.vector(self.gradients[name])) ** 2
            size += norm(g) ** 2
        agrees = abs(analytic - measurement.seen.comparison.numeric) <= CLEAR_MARGIN * measurement.estimate.error
        return math.sqrt(far / size) if agrees and size > 0.0 else None

    # -- measuring ------------------------------------------------------------------------------------------------

    def measure(self, names: Sequence[str]) -> Measurement:
        """These inputs, moving together along the round's tangents."""
        return self._measured({name: self.tangents[name] for name in names}, self._dithers)

    def along(self, name: str, v: Array) -> Measurement:
        """`name` along another tangent, on the lattice (or zero) in every element."""
        changes = [{name: self._change(name, again[name], v)} for again in self._kept_dithers]
        return self._measured({name: v}, changes)

    def _measured(self, tangents: Arrays, dithers: Sequence[Mapping[str, tuple[float, float]]]) -> Measurement:
        library = self._library
        analytic, sizes = 0.0, {}
        for name, v in tangents.items():
            g, direction = library.vector(self.gradients[name]), library.vector(v)
            analytic += inner(g, direction)
            sizes[name] = norm(g * direction)
        scale = math.hypot(*sizes.values())
        estimate, line = self._differentiated(tangents, scale)
        outputs = self._outputs()
        changes = [[dither[name] for name in tangents] for dither in dithers]
        own = self._own_rounding(changes, scale, math.hypot(*(norm(library.vector(v)) for v in tangents.values())))
        comparison = Comparison(
            analytic=analytic,
            numeric=estimate.value,
            bound=estimate.error + own + self._absorbed(estimate, scale),
            scale=scale,
            slope=estimate.size,
            ground=line.ground(outputs),
            bound_at_kink=self._bound_at_kink(estimate, own, scale),
        )
        if estimate.kinked and comparison.excusable and not self._between_the_slopes(estimate.kinked, tangents):
            comparison = replace(comparison, bound_at_kink=0.0)
        return Measurement(self, tangents, estimate, Seen(comparison, sizes))

    def _differentiated(self, tangents: Arrays, scale: float) -> tuple[Estimate, Line]:
        library, subject = self._library, self.examination.subject
        forward = subject.forward if self._exact is None else self._exact.forward
        weights = {name: library.vector(u) for name, u in self.cotangents.items()}
        line = Line(library, forward, self.line_point, tangents, weights)
        if not any(math.prod(library.shape(v)) for v in tangents.values()):
            return NOTHING_TO_DIFFERENTIATE, line
        coarsest = max((self._schemes[name] for name in tangents), key=lambda scheme: scheme.form.unit_roundoff)
        return differentiate(line.sample, line.rounding_floor(self._outputs()), coarsest, scale), line

    def _outputs(self) -> Mapping[str, Array]:
        return self.examination.outputs if self._exact is None else self._exact.outputs

    def _own_rounding(self, changes: Sequence[Sequence[tuple[float, float]]], scale: float, length: float) -> float:
        """The backward's own rounding error, from how far it moves under a dither; not less than its last places."""
        along = max(abs(sum(change for change, _ in dither)) for dither in changes)
        spread = math.sqrt(sum(size**2 for dither in changes for _, size in dither) / len(changes))
        form = self._coarsest()
        last_places = max(form.unit_roundoff * scale, form.smallest_subnormal * length) / math.sqrt(3)
        return DITHER_FACTOR * max(along, spread, last_places)

    def _between_the_slopes(self, kinked: Sequence[KinkedOutput], tangents: Arrays) -> bool:
        """Whether each kinked output alone has a gradient between its one-sided slopes: in their sum errors cancel."""
        library = self._library
        weights = {name: library.numpy(library.vector(u)) for name, u in self.cotangents.items()}
        count = sum(len(u) for u in weights.values())
        if count > BUCKETS:  # the outputs were summed, and cannot be told apart
            return True
        slack = RELATIVE_AT_KINK * self._coarsest().unit_roundoff
        for output in kinked:
            gradients = self._pulled(self.point, self._single(weights, output.position))
            analytic = sum(inner(library.vector(gradients[n]), library.vector(v)) for n, v in tangents.items())
            allowed = output.half_jump + output.error + slack * (abs(output.slope) + output.half_jump)
            if not abs(analytic - output.slope) <= allowed:
                return False
        return True

    def _single(self, weights: Mapping[str, FloatVector], position: int) -> dict[str, Array]:
        """The round's cotangent at one output, zero at the others."""
        single, start = {}, 0
        for name, u in weights.items():
            like = self.cotangents[name]
            alone = np.where(np.arange(start, start + len(u)) == position, u, 0.0)
            single[name] = self._library.shaped(self._library.place(alone, like), like)
            start += len(u)
        return single

    def _bound_at_kink(self, estimate: Estimate, own: float, scale: float) -> float | None:
        """As the bound, but of a dither no more than a share of the jump is rounding: a dithered tie makes the rest."""
        if estimate.error_at_kink is None:
            return None
        least = DITHER_FACTOR * self._coarsest().unit_roundoff * scale
        return estimate.error_at_kink + max(least, min(own, KINK_SHARE * estimate.half_jump))

    def _coarsest(self) -> Format:
        arrays = [*(self.point[name] for name in self.gradients), *self.cotangents.values()]
        return max((FORMATS[self._library.dtype(array)] for array in arrays), key=lambda form: form.unit_roundoff)

    def _absorbed(self, estimate: Estimate, scale: float) -> float:
        """What may hide in outputs that are exactly zero at every sample: log(1 + 1e-200) is 0."""
        library = self._library
        if estimate.evaluations == 0 or estimate.size > 0.0 or scale == 0.0:  # nearly always, before any array is read
            return 0.0
        if any(bool((library.vector(y) != 0).any()) for y in self._outputs().values()):
            return 0.0
        scheme = max(self._schemes.values(), key=lambda s: s.form.unit_roundoff)
        weight = math.hypot(*(norm(library.vector(u)) for u in self.cotangents.values()))
        return scheme.form.unit_roundoff * weight / scheme.first_step

"""One round of probing: a point on its lattice, one cotangent, its gradients with their own rounding, and the
measurement of an input along a tangent."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.differences.estimate import Estimate, differentiate
from gradcheck_kit.differences.line import Line, scheme_for, snapped_point, snapped_tangent
from gradcheck_kit.differences.probe import Kind, dithered, scale_of, tangent
from gradcheck_kit.differences.scheme import Scheme
from gradcheck_kit.space import FORMATS, Array, Arrays, Vector, inner, norm
from gradcheck_kit.verdict import Comparison

DITHERS = 2  # repetitions of the VJP with every input moved by one unit in the last place
DITHER_FACTOR = 4.0  # the true rounding error was at most 2.2 of the largest dither over 1,692 measured cases


@dataclass(frozen=True)
class Measurement:
    """One input measured along one tangent: the numerical estimate beside the analytic number."""

    round: "Round"
    name: str
    tangent: Vector
    estimate: Estimate
    comparison: Comparison

    @property
    def elements(self) -> int:
        return len(self.tangent)


@dataclass(frozen=True)
class Round:
    """A point, a cotangent, and the gradients there; all inputs are measured against the same VJPs.

    Attributes:
        point: the primal, every differentiable input on the lattice of its stencil.
        cotangents: u as vectors, by output.
        gradients: vjp(u) as vectors, by input.
        dithers: how the gradients change when point and cotangent move by a unit in the last place, at random.
        scales: how far each element of each input moves at step 1.
        ground: the size of the weighted outputs.
        floor: the noise that rounding the outputs must cause.
    """

    examination: Examination
    point: Arrays
    cotangents: Mapping[str, Vector]
    gradients: Mapping[str, Vector]
    dithers: tuple[Mapping[str, Vector], ...]
    scales: Mapping[str, Vector]
    schemes: Mapping[str, Scheme]

    @classmethod
    def draw(cls, examination: Examination, magnitude: float, shrink: float, per_element: bool) -> "Round":
        """A fresh cotangent of the given magnitude, and the VJPs at it."""
        subject, library = examination.subject, examination.library
        schemes, scales, point = {}, {}, dict(subject.point)
        for name in subject.differentiable:
            array = subject.point[name]
            schemes[name] = scheme_for(library, array, examination.outputs).smaller(shrink)
            scales[name] = scale_of(library, array, per_element)
            point[name] = snapped_point(library, array, scales[name], schemes[name])
        cotangents = examination.cotangents(magnitude)
        gradients = _vectors(examination, subject.pullback(point, cotangents), point)
        dithers = []
        for _ in range(DITHERS):
            moved = {n: dithered(library, examination.generator, a) if n in scales else a for n, a in point.items()}
            moved_cotangents = {n: dithered(library, examination.generator, u) for n, u in cotangents.items()}
            again = _vectors(examination, subject.pullback(moved, moved_cotangents), point)
            dithers.append({name: again[name] - gradients[name] for name in gradients})
        weights = {name: library.vector(u) for name, u in cotangents.items()}
        return cls(examination, point, weights, gradients, tuple(dithers), scales, schemes)

    def measure(self, name: str, kind: Kind) -> Measurement:
        """`name` along a fresh tangent of this kind."""
        library, like = self.examination.library, self.point[name]
        drawn = tangent(library, self.examination.generator, kind, like, self.gradients[name], self.scales[name])
        return self.along(name, snapped_tangent(library, like, drawn, self.scales[name], self.schemes[name]))

    def along(self, name: str, v: Vector) -> Measurement:
        """`name` along the tangent v, which is on the lattice (or zero) in every element."""
        line = Line(self.examination.subject, self.point, name, v, self.cotangents)
        gradient = self.gradients[name]
        scale = norm(gradient * v)
        scheme = self.schemes[name]
        floor = line.rounding_floor(self.examination.outputs)
        if len(v):
            estimate = differentiate(line.sample, floor, scheme, scale)
        else:
            estimate = Estimate(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None, 0)  # a function of nothing has no derivative
        comparison = Comparison(
            analytic=inner(gradient, v),
            numeric=estimate.value,
            bound=estimate.error + self._own_rounding(name, v, scale, scheme.form.unit_roundoff),
            scale=scale,
            slope=estimate.size,
            ground=self._ground(),
        )
        return Measurement(self, name, v, estimate, comparison)

    def _own_rounding(self, name: str, v: Vector, scale: float, unit_roundoff: float) -> float:
        """The backward's own rounding error along v, from how far it moves under a dither."""
        along = max(abs(inner(dither[name], v)) for dither in self.dithers)
        spread = math.sqrt(sum(norm(dither[name] * v) ** 2 for dither in self.dithers) / DITHERS)
        return DITHER_FACTOR * max(along, spread, unit_roundoff * scale / math.sqrt(3))

    def _ground(self) -> float:
        """‖u∘y‖₂, and for a function that is zero the smallest size that its format holds to full precision."""
        library, outputs = self.examination.library, self.examination.outputs
        parts = [
            norm(
                u
                * library.maximum(
                    abs(library.vector(outputs[n])), 2.0 ** FORMATS[library.dtype(outputs[n])].least_exponent
                )
            )
            for n, u in self.cotangents.items()
        ]
        return math.hypot(*parts)


def _vectors(examination: Examination, gradients: Mapping[str, Array | None], point: Arrays) -> dict[str, Vector]:
    """Gradients as vectors; a missing one is the zero that it claims."""
    library = examination.library
    vectors = {}
    for name in examination.subject.differentiable:
        gradient = gradients.get(name)
        vectors[name] = 0.0 * library.vector(point[name]) if gradient is None else library.vector(gradient)
    return vectors

"""A function along a line through its point, with every stencil point exactly representable.

Rounding x + h·v to the working format is the largest avoidable error of a numerical derivative in low precision.
Here x is moved to a multiple of q, the spacing of the largest stencil point, and v so that the finest step times v
is a multiple of q too: then all x ± 2^-k·v are numbers of the format, on one straight line, symmetric about x.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradcheck_kit.differences.scheme import SCHEMES, Scheme
from gradcheck_kit.space import FORMATS, Array, Arrays, FloatVector, Library, Vector, norm
from gradcheck_kit.subject import Subject

BUCKETS = 4096
"""Outputs beyond this many are summed in blocks: their random signs keep the norm of the sums that of the outputs
(a random-sign sketch; Alon, Matias & Szegedy 1996, "The space complexity of approximating the frequency moments")."""


def scheme_for(library: Library, probed: Array, outputs: Mapping[str, Array]) -> Scheme:
    """The scheme of the coarsest format among the probed input and the outputs."""
    names = {library.dtype(array) for array in [probed, *outputs.values()]} & SCHEMES.keys()
    return max((SCHEMES[name] for name in names), key=lambda scheme: scheme.form.unit_roundoff)


def lattice(library: Library, like: Array, scale: Vector, scheme: Scheme) -> Vector:
    """q: the spacing, in `like`'s format, of the largest stencil point |x| + h·scale of each element."""
    form = FORMATS[library.dtype(like)]
    magnitude = abs(library.vector(like))
    q = library.spacing(magnitude + scheme.largest_step * scale, form)
    # A tangent cannot be finer than q over the finest step, so where x dwarfs the scale the stencil is wider.
    widened = library.maximum(scale, q / scheme.snap_step)
    return library.spacing(magnitude + scheme.largest_step * widened, form)


def snapped_point(library: Library, like: Array, scale: Vector, scheme: Scheme) -> Array:
    """`like` moved to the nearest multiples of q: by at most half a unit in the last place of the stencil."""
    q = lattice(library, like, scale, scheme)
    x = library.vector(like)
    multiple = library.round(x / q)
    no_new_zero = (multiple == 0) * library.sign(x)  # an exact zero may be a kink that the caller did not ask for
    return library.shaped((multiple + no_new_zero) * q, like)


def snapped_tangent(library: Library, like: Array, tangent: Vector, scale: Vector, scheme: Scheme) -> Vector:
    """`tangent` moved so that the finest step times each element is a nonzero multiple of q."""
    q = lattice(library, like, scale, scheme)
    multiple = library.round(tangent * scheme.snap_step / q)
    at_least_one = (multiple == 0) * library.sign(tangent)
    return (multiple + at_least_one) * (q / scheme.snap_step)


@dataclass(frozen=True)
class Line:
    """t ↦ u∘f(x + t·v), for a tangent v of one input `name`, the other inputs fixed, and cotangents u.

    Attributes:
        subject: whose forward is evaluated.
        point: the primal, with x on its lattice.
        name: the input that moves.
        tangent: v, a vector as long as the input has elements.
        cotangents: u, a vector for each output.
    """

    subject: Subject
    point: Arrays
    name: str
    tangent: Vector
    cotangents: Mapping[str, Vector]

    def at(self, t: float) -> Arrays:
        """The point x + t·v, all inputs included."""
        library, here = self.subject.library, self.point[self.name]
        moved = library.shaped(library.vector(here) + t * self.tangent, here)
        return {**self.point, self.name: moved}

    def sample(self, t: float) -> FloatVector | None:
        """The weighted outputs at x + t·v in at most BUCKETS + 1 sums; None where not finite or not defined."""
        try:
            with np.errstate(all="ignore"):
                outputs = self.subject.forward(self.at(t))
        except Exception:
            if t == 0.0:
                raise
            return None  # beyond the edge of the domain many functions raise; the smaller steps will tell
        weighted = self._weighted(outputs)
        if weighted is None or not np.isfinite(weighted).all():
            return None
        return weighted

    def rounding_floor(self, outputs: Mapping[str, Array]) -> float:
        """‖u∘ulp(y)/2‖₂/√3: the standard deviation that rounding the outputs to their format causes at least."""
        library = self.subject.library
        parts = []
        for name, u in self.cotangents.items():
            form = FORMATS[library.dtype(outputs[name])]
            size = abs(library.vector(outputs[name])) * form.unit_roundoff
            parts.append(norm(u * library.maximum(size, form.smallest_subnormal)))
        return float(np.linalg.norm(parts)) / np.sqrt(3.0) if parts else 0.0

    def _weighted(self, outputs: Mapping[str, Array]) -> FloatVector | None:
        library = self.subject.library
        parts = []
        for name, u in self.cotangents.items():
            if name not in outputs:
                return None
            y = library.vector(outputs[name])
            if len(y) != len(u):
                return None
            parts.append(u * y)
        return library.numpy(_bucketed(library, library.concatenate(parts)))


def _bucketed(library: Library, values: Vector) -> Vector:
    if len(values) <= BUCKETS:
        return values
    block = len(values) // BUCKETS
    head, tail = values[: block * BUCKETS], values[block * BUCKETS :]
    sums = head.reshape(BUCKETS, block).sum(1)
    return library.concatenate([sums, tail.sum().reshape(1)]) if len(tail) else sums

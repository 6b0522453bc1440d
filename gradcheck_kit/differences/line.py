"""A function along a line through its point, with every stencil point exactly representable.

Rounding x + h·v to the working format is the largest avoidable error of a numerical derivative in low precision.
Here x is moved to a multiple of q, the spacing of the largest stencil point, and v so that the finest step times v
is a multiple of q too: then all x ± 2^-k·v are numbers of the format, on one straight line, symmetric about x.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from gradcheck_kit.differences.probe import Kind, Scale, part_of, tangent, typical_size
from gradcheck_kit.differences.scheme import SCHEMES, Scheme
from gradcheck_kit.space import BLOCK, FORMATS, Array, Arrays, FloatVector, Format, Library, Vector, blocks, built, norm
from gradcheck_kit.subject import BudgetSpentError, Forward, Stacked, UsageError

FLOAT64 = FORMATS["float64"]
BUCKETS = 4096
"""Outputs beyond this many are summed in blocks: their random signs keep the norm of the sums that of the outputs
(a random-sign sketch; Alon, Matias & Szegedy 1996, "The space complexity of approximating the frequency moments")."""


def scheme_for(library: Library, probed: Iterable[Array], outputs: Mapping[str, Array]) -> Scheme:
    """The scheme of the coarsest format among the probed inputs and the outputs."""
    names = {library.dtype(array) for array in [*probed, *outputs.values()]} & SCHEMES.keys()
    return max((SCHEMES[name] for name in names), key=lambda scheme: scheme.form.unit_roundoff)


def kept_in(library: Library, like: Array, scheme: Scheme) -> Format | None:
    """The format that the tangent of a large input of few digits is kept in, though it is moved in float64; else None.

    A tangent of another size or direction would do as well, so half of its digits need not be there.
    """
    large = math.prod(library.shape(like)) > BLOCK
    return FORMATS["float32"] if large and FORMATS[library.dtype(like)].digits < scheme.form.digits else None


def lattice(library: Library, like: Array, scale: Scale, scheme: Scheme) -> Vector:
    """q: the spacing of the largest stencil point |x| + h·scale of each element, in the format it is computed in:
    `like`'s, or that of the scheme where it has more digits."""
    form = max(FORMATS[library.dtype(like)], scheme.form, key=lambda form: form.digits)
    magnitude = abs(library.vector(like))
    q = library.spacing(magnitude + scheme.largest_step * scale, form)
    # A tangent cannot be finer than q over the finest step, so where x dwarfs the scale the stencil is wider.
    if isinstance(scale, float) and len(q) and float(q.max()) <= scale * scheme.snap_step:
        return q
    widened = library.maximum(q / scheme.snap_step, scale)
    return library.spacing(magnitude + scheme.largest_step * widened, form)


def snapped_point(library: Library, like: Array, scale: Scale, scheme: Scheme, into: Array | None = None) -> Array:
    """`like` moved to the nearest multiples of q: by at most half a unit in the last place of the stencil.

    Fresh, or where it is large in the memory of `into`.
    """
    flat = library.flat(like)

    def snapped(block: slice) -> Vector:
        q = lattice(library, flat[block], part_of(scale, block), scheme)
        x = library.vector(flat[block])
        multiple = library.round(x / q)
        no_new_zero = (multiple == 0) * library.sign(x)  # an exact zero may be a kink that the caller did not ask for
        return (multiple + no_new_zero) * q

    return built(library, like, snapped, into)


def snapped_tangent(
    library: Library, like: Array, tangent: Vector, scale: Scale, scheme: Scheme, kept: Format | None = None
) -> Vector:
    """`tangent` moved so that the finest step times each element is a nonzero multiple of q.

    Each element has few enough digits to be a number of the format that it is computed in, and of `kept` too.
    """
    unit = lattice(library, like, scale, scheme) / scheme.snap_step
    if kept is not None:
        unit = library.maximum(unit, library.spacing(abs(tangent), kept))
    multiple = library.round(tangent / unit)
    at_least_one = (multiple == 0) * library.sign(tangent)
    return (multiple + at_least_one) * unit


def tangent_drawn_by(
    library: Library,
    generator: np.random.Generator,
    kind: Kind,
    like: Array,
    gradient: Array,
    scale: Scale,
    scheme: Scheme,
    factor: float = 1.0,
) -> Callable[[slice], Vector]:
    """What draws a fresh tangent on the lattice of `like`, block by block: each once, in order.

    Every element is a number of `like`'s dtype, or of `kept_in`.

    Args:
        gradient: the analytic gradient at the point, which two of the kinds look at.
        scale, scheme: as for `lattice`.
        factor: a further scale of the whole tangent.
    """
    here, slopes = library.flat(like), library.flat(gradient)
    typical = typical_size(library, gradient) if kind is Kind.EQUALISED else 0.0
    kept = kept_in(library, like, scheme)

    def drawn(block: slice) -> Vector:
        size, g = part_of(scale, block), library.vector(slopes[block])
        v = tangent(library, generator, kind, here[block], g, size, typical)
        return snapped_tangent(library, here[block], factor * v, size, scheme, kept)

    return drawn


@dataclass(frozen=True)
class Line:
    """t ↦ u∘f(x + t·v), for tangents v of one or several inputs, the other inputs fixed, and cotangents u.

    Attributes:
        library: of all arrays.
        forward: f, from a point to outputs by name.
        point: the primal, every input on its lattice.
        tangents: v by input, shaped like it and in its dtype, or as in `kept_in`.
        cotangents: u, a vector for each output.
        wide: whether f takes float64: what the point has of fewer digits is cast as it is handed over.
        stacked: f at several points in one call, if it is to be called so.
    """

    library: Library
    forward: Forward
    point: Arrays
    tangents: Arrays
    cotangents: Mapping[str, Vector]
    wide: bool = False
    stacked: Stacked | None = None
    _sampled: dict[float, FloatVector | None] = field(default_factory=dict, init=False, repr=False, compare=False)
    _memory: dict[str, Array | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def at(self, t: float) -> Arrays:
        """The point x + t·v, all inputs included; it is overwritten by the next."""
        return {**self._still, **{name: self._moved(name, v, t, self._into(name)) for name, v in self.tangents.items()}}

    @cached_property
    def _still(self) -> Arrays:
        """The point as f takes it, but for what moves."""
        cast = [n for n in self.point if self._is_cast(n) and n not in self.tangents]
        return {**self.point, **{n: self.library.widened(self.point[n]) for n in cast}}

    def _is_cast(self, name: str) -> bool:
        form = FORMATS.get(self.library.dtype(self.point[name]))
        return self.wide and form is not None and form != FLOAT64

    def _moved(self, name: str, v: Array, t: float, into: Array | None) -> Array:
        """x + t·v as f takes it."""
        x = self.point[name]
        if not self._is_cast(name):
            return self.library.moved(x, v, t, into)
        whole = self.library.blank(x, FLOAT64) if into is None else into
        here, there, step = (self.library.flat(array) for array in (x, whole, v))
        for block in blocks(len(here)):
            there[block] = step[block]  # which the sum then takes the place of
            self.library.moved(self.library.vector(here[block]), there[block], t, there[block])
        return there.reshape(self.library.shape(x))

    def _into(self, name: str) -> Array | None:
        """The memory that a large input moves in: to ask the system for it each time takes longer than the sum."""
        if name not in self._memory:
            like = self.point[name]
            large = math.prod(self.library.shape(like)) > BLOCK
            form = FLOAT64 if self._is_cast(name) else None
            self._memory[name] = self.library.blank(like, form) if large else None
        return self._memory[name]

    def sample(self, t: float) -> FloatVector | None:
        """The weighted outputs at x + t·v in at most BUCKETS + 1 sums; None where not finite or not defined."""
        if t in self._sampled:
            return self._sampled.pop(t)
        try:
            outputs = self.forward(self.at(t))
        except BudgetSpentError:
            raise
        except Exception:
            if t == 0.0:
                raise
            return None  # beyond the edge of the domain many functions raise; the smaller steps will tell
        return self.weighted(outputs)

    def ahead(self, times: Sequence[float]) -> None:
        """Evaluate at all these times in one call, so that `sample` has the answers; nothing where it may not."""
        times = [t for t in times if t not in self._sampled]
        if self.stacked is None or not times:
            return
        moving = {
            name: self.library.stacked([self._moved(name, v, t, None) for t in times])
            for name, v in self.tangents.items()
        }
        outputs = self.stacked(self._still, moving)
        for i, t in enumerate(times):
            self._sampled[t] = self.weighted({name: output[i] for name, output in outputs.items()})

    def rounding_floor(self, outputs: Mapping[str, Array]) -> float:
        """‖u∘ulp(y)/2‖₂/√3: the standard deviation that rounding the outputs to their format causes at least.

        Raises:
            UsageError: an output has another number of elements than before.
        """
        parts = []
        for name, u in self.cotangents.items():
            form = FORMATS[self.library.dtype(outputs[name])]
            size = abs(self.library.vector(outputs[name])) * form.unit_roundoff
            if len(size) != len(u):
                raise UsageError(
                    f"{name} has {len(size)} elements where it had {len(u)}; return the same shape every time"
                )
            parts.append(norm(u * self.library.maximum(size, form.smallest_subnormal)))
        return math.hypot(*parts) / math.sqrt(3.0)

    def ground(self, outputs: Mapping[str, Array]) -> float:
        """‖u∘y‖₂; for a function that is zero, the smallest size that its format holds to full precision."""
        parts = []
        for name, u in self.cotangents.items():
            least = 2.0 ** FORMATS[self.library.dtype(outputs[name])].least_exponent
            parts.append(norm(u * self.library.maximum(abs(self.library.vector(outputs[name])), least)))
        return math.hypot(*parts)

    def weighted(self, outputs: Mapping[str, Array]) -> FloatVector | None:
        """u∘y in at most BUCKETS + 1 sums; None where an output is missing, of another size, or not finite."""
        parts = []
        for name, u in self.cotangents.items():
            if name not in outputs:
                return None
            y = self.library.flat(outputs[name])
            if y.shape != u.shape:
                return None
            parts.append(u * y)
        whole = parts[0] if len(parts) == 1 else self.library.concatenate(parts)
        weighted = self.library.numpy(_bucketed(self.library, whole))
        # The sum of squares is quicker than a look at each, and may overflow where no element has.
        return weighted if math.isfinite(weighted @ weighted) or np.isfinite(weighted).all() else None


def _bucketed(library: Library, values: Vector) -> Vector:
    if len(values) <= BUCKETS:
        return values
    block = len(values) // BUCKETS
    head, tail = values[: block * BUCKETS], values[block * BUCKETS :]
    sums = head.reshape(BUCKETS, block).sum(1)
    return library.concatenate([sums, tail.sum().reshape(1)]) if len(tail) else sums

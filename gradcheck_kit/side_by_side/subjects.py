"""Does a candidate's pullback return what a reference's returns, element by element, up to measured rounding?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradcheck_kit.checks.determinism import REORDERING
from gradcheck_kit.differences.probe import at_dithered_point, dithered, signed_uniform
from gradcheck_kit.provenance import Meter, coarsest, environment_now, generator_of
from gradcheck_kit.report import Cost, Finding, Report
from gradcheck_kit.space import FORMATS, Array, Arrays, FloatVector, Format, root_mean_square
from gradcheck_kit.subject import Subject, UsageError
from gradcheck_kit.verdict import CLEAR_MARGIN, DEFAULT_REQUIRE, Verdict, of_ratio

QUESTION = "parity"
MAGNITUDES = (1.0, 8.0, 0.125)  # a clamped cotangent is right at one of them
DITHERS = 4  # of 60 right LeNets, 61,706 elements each, two dithers left 11 undecided, and four none
BOUND_FACTOR = 8.0  # on the largest of an element's dither, its last place, and half their mean over the array

Drawn = Mapping[str, FloatVector]


def parity(reference: Subject, candidate: Subject, *, seed: int = 0) -> Report:
    """Compare outputs and gradients of two subjects at the same point and the same random cotangents.

    The bound of each element is measured: how far it moves, on either side, when every input moves by a unit in the
    last place. The subjects may live in different libraries and on different devices.

    Args:
        reference: the one to believe, such as a torch callable whose VJP is autograd's.
        candidate: the one under test; the same input names, shapes and values, and outputs of the same sizes.
        seed: where the cotangents and dithers come from.

    Raises:
        UsageError: the two are no subjects, or not at the same point.
    """
    generator = generator_of(seed)
    meter = Meter(_checked(reference, candidate))
    with candidate.session(), reference.session():
        mine = _Side(meter.subject, dict(meter.subject.forward(candidate.point)))
        theirs = _Side(reference, dict(reference.forward(reference.point)))
        findings = (
            _of_outputs(mine, theirs, generator)
            or _of_randomness(mine, theirs, generator)
            or _of_gradients(mine, theirs, generator)
        )
    dtype = coarsest(candidate, mine.outputs)
    return Report(
        subject=f"{candidate.name} beside {reference.name}",
        findings=tuple(findings),
        seed=seed,
        cost=Cost(meter.forward, meter.vjp, meter.seconds),
        dtype=dtype,
        device=reference.library.device(next(iter(reference.point.values()))),
        library=reference.library.name,
        require=DEFAULT_REQUIRE[dtype],
        environment=environment_now(),
    )


def _checked(reference: Subject, candidate: Subject) -> Subject:
    for role, subject in (("reference", reference), ("candidate", candidate)):
        if not isinstance(subject, Subject):
            kind = type(subject).__name__
            raise UsageError(f"{role} is a {kind}; pass gk.layer(...), gk.function(...) or gk.module(...)")
    for name in candidate.differentiable:
        if name not in reference.point:
            raise UsageError(f"the reference has no input {name}; it has {', '.join(reference.point)}: pass names=")
        here, there = (s.library.numpy(s.library.vector(s.point[name])) for s in (candidate, reference))
        if here.shape != there.shape or not np.array_equal(here, there, equal_nan=True):
            raise UsageError(f"{name} has different values in the reference and the candidate; pass the same arrays")
    return candidate


@dataclass(frozen=True)
class _Side:
    """One of the two subjects, with its outputs at the point."""

    subject: Subject
    outputs: Mapping[str, Array]

    def drawn(self, arrays: Mapping[str, Array | None]) -> Drawn:
        library = self.subject.library
        return {n: library.numpy(library.vector(a)) for n, a in arrays.items() if a is not None}

    def cotangents(self, values: list[FloatVector]) -> dict[str, Array]:
        """The drawn values, shaped and rounded like the outputs."""
        library = self.subject.library
        return {
            name: library.shaped(library.place(u, output), output)
            for (name, output), u in zip(self.outputs.items(), values, strict=True)
        }

    def gradients(self, point: Arrays, cotangents: Arrays, names: tuple[str, ...]) -> dict[str, FloatVector]:
        """The pullback as NumPy vectors; a missing gradient is the zero that it claims."""
        pulled = self.drawn(self.subject.pullback(point, cotangents))
        return {n: pulled.get(n, 0.0 * self.drawn({n: self.subject.point[n]})[n]) for n in names}

    def dithered(self, generator: np.random.Generator, evaluate: Callable[[Arrays], Drawn]) -> Drawn:
        """Evaluated with every floating-point input moved by a unit in the last place, those held fixed too."""
        return at_dithered_point(self.subject.library, generator, self.subject.point, evaluate)


def _of_randomness(mine: _Side, theirs: _Side, generator: np.random.Generator) -> list[Finding]:
    """A finding for a side that gives two answers to one question: its scatter would excuse every difference."""
    findings = []
    for role, side in (("candidate", mine), ("reference", theirs)):
        names = mine.subject.differentiable
        cotangents = side.cotangents([signed_uniform(generator, len(v)) for v in side.drawn(side.outputs).values()])
        one, other = (side.gradients(side.subject.point, cotangents, names) for _ in range(2))
        for name in names:
            u = FORMATS[side.subject.library.dtype(side.subject.point[name])].unit_roundoff
            apart = abs(one[name] - other[name])[np.isfinite(one[name]) & np.isfinite(other[name])]
            if len(apart) and apart.max() > REORDERING * u * abs(one[name]).max():
                message = f"two calls of the {role}'s backward gave two gradients of {name}; freeze its randomness"
                findings.append(Finding(QUESTION, Verdict.INCONCLUSIVE, message, input=name, cause="random"))
    return findings


def _of_outputs(mine: _Side, theirs: _Side, generator: np.random.Generator) -> list[Finding]:
    """Findings where an output differs; none where all agree."""
    here, there = mine.drawn(mine.outputs), theirs.drawn(theirs.outputs)
    if [len(v) for v in here.values()] != [len(v) for v in there.values()]:
        message = f"the candidate returns {_sizes(mine)}, the reference {_sizes(theirs)}"
        return [Finding(QUESTION, Verdict.FAIL, message, cause="wrong-shape")]
    moved_here = mine.dithered(generator, lambda point: mine.drawn(mine.subject.forward(point)))
    moved_there = theirs.dithered(generator, lambda point: theirs.drawn(theirs.subject.forward(point)))
    findings = []
    for name, other in zip(here, there, strict=True):
        form = FORMATS[mine.subject.library.dtype(mine.outputs[name])].name
        spread = np.maximum(abs(moved_here[name] - here[name]), abs(moved_there[other] - there[other]))
        shape = mine.subject.library.shape(mine.outputs[name])
        finding = _compared(name, f"the {name}", here[name], there[other], spread, form, shape)
        if finding.verdict is not Verdict.PASS:
            findings.append(finding)
    return findings


def _of_gradients(mine: _Side, theirs: _Side, generator: np.random.Generator) -> list[Finding]:
    """One finding for every differentiable input: the worst over the cotangents."""
    names = mine.subject.differentiable
    worst: dict[str, Finding] = {}
    for magnitude in MAGNITUDES:
        draws = [magnitude * signed_uniform(generator, len(v)) for v in mine.drawn(mine.outputs).values()]
        here, spread_here = _with_spread(mine, draws, generator, names)
        there, spread_there = _with_spread(theirs, draws, generator, names)
        for name in names:
            own = mine.subject.point[name]
            shape, form = mine.subject.library.shape(own), mine.subject.library.dtype(own)
            if here[name].shape != there[name].shape:
                message = f"the gradient of {name} has {len(here[name])} elements, {name} itself has {len(there[name])}"
                return [Finding(QUESTION, Verdict.FAIL, message, input=name, cause="wrong-shape")]
            spread = np.maximum(spread_here[name], spread_there[name])
            found = _compared(name, f"the gradient of {name}", here[name], there[name], spread, form, shape)
            if name not in worst or (worst[name].verdict is Verdict.PASS and found.verdict is not Verdict.PASS):
                worst[name] = found
    return list(worst.values())


def _with_spread(
    side: _Side, draws: list[FloatVector], generator: np.random.Generator, names: tuple[str, ...]
) -> tuple[dict[str, FloatVector], dict[str, FloatVector]]:
    """The gradients, and how far each element moves under dithers of the point and the cotangent."""
    cotangents = side.cotangents(draws)
    base = side.gradients(side.subject.point, cotangents, names)
    spread = {name: 0.0 * vector for name, vector in base.items()}
    for _ in range(DITHERS):
        moved = {n: dithered(side.subject.library, generator, u) for n, u in cotangents.items()}
        again = side.dithered(generator, partial(side.gradients, cotangents=moved, names=names))
        spread = {n: np.maximum(spread[n], abs(again[n] - base[n])) for n in base}
    return base, spread


def _compared(
    name: str,
    title: str,
    here: FloatVector,
    there: FloatVector,
    spread: FloatVector,
    form: str,
    shape: tuple[int, ...],
) -> Finding:
    """One array of both sides, element by element."""
    ratio, bound = _ratios(here, there, spread, FORMATS[form])
    wrongness = np.where(np.isnan(ratio), CLEAR_MARGIN, ratio)  # NaN on both sides: worse than agreement, no proof
    position = int(np.argmax(wrongness)) if len(ratio) else 0
    verdict = of_ratio(float(ratio[position])) if len(ratio) else Verdict.PASS
    resolution = float(root_mean_square(bound) / (root_mean_square(there) or 1.0)) if len(ratio) else 0.0
    if verdict is Verdict.PASS:
        return Finding(QUESTION, verdict, f"{title} agrees", input=name, resolution=resolution)
    index = tuple(int(i) for i in np.unravel_index(position, shape)) if shape else ()
    mine, theirs, error = float(here[position]), float(there[position]), float(bound[position])
    place = f"{name}[{', '.join(map(str, index))}]" if index else name
    message = f"{title} differs at {place}: candidate {mine:.10g}, reference {theirs:.10g} ± {error:.1g}"
    return Finding(QUESTION, verdict, message, name, index, mine, theirs, error)


def _ratios(
    here: FloatVector, there: FloatVector, spread: FloatVector, form: Format
) -> tuple[FloatVector, FloatVector]:
    """Difference ÷ bound of each element (∞ if one side alone is not finite, NaN if neither is), and the bounds."""
    u = form.unit_roundoff
    spread, mine, theirs = (np.where(np.isfinite(v), abs(v), 0.0) for v in (spread, here, there))
    mean = max(root_mean_square(spread), u * root_mean_square(theirs))
    last_place = u * np.maximum(mine, theirs)
    # Below the least normal number some libraries flush to zero, and some do not.
    least = 2.0**form.least_exponent
    bound = BOUND_FACTOR * np.maximum(np.maximum(spread, last_place), np.maximum(mean / 2, least))
    finite = np.isfinite(here) & np.isfinite(there)
    with np.errstate(invalid="ignore"):
        ratio = np.where(finite, abs(here - there) / bound, np.where(here == there, 0.0, np.nan))
    return np.where(np.isfinite(here) != np.isfinite(there), np.inf, ratio), bound


def _sizes(side: _Side) -> str:
    return ", ".join(f"{n} of shape {side.subject.library.shape(a)}" for n, a in side.outputs.items())

"""What every question is given: the subject, a source of random numbers, and the demand."""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradcheck_kit.differences.probe import at_most_typical, shrunk, signed_uniform, typical_size
from gradcheck_kit.report import Finding
from gradcheck_kit.space import FORMATS, Array, Arrays, FloatVector, Format, Library, copies_of, is_finite
from gradcheck_kit.subject import BudgetSpentError, Forward, Subject
from gradcheck_kit.verdict import Verdict

Gradients = Mapping[str, Array | None]
"""Gradients by input; None stands for a gradient that is claimed to be zero."""


@dataclass(frozen=True)
class Reference:
    """A forward in float64 to differentiate in place of the subject's own, and its outputs at the point.

    Attributes:
        name: what reports call it.
        forward: from a point whose floating-point arrays are float64.
        outputs: at the subject's point.
        library: of the arrays.
    """

    name: str
    forward: Forward
    outputs: Mapping[str, Array]
    library: Library

    def widened(self, point: Arrays) -> Arrays:
        """The point as this forward takes it."""
        return widened(self.library, point)


def widened(library: Library, point: Arrays) -> Arrays:
    """Every floating-point array as float64; the others as they are."""
    return {n: library.widened(a) if library.dtype(a) in FORMATS else a for n, a in point.items()}


@dataclass(frozen=True)
class Pull:
    """One call of the pullback: what it was given and what it returned."""

    cotangents: Mapping[str, Array]
    gradients: Gradients


@dataclass(frozen=True)
class Examination:
    """One subject under examination.

    Attributes:
        subject: what is examined; its forward and pullback count their calls.
        outputs: the outputs at the subject's point.
        generator: the source of every random number.
        require: the resolution that a PASS must reach.
        reference: the forward in float64 that is differentiated instead, if there is one.
        figures: whether an answer that is no PASS is illustrated.
    """

    subject: Subject
    outputs: Mapping[str, Array]
    generator: np.random.Generator
    require: float
    reference: Reference | None = None
    figures: bool = True

    @cached_property
    def first_pull(self) -> Pull:
        """The pullback at the subject's point, called once for all the questions that need only one answer.

        It is given copies, so that purity can still see what a call does to its arguments.
        """
        given = copies_of(self.library, self.subject.point)
        cotangents = self.cotangents()
        copies = copies_of(self.library, cotangents)
        # Copies of the gradients as well: the backward may keep writing to the arrays that it returned.
        return Pull(cotangents, self._kept(self.subject.pullback(given, copies)))

    def aside(self, purpose: str) -> np.random.Generator:
        """A generator for one purpose: what it draws is the same whatever else was asked, and changes nothing else."""
        seed = self.generator.bit_generator.seed_seq
        if not isinstance(seed, np.random.SeedSequence):
            raise TypeError(
                f"a generator seeded by {type(seed).__name__}; pass one from numpy.random.default_rng(seed)"
            )
        key = (*seed.spawn_key, zlib.crc32(purpose.encode()))
        return np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=key))

    def forget_first_pull(self) -> list[str]:
        """Let its arrays go, which may be large, once no question needs them; the inputs it had no gradient for."""
        pull: Pull | None = vars(self).pop("first_pull", None)
        return [] if pull is None else [n for n in self.subject.differentiable if pull.gradients.get(n) is None]

    @property
    def library(self) -> Library:
        return self.subject.library

    @property
    def coarsest(self) -> Format:
        """The format with the fewest digits among the differentiable inputs and the outputs."""
        return max((FORMATS[name] for name in self._dtypes()), key=lambda form: form.unit_roundoff)

    def holds(self, dtype: str) -> bool:
        """Whether any differentiable input or output is of this dtype."""
        return dtype in self._dtypes()

    def _dtypes(self) -> set[str]:
        point = self.subject.point
        arrays = [*(point[name] for name in self.subject.differentiable), *self.outputs.values()]
        return {self.library.dtype(array) for array in arrays}

    def elements(self, array: Array) -> int:
        return math.prod(self.library.shape(array))

    def values(self, array: Array) -> FloatVector:
        """An array of any library as NumPy float64 of the same shape."""
        return self.library.numpy(self.library.vector(array)).reshape(self.library.shape(array))

    def pulled(self, point: Arrays, cotangents: Arrays) -> Gradients:
        """The pullback's gradients as arrays of their own: a backward may keep writing to what it returned."""
        return self._kept(self.subject.pullback(point, cotangents))

    def outputs_at(self, point: Arrays) -> Mapping[str, Array] | None:
        """The outputs at another point, as arrays of their own; None where the forward raises there."""
        try:
            return copies_of(self.library, self.subject.forward(point))
        except BudgetSpentError:
            raise
        except Exception:
            return None

    def _kept(self, pulled: Gradients) -> dict[str, Array | None]:
        """Copies; each gradient is let go as soon as it is copied, since all together may be large."""
        waiting, kept = dict(pulled), {}
        del pulled
        for name in list(waiting):
            gradient = waiting.pop(name)
            kept[name] = None if gradient is None else self.library.copy(gradient)
        return kept

    def finite(self, gradients: Gradients) -> bool:
        """Whether every element of every gradient is."""
        return all(is_finite(self.library, g) for g in gradients.values() if g is not None)

    def combined(self, parts: Sequence[tuple[float, Arrays]]) -> dict[str, Array]:
        """Σ factor · cotangent, rounded to each output's dtype."""
        first, found = parts[0][1], {}
        for name, like in first.items():
            vectors = [factor * self.library.vector(arrays[name]) for factor, arrays in parts]
            found[name] = self.library.shaped(sum(vectors[1:], vectors[0]), like)
        return found

    def cotangents(
        self, magnitude: float = 1.0, *, equalised: bool = False, generator: np.random.Generator | None = None
    ) -> dict[str, Array]:
        """Random cotangents of both signs, shaped like the outputs; never ones, never one-hot.

        Equalised, an output larger than the median is weighted down to it, so that it drowns no small one. They come
        from `generator`, by default the examination's own.
        """
        drawn, source = {}, generator or self.generator
        for name, output in self.outputs.items():
            y = self.library.vector(output)
            weights = self.library.place(magnitude * signed_uniform(source, len(y)), output)
            if equalised:
                weights = weights * at_most_typical(self.library, y, typical_size(self.library, output))
            drawn[name] = self.library.shaped(weights, output)
        return drawn


def another_point(subject: Subject, generator: np.random.Generator) -> dict[str, Array]:
    """A point of other values in the same region; fresh arrays."""
    library = subject.library
    elsewhere = copies_of(library, subject.point)
    for name in subject.differentiable:
        elsewhere[name] = shrunk(library, generator, elsewhere[name])
    return elsewhere


class NotAskedError(Exception):
    """A question does not apply to this subject; the message says why, in a few words."""


def passed(question: str, message: str) -> Finding:
    """The finding of a question that has nothing to complain about."""
    return Finding(question, Verdict.PASS, message)

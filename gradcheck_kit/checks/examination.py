"""What every question is given: the subject, a source of random numbers, and the demand."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradcheck_kit.differences.probe import at_most_typical, signed_uniform, typical_size
from gradcheck_kit.report import Finding
from gradcheck_kit.space import FORMATS, Array, Arrays, Library
from gradcheck_kit.subject import Forward, Subject
from gradcheck_kit.verdict import Verdict


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
    gradients: Mapping[str, Array | None]


@dataclass(frozen=True)
class Examination:
    """One subject under examination.

    Attributes:
        subject: what is examined; its forward and pullback count their calls.
        outputs: the outputs at the subject's point.
        generator: the source of every random number.
        require: the resolution that a PASS must reach.
        reference: the forward in float64 that is differentiated instead, if there is one.
    """

    subject: Subject
    outputs: Mapping[str, Array]
    generator: np.random.Generator
    require: float
    reference: Reference | None = None

    @cached_property
    def first_pull(self) -> Pull:
        """The pullback at the subject's point, called once for all the questions that need only one answer.

        It is given copies, so that purity can still see what a call does to its arguments.
        """
        given = {name: self.library.copy(array) for name, array in self.subject.point.items()}
        cotangents = self.cotangents()
        copies = {name: self.library.copy(u) for name, u in cotangents.items()}
        pulled = self.subject.pullback(given, copies)
        # The backward may keep writing to the arrays that it returned.
        kept = {name: None if g is None else self.library.copy(g) for name, g in pulled.items()}
        return Pull(cotangents, kept)

    def forget_first_pull(self) -> None:
        """Let its arrays go, which may be large, once no question needs them."""
        vars(self).pop("first_pull", None)

    @property
    def library(self) -> Library:
        return self.subject.library

    def cotangents(self, magnitude: float = 1.0, *, equalised: bool = False) -> dict[str, Array]:
        """Random cotangents of both signs, shaped like the outputs; never ones, never one-hot.

        Equalised, an output larger than the median is weighted down to it, so that it drowns no small one.
        """
        drawn = {}
        for name, output in self.outputs.items():
            y = self.library.vector(output)
            weights = self.library.place(magnitude * signed_uniform(self.generator, len(y)), output)
            if equalised:
                weights = weights * at_most_typical(self.library, y, typical_size(self.library, output))
            drawn[name] = self.library.shaped(weights, output)
        return drawn


def passed(question: str, message: str) -> Finding:
    """The finding of a question that has nothing to complain about."""
    return Finding(question, Verdict.PASS, message)

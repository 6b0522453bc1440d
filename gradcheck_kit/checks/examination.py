"""What every question is given: the subject, a source of random numbers, and the demand."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradcheck_kit.differences.probe import signed_uniform
from gradcheck_kit.report import Finding
from gradcheck_kit.space import Array, Library
from gradcheck_kit.subject import Subject
from gradcheck_kit.verdict import Verdict


@dataclass(frozen=True)
class Examination:
    """One subject under examination.

    Attributes:
        subject: what is examined; its forward and pullback count their calls.
        outputs: the outputs at the subject's point.
        generator: the source of every random number.
        require: the resolution that a PASS must reach.
    """

    subject: Subject
    outputs: Mapping[str, Array]
    generator: np.random.Generator
    require: float

    @property
    def library(self) -> Library:
        return self.subject.library

    def cotangents(self, magnitude: float = 1.0) -> dict[str, Array]:
        """Random cotangents of both signs, shaped like the outputs; never ones, never one-hot."""
        drawn = {}
        for name, output in self.outputs.items():
            count = len(self.library.vector(output))
            values = magnitude * signed_uniform(self.generator, count)
            drawn[name] = self.library.shaped(self.library.place(values, output), output)
        return drawn


def passed(question: str, message: str) -> Finding:
    """The finding of a question that has nothing to complain about."""
    return Finding(question, Verdict.PASS, message)

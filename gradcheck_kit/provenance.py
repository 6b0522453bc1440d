"""Where a result came from and what it cost: seed, dtype, versions, evaluations."""

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck_kit.space import FORMATS, Array
from gradcheck_kit.subject import Subject, UsageError


@dataclass
class Meter:
    """Counts the evaluations of a subject."""

    forward: int
    vjp: int
    subject: Subject

    def __init__(self, subject: Subject) -> None:
        self.forward = self.vjp = 0

        def forward(point: Any) -> Any:
            self.forward += 1
            return subject.forward(point)

        def pullback(point: Any, cotangents: Any) -> Any:
            self.vjp += 1
            return subject.pullback(point, cotangents)

        self.subject = replace(subject, forward=forward, pullback=pullback)


def generator_of(seed: int) -> np.random.Generator:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise UsageError(f"seed={seed!r}; pass a non-negative integer")
    return np.random.default_rng(int(seed))


def coarsest(subject: Subject, outputs: Mapping[str, Array]) -> str:
    """The dtype with the fewest digits among the differentiable inputs and the outputs."""
    arrays = [*(subject.point[name] for name in subject.differentiable), *outputs.values()]
    return max((subject.library.dtype(array) for array in arrays), key=lambda name: FORMATS[name].unit_roundoff)


def environment_now() -> dict[str, str]:
    """Versions of Python and of the array libraries already imported."""
    found = {"python": platform.python_version(), "numpy": np.__version__}
    if "torch" in sys.modules:
        found["torch"] = str(sys.modules["torch"].__version__)
    return found

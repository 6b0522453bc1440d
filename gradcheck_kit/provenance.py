"""Where a result came from and what it cost: seed, dtype, versions, evaluations."""

import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import ParamSpec, TypeVar

import numpy as np

from gradcheck_kit.arguments import as_number, integer
from gradcheck_kit.freed_memory import give_back
from gradcheck_kit.space import FORMATS, Array, Arrays
from gradcheck_kit.subject import BudgetSpentError, Forward, Recorded, Stacked, Subject, UsageError

ARRAY_LIBRARIES = ("numpy", "torch", "jax")
UNKNOWN = "unknown"
NO_LIMIT = ", or None for no limit"

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Budget:
    """What a check may spend: seconds of wall time, evaluations of forward and VJP together; None is no limit.

    It is looked at before every evaluation: one evaluation that never returns cannot be ended from here.
    """

    seconds: float | None = None
    evaluations: int | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None:
            seconds = as_number(self.seconds)
            if seconds is None or not seconds >= 0.0:
                raise UsageError(f"seconds={self.seconds!r}; pass a number that is not negative{NO_LIMIT}")
            object.__setattr__(self, "seconds", seconds)
        if self.evaluations is not None:
            object.__setattr__(self, "evaluations", integer("evaluations", self.evaluations, 0, NO_LIMIT))

    @classmethod
    def of(cls, given: "Budget | float | None") -> "Budget":
        """A number is seconds; None is no limit.

        Raises:
            UsageError: neither a budget nor a positive number.
        """
        if given is None:
            return cls()
        if isinstance(given, Budget):
            return given
        seconds = as_number(given)
        if seconds is None or not seconds > 0.0:
            raise UsageError(f"budget={given!r}; pass seconds, or gk.Budget(seconds=…, evaluations=…)")
        return cls(seconds=seconds)


class Meter:
    """Counts the evaluations of a subject, and ends them when the budget is spent.

    Attributes:
        subject: the subject, counted.
        forward, vjp: how often each was evaluated.
    """

    def __init__(self, subject: Subject, budget: Budget | None = None) -> None:
        self.forward = self.vjp = 0
        self._budget = budget or Budget()
        self._started = time.perf_counter()
        self._gives_back = subject.large and coarsest(subject, {}) != "float64"
        self.subject = self._counting(subject)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    def counted(self, forward: Forward) -> Forward:
        """A forward whose calls count."""
        return self._as_forwards(forward)

    def _counting(self, subject: Subject) -> Subject:
        """The subject, every way to evaluate it counted: a JVP as a forward."""
        sharing, mode, recorded = subject.sharing, subject.forward_mode, subject.recorded
        mapped = subject.vectorised
        return replace(
            subject,
            forward=self.counted(subject.forward),
            pullback=self._as_vjps(subject.pullback),
            sharing=None if sharing is None else self._as_vjps(sharing),
            forward_mode=None if mode is None else replace(mode, pushforward=self._as_forwards(mode.pushforward)),
            recorded=None if recorded is None else self._counting_recorded(recorded),
            stacked=None if subject.stacked is None else self._as_many_forwards(subject.stacked),
            vectorised=None if mapped is None else replace(mapped, pulled=self._as_vjps(mapped.pulled)),
        )

    def _counting_recorded(self, recorded: Recorded) -> Recorded:
        return Recorded(
            partial=self._as_vjps(recorded.partial),
            repeated=self._as_vjps(recorded.repeated, 2),
            interleaved=self._as_forwards(self._as_vjps(recorded.interleaved)),
            gradient=lambda cotangents, names: self._counting(recorded.gradient(cotangents, names)),
        )

    def _as_vjps(self, call: Callable[P, R], number: int = 1) -> Callable[P, R]:
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            self._spend(number)
            self.vjp += number
            return call(*args, **kwargs)

        return run

    def _as_forwards(self, call: Callable[P, R]) -> Callable[P, R]:
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            self._spend()
            self.forward += 1
            return call(*args, **kwargs)

        return run

    def _as_many_forwards(self, stacked: Stacked) -> Stacked:
        def run(point: Arrays, moving: Arrays) -> Mapping[str, Array]:
            number = max(self.subject.library.shape(values)[0] for values in moving.values())
            self._spend(number)
            self.forward += number
            return stacked(point, moving)

        return run

    def _spend(self, number: int = 1) -> None:
        seconds, evaluations = self._budget.seconds, self._budget.evaluations
        if evaluations is not None and self.forward + self.vjp + number > evaluations:
            raise BudgetSpentError(f"{evaluations} evaluations")
        if seconds is not None and self.seconds >= seconds:
            raise BudgetSpentError(f"{seconds:g} seconds")
        if self._gives_back:  # what arrays of one format have left is of no use to those of another
            give_back()


def generator_of(seed: int) -> np.random.Generator:
    """The generator that everything random comes from.

    Raises:
        UsageError: the seed is no integer, or negative.
    """
    return np.random.default_rng(integer("seed", seed, 0))


def coarsest(subject: Subject, outputs: Mapping[str, Array]) -> str:
    """The dtype with the fewest digits among the differentiable inputs and the outputs."""
    arrays = [*(subject.point[name] for name in subject.differentiable), *outputs.values()]
    return max((subject.library.dtype(array) for array in arrays), key=lambda name: FORMATS[name].unit_roundoff)


def environment_now() -> dict[str, str]:
    """Versions of Python and of the array libraries already imported."""
    imported = [name for name in ARRAY_LIBRARIES if sys.modules.get(name) is not None]
    return {"python": platform.python_version()} | {name: version_of(name) or UNKNOWN for name in imported}


def version_of(library: str) -> str | None:
    """As the library itself says where it is imported already, else as it was installed; it is not imported for that.

    None where there is none, `UNKNOWN` where nothing says which.
    """
    module = sys.modules.get(library)
    told = getattr(module, "__version__", None)
    if told is not None:
        return str(told)
    if module is None and find_spec(library) is None:
        return None
    from importlib import metadata  # slow to import, and no check asks it

    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return UNKNOWN

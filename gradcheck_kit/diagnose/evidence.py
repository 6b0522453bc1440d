"""What a hypothesis is tested on: the measurements already made, which cost nothing more."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.verdict import Comparison

Values = npt.NDArray[np.float64]

MATCH = 4.0  # a hypothesis holds if it explains every measurement to within four bounds
LEAST_EVIDENCE = 2  # measurements in independent directions
CHANCE = 1e-3  # a library of hypotheses that would find a match by chance more often than this says nothing
ROUNDINGS = 8.0  # last places by which a right element may be off the candidate
LARGEST = 2**24  # elements of an input beyond which only single numbers are compared, not arrays


@dataclass(frozen=True)
class Cause:
    """A stable slug, a sentence, and what it implies, None where it does not say.

    Attributes:
        right: the right gradient.
        place: where the backward is wrong, in words.
    """

    slug: str
    sentence: str
    right: "Candidate | None" = field(default=None, compare=False, repr=False)
    place: str | None = None


@dataclass(frozen=True)
class Probe:
    """One mismatch with the arrays around it, in NumPy.

    Attributes:
        seen: the numbers.
        gradient, tangent, primal: of the input under suspicion.
        gradients, primals: of the other differentiable inputs.
        outputs, cotangents: by output name.
    """

    seen: Comparison
    gradient: Values
    tangent: Values
    primal: Values
    gradients: Mapping[str, Values]
    primals: Mapping[str, Values]
    outputs: Mapping[str, Values]
    cotangents: Mapping[str, Values]

    def explained_by(self, candidate: Values) -> bool:
        """Whether ⟨candidate, v⟩ is the numerical derivative."""
        along = float(candidate.reshape(-1) @ self.tangent.reshape(-1))
        return abs(along - self.seen.numeric) <= MATCH * self.seen.bound

    @property
    def blur(self) -> float:
        """How likely a number of the derivative's size is to match it by chance."""
        size = max(abs(self.seen.numeric), self.seen.slope)
        return min(1.0, MATCH * self.seen.bound / size) if size > 0.0 else 1.0


Candidate = Callable[[Probe], Values]
"""What the gradient should have been, if the hypothesis is true."""


@dataclass(frozen=True)
class Hypothesis:
    """A mechanism, in words, and the right gradient that it implies; of two that match, the lower rank is simpler."""

    cause: Cause
    candidate: Candidate
    rank: int = 1


def probe_of(strike: Measurement) -> Probe:
    """The arrays of a strike."""
    ((name, tangent),) = strike.tangents.items()
    asked, values = strike.round, strike.round.examination.values
    others = [n for n in asked.backward.gradients if n != name]
    return Probe(
        seen=strike.seen.comparison,
        gradient=values(asked.backward.gradients[name]),
        tangent=values(tangent),
        primal=values(asked.place.point[name]),
        gradients={n: values(asked.backward.gradients[n]) for n in others},
        primals={n: values(asked.place.point[n]) for n in others},
        outputs={n: values(y) for n, y in asked.place.outputs.items()},
        cotangents={n: values(u) for n, u in asked.backward.cotangents.items()},
    )


def matching(hypotheses: Sequence[Hypothesis], probes: Sequence[Probe]) -> list[Hypothesis]:
    """The hypotheses that explain every probe; none where a match could be chance."""
    if len(probes) < LEAST_EVIDENCE or math.prod(p.blur for p in probes) * len(hypotheses) > CHANCE:
        return []
    return [h for h in hypotheses if all(_explains(h, probe) for probe in probes)]


def _explains(hypothesis: Hypothesis, probe: Probe) -> bool:
    with np.errstate(all="ignore"):
        candidate = hypothesis.candidate(probe)
    return bool(np.isfinite(candidate).all()) and probe.explained_by(candidate)


def agreed(hypotheses: Sequence[Hypothesis]) -> Cause | None:
    """The cause, where all of the simplest that match say the same."""
    least = min((h.rank for h in hypotheses), default=0)
    simplest = [replace(h.cause, right=h.candidate) for h in hypotheses if h.rank == least]
    return simplest[0] if len({cause.slug for cause in simplest}) == 1 else None


def implied_error(cause: Cause, strike: Measurement) -> Values | None:
    """What the backward is off by in every element if the cause is true; 0 where by its rounding alone.

    Returns:
        In row-major order; None where the cause does not say.
    """
    if cause.right is None or strike.elements > LARGEST:
        return None
    probe = probe_of(strike)
    with np.errstate(all="ignore"):
        right = np.broadcast_to(cause.right(probe), probe.gradient.shape)
        error = probe.gradient - right
    if not np.isfinite(error).all():
        return None
    size = np.maximum(abs(probe.gradient), abs(right))
    own = strike.round.backward.form.unit_roundoff * size
    of_sums = np.finfo(np.float64).eps * size.max(initial=0.0)  # the candidate's, where it is a sum over elements
    return np.where(abs(error) > ROUNDINGS * np.maximum(own, of_sums), error, 0.0).reshape(-1)

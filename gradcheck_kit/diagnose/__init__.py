"""From numbers to a likely cause: hypotheses are tested on measurements already made; no guess without evidence."""

from collections.abc import Sequence

import numpy as np

from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.diagnose.evidence import (
    LARGEST,
    LEAST_EVIDENCE,
    MATCH,
    Cause,
    agreed,
    implied_error,
    matching,
    probe_of,
)
from gradcheck_kit.diagnose.factors import constant_factor
from gradcheck_kit.diagnose.precision import low_precision
from gradcheck_kit.diagnose.rearranged import rearranged, swapped
from gradcheck_kit.diagnose.softmaxes import softmaxes
from gradcheck_kit.diagnose.sums import sums
from gradcheck_kit.diagnose.terms import factors, terms
from gradcheck_kit.verdict import Comparison

__all__ = ["Cause", "diagnose", "implied_error"]


def diagnose(strikes: Sequence[Measurement]) -> Cause | None:
    """The cause that explains all the mismatches of one input as a whole, or None.

    One mechanism must explain every measurement, and no other one may: a constant factor before all others, since what
    it says is true also where another mechanism gives the same numbers.

    Args:
        strikes: mismatching measurements of one input alone, along independent directions.
    """
    if len(strikes) < LEAST_EVIDENCE:
        return None
    (name,) = strikes[0].tangents
    seen = [strike.seen.comparison for strike in strikes]
    library = strikes[0].round.examination.library
    outputs = {n: library.shape(u) for n, u in strikes[0].round.backward.cotangents.items()}
    shape = library.shape(strikes[0].tangents[name])
    cause = _one_sided(seen) or constant_factor(seen, name, shape, outputs, _not_zero(strikes[0], name))
    if cause is not None or strikes[0].elements > LARGEST:
        return cause
    return low_precision(strikes, name) or _mechanism(strikes, name)


def _not_zero(strike: Measurement, name: str) -> int:
    """How many elements of the gradient are not zero; of a large one, which is not counted, all."""
    if strike.elements > LARGEST:
        return strike.elements
    return int((strike.round.examination.library.vector(strike.round.backward.gradients[name]) != 0).sum())


def _one_sided(seen: Sequence[Comparison]) -> Cause | None:
    if all(c.scale == 0.0 for c in seen):
        return Cause("zero-gradient", "backward returns zero (or no gradient) where the derivative is not zero")
    if all(abs(c.numeric) <= MATCH * c.bound for c in seen):
        words = "the function does not depend on this input, to within what was measured"
        return Cause("should-be-zero", words, lambda p: np.zeros_like(p.gradient))
    return None


def _mechanism(strikes: Sequence[Measurement], name: str) -> Cause | None:
    probes = [probe_of(strike) for strike in strikes]
    first = probes[0]
    if first.gradient.size < 2:
        return None
    exchanged = dict(swapped(first))
    hypotheses = [*rearranged(first.gradient.shape), *terms(first), *sums(first), *softmaxes(first)]
    hypotheses += [*factors(first, name), *exchanged.values()]
    matches = matching(hypotheses, probes)
    both_ways = [h for other, h in exchanged.items() if h in matches and _returned_for(strikes[-1], other, name)]
    # Two gradients that are each other's are more evidence than a factor that makes one of them right.
    return agreed(both_ways or [h for h in matches if h not in exchanged.values()])


def _returned_for(strike: Measurement, other: str, name: str) -> bool:
    """Whether what the backward returns for `name` is the derivative of `other`."""
    measured = strike.round.measure([other])
    library = strike.round.examination.library
    v = library.vector(measured.tangents[other])
    along = float(library.vector(strike.round.backward.gradients[name]) @ v)
    return abs(along - measured.seen.comparison.numeric) <= MATCH * measured.seen.comparison.bound

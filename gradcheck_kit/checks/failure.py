"""What is said of an input whose gradient is wrong: where, the two numbers, why, and how little would be seen."""

import math
from dataclasses import replace

import numpy as np

from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.diagnose import Cause, diagnose, implied_error
from gradcheck_kit.diagnose.by_value import Surroundings
from gradcheck_kit.diagnose.located import diagnose_located
from gradcheck_kit.locate import (
    EFFORT,
    Element,
    Location,
    OfInput,
    borne_out,
    exposed_through,
    locate,
    sampled_throughout,
)
from gradcheck_kit.locate.implied import READINGS
from gradcheck_kit.report import Finding
from gradcheck_kit.subject import BudgetSpentError
from gradcheck_kit.verdict import Verdict

LEAST_DIGITS, MOST_DIGITS = 6, 17
APART = 3  # digits in which the two numbers differ visibly


def failure(question: str, name: str, strikes: list[Measurement], effort: int = EFFORT) -> Finding:
    """The finding for a wrong input.

    Args:
        question: that found it.
        name: the input's.
        strikes: mismatching measurements of it alone, in independent directions.
        effort: directional derivatives to spend on its place.
    """
    sharpest = sharpest_of(strikes)
    place, through, cause = Location(words=None), None, None
    generator = sharpest.round.examination.generator
    try:
        cause = diagnose(strikes)
        measured = OfInput(sharpest)
        if not math.isfinite(measured.total.bound):
            pass  # the backward itself is not finite
        elif cause is None:
            place = locate(measured, generator, effort)
            cause = diagnose_located(place, measured, surroundings(sharpest), generator)
            place = place if cause is None or cause.place is None else replace(place, words=cause.place)
        else:
            place = _of_cause(cause, sharpest, measured, effort)
        through = exposed_through(sharpest, generator)
    except BudgetSpentError:
        pass  # it is wrong all the same; the report says where as far as it is known
    return _finding(question, name, sharpest, place, through, cause)


def _of_cause(cause: Cause, sharpest: Measurement, measured: OfInput, effort: int) -> Location:
    """Where a cause says the input is wrong, or where the search finds it to be if the measurements do not say so."""
    generator = sharpest.round.examination.generator
    error = implied_error(cause, sharpest)
    place = sampled_throughout(measured, generator) if error is None else borne_out(measured, error, generator)
    return place or locate(measured, generator, effort - READINGS)


def sharpest_of(strikes: list[Measurement]) -> Measurement:
    """The one whose discrepancy is most bounds."""
    return max(strikes, key=lambda s: s.seen.comparison.discrepancy / (s.seen.comparison.bound or 1e-300))


def _finding(
    question: str, name: str, strike: Measurement, place: Location, through: str | None, cause: Cause | None
) -> Finding:
    seen = strike.seen.comparison
    wrong = place.wrong
    numbers = (wrong[0].analytic, wrong[0].numeric, wrong[0].error) if wrong else ()
    lines = [f"the gradient of {name} is wrong" + (f": {place.words}" if place.words not in (None, name) else "")]
    lines += [_at(name, element) for element in wrong[:1]]
    if through is not None:
        lines.append(f"seen through {through}")
    if cause is not None:
        lines.append(f"likely cause: {cause.sentence} [{cause.slug}]")
    along = f"along a random direction: {beside(seen.analytic, seen.numeric, seen.bound)}"
    resolution = strike.seen.resolution_of(name)
    lines.append(f"{along}; an error of {resolution:.1g} of the gradient would have been seen")
    analytic, numeric, error = numbers or (seen.analytic, seen.numeric, seen.bound)
    return Finding(
        question,
        Verdict.FAIL,
        "\n".join(lines),
        input=name,
        index=wrong[0].index if wrong else None,
        place=place.words,
        analytic=analytic,
        numeric=numeric,
        error=error,
        cause=None if cause is None else cause.slug,
    )


def _at(name: str, element: Element) -> str:
    where = f"{name}[{', '.join(map(str, element.index))}]" if element.index else name
    return f"{where}: {beside(element.analytic, element.numeric, element.error)}"


def beside(analytic: float, numeric: float, error: float) -> str:
    """Both numbers, with as many digits as it takes to see that they differ."""
    apart = abs(analytic - numeric) / max(abs(analytic), abs(numeric), math.ulp(0.0))
    wanted = APART - math.floor(math.log10(apart)) if 0.0 < apart < math.inf else LEAST_DIGITS
    digits = min(max(wanted, LEAST_DIGITS), MOST_DIGITS)
    return f"backward {analytic + 0.0:.{digits}g}, numerical derivative {numeric + 0.0:.{digits}g} ± {error:.1g}"


def surroundings(strike: Measurement) -> Surroundings:
    """The arrays around a strike, in NumPy."""
    ((name, _),) = strike.tangents.items()
    asked, library = strike.round, strike.round.examination.library
    values = strike.round.examination.values
    integers = {n: a for n, a in asked.place.point.items() if library.dtype(a).lstrip("u").startswith("int")}
    return Surroundings(
        gradient=values(asked.backward.gradients[name]),
        primal=values(asked.place.point[name]),
        integers={n: values(a).astype(np.int64) for n, a in integers.items()},
    )

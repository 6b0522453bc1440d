"""Elements that are tiny beside the rest of their array: moved by their own size, none shows what is wrong with it.

Where the array's size is too long a step, as for log(x) at 1e-3 beside 1, every element moves by its own. One of 1e-12
then contributes 1e-12 to the derivative, and its gradient is not seen at all. So a match along such a tangent is asked
once more with these elements moved by more: short beside the array, but long enough to be seen.
"""

import math
from collections.abc import Iterator

from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.differences.probe import signed_uniform
from gradcheck_kit.space import root_mean_square_of

DIGITS = 0.4
"""Of its digits a float leaves to such a step: 5e-7 of the array's size in float64, 1e-3 in float32. An error of a
millionth, or of a hundredth, then stands above a bound of 1e-12 or 1e-6."""

BLUNTER = 30.0  # times the bound of the look itself: over a smooth function they differ by a factor of about 1


def with_longer_steps(measurement: Measurement, name: str, times: int) -> Iterator[Measurement]:
    """The same look with fresh and longer steps for the small elements of `name`; none where all are large, or zero.

    A zero moves by the array's size in every look. What is blunter than the look itself is left out: next to a kink at
    the small element the function is not smooth over the longer step, which passes for noise.
    """
    asked = measurement.round
    library, like = asked.examination.library, asked.place.line_point[name]
    share = math.pow(asked.place.schemes[name].form.unit_roundoff, DIGITS)
    reach = share * root_mean_square_of(library, like)
    x, v = library.vector(like), library.vector(measurement.tangents[name])
    small = (abs(x) < reach) * (x != 0)
    if not bool(small.any()):
        return
    generator = asked.examination.aside(f"small elements of {name}")
    for _ in range(times):
        drawn = library.place(signed_uniform(generator, len(x)), like)
        longer = asked.along(name, asked.on_lattice(name, v + small * (reach * drawn - v)))
        if longer.seen.comparison.bound <= BLUNTER * measurement.seen.comparison.bound:
            yield longer

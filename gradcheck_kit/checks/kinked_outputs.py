"""At an exact kink each output is asked alone: in the sum of many, a wrong gradient hides behind another's jump."""

import math
from collections.abc import Sequence

from gradcheck_kit.checks.backward import Backward
from gradcheck_kit.differences.kinks import KinkedOutput
from gradcheck_kit.differences.line import BUCKETS
from gradcheck_kit.space import Arrays, inner_of

RELATIVE_AT_KINK = 64.0  # units of roundoff that a single output's gradient may be off by


def between_the_slopes(backward: Backward, kinked: Sequence[KinkedOutput], tangents: Arrays) -> bool:
    """Whether each kinked output alone has a gradient between its one-sided slopes, to within their errors."""
    library = backward.library
    count = sum(math.prod(library.shape(u)) for u in backward.cotangents.values())
    if count > BUCKETS:  # the outputs were summed, and cannot be told apart
        return True
    slack = RELATIVE_AT_KINK * backward.form.unit_roundoff
    for output in kinked:
        gradients = backward.of_output(output.position)
        analytic = sum(inner_of(library, gradients[name], v) for name, v in tangents.items())
        allowed = output.half_jump + output.error + slack * (abs(output.slope) + output.half_jump)
        if not abs(analytic - output.slope) <= allowed:
            return False
    return True

"""Does a wrong slice of a gradient hold the numbers of another slice?"""

import numpy as np

from gradcheck_kit.diagnose.evidence import Cause, Values
from gradcheck_kit.locate.box import Box

LEAST_ELEMENTS = 2  # different numbers in a slice that must all be found again


def repeated(box: Box, gradient: Values, name: str) -> Cause | None:
    """The other slice whose numbers all the slices of a wrong block hold, bit for bit; it is right itself.

    None where several others hold them too: slices that are equal by right are no evidence.
    """
    limited = [axis for axis, length in enumerate(box.shape) if box.length(axis) < length]
    if len(limited) != 1:
        return None
    (axis,) = limited
    first, end = box.ranges[axis]
    slices = np.moveaxis(gradient, axis, 0).reshape(box.shape[axis], -1)
    wrong = slices[first:end]
    if not (wrong == wrong[0]).all() or np.unique(wrong[0][wrong[0] != 0.0]).size < LEAST_ELEMENTS:
        return None
    equal = [i for i in range(len(slices)) if not first <= i < end and bool((slices[i] == wrong[0]).all())]
    if len(equal) != 1:
        return None
    source = Box.whole(box.shape).within(axis, equal[0], equal[0] + 1).describe(name).split(", ")[0]
    words = f"backward returns there, bit for bit, what it returns for {source}"
    return Cause("stale-slice", words)

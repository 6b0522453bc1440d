"""Is the backward wrong in one triangle of a matrix, as where the function reads the other alone?"""

from dataclasses import replace

import numpy as np

from gradcheck_kit.diagnose.by_value import Property, Surroundings, wrong_where
from gradcheck_kit.diagnose.evidence import Cause
from gradcheck_kit.locate import Location, OfInput

SLUG = "wrong-triangle"
MUCH = 0.5  # of a triangle, at least, is in the blocks that were found where it is what is wrong


def in_a_triangle(
    place: Location, measured: OfInput, around: Surroundings, generator: np.random.Generator
) -> Cause | None:
    """The cause, where all elements on one side of the diagonal of the last two axes are wrong, and no others."""
    shape = around.primal.shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        return None
    if place.complete and sum(box.size for box in place.boxes) < MUCH * around.primal.size / 2:
        return None
    place = replace(place, complete=False)  # a block all of whose samples are wrong may reach across the diagonal
    rows, columns = np.indices(shape[-2:])
    for side, other, triangle in (("above", "tril", columns > rows), ("below", "triu", columns < rows)):
        inside = np.broadcast_to(triangle, shape)
        cause = Cause(SLUG, "", place=f"all {side} the diagonal of {measured.name}")
        if not wrong_where(Property(cause, inside, ~inside), place, measured, generator):
            continue
        sentence = f"backward is wrong exactly {side} the diagonal"
        if all(abs(e.numeric) <= e.error for e in measured.elements.values() if inside[e.index]):
            sentence = f"the function does not read what lies {side} the diagonal: return np.{other} of the gradient"
        return Cause(SLUG, sentence, place=cause.place)
    return None

"""Are the elements wrong that a cause says are, and no others? At most three readings, and no search."""

import numpy as np
import numpy.typing as npt

from gradcheck_kit.locate.box import Box
from gradcheck_kit.locate.contributions import OfInput
from gradcheck_kit.locate.location import NAMED, Location, every_sampled, listed
from gradcheck_kit.space import FloatVector

SAMPLES = 2  # single elements that are asked
READINGS = SAMPLES + 1  # at most: they, and all of the others together

Mask = npt.NDArray[np.bool_]


def borne_out(measured: OfInput, error: FloatVector, generator: np.random.Generator) -> Location | None:
    """The elements that a cause says are wrong, where those that are asked are, and all the others together are right.

    Args:
        measured: the input, in the round and along the tangent of a strike.
        error: what the backward is off by in every element if the cause is true, in row-major order; 0 where it is
            right. The largest is asked, and shown.
        generator: draws the others that are asked.

    Returns:
        None where what is measured does not bear the cause out.
    """
    wrong = np.flatnonzero(error)
    if not wrong.size:
        return None
    largest = int(np.argmax(np.abs(error)))
    others = wrong[wrong != largest]
    drawn = generator.choice(others, size=min(SAMPLES - 1, others.size), replace=False)
    indices = [_index(measured, position) for position in (largest, *drawn)]
    if not all(measured.alone(index).wrong for index in indices):
        return None
    right = error == 0.0
    if right.any() and not measured.of(right.astype(np.float64)).right:
        return None
    mask = ~right.reshape(measured.shape)
    box = Box.around(mask)
    whole = box.size == wrong.size
    return Location(
        words=_words(measured.name, mask, indices[0]),
        boxes=(box,) if whole else (),
        mixed=() if whole else (box,),
        elements=tuple(measured.elements.values()),
        everywhere=wrong.size == mask.size,
        complete=whole,
    )


def sampled_throughout(measured: OfInput, generator: np.random.Generator) -> Location | None:
    """For a cause that does not say which elements are wrong: the whole input, where those that are asked all are.

    Returns:
        None where one of them is not seen to be wrong.
    """
    whole = Box.whole(measured.shape)
    drawn = generator.choice(whole.size, size=min(SAMPLES, whole.size), replace=False)
    if not all(measured.alone(_index(measured, position)).wrong for position in drawn):
        return None
    words = every_sampled(measured.name) if whole.size > 1 else measured.name
    elements = tuple(measured.elements.values())
    return Location(words, (whole,), elements=elements, everywhere=True, complete=whole.size <= SAMPLES)


def _index(measured: OfInput, position: int) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(position), measured.shape))


def _words(name: str, wrong: Mask, largest: tuple[int, ...]) -> str:
    """A block, or all but a block, or a few elements; the count and an example where nothing is shorter."""
    count, box = int(wrong.sum()), Box.around(wrong)
    if count == wrong.size:
        return f"every element of {name}" if wrong.size > 1 else name
    if count == box.size:
        return box.describe(name)
    if count <= NAMED:
        return listed([Box.element(wrong.shape, tuple(map(int, i))).describe(name) for i in np.argwhere(wrong)])
    outside = Box.around(~wrong)
    if outside.size == wrong.size - count:
        return f"every element of {name} except {outside.describe(name)}"
    example = Box.element(wrong.shape, largest).describe(name)
    return f"{count} of the {wrong.size} elements of {name}, such as {example}"

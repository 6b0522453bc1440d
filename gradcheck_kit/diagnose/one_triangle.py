"""Does the function read one triangle of a symmetric matrix, while its gradient is meant for symmetric changes?

So do eigenvalues and Cholesky factors: their gradient is symmetric, and right only where both triangles move alike.
"""

import numpy as np

from gradcheck_kit.diagnose.by_value import Surroundings
from gradcheck_kit.diagnose.evidence import MATCH, Cause
from gradcheck_kit.locate import Location, OfInput
from gradcheck_kit.locate.contributions import Element

FEW = 3  # wrong elements whose mirror images are asked
ALIKE = 1e-2  # of the largest element: a gradient is symmetric to rounding, or not at all
WORDS = (
    "the function reads one triangle of this symmetric matrix, and the gradient is for symmetric changes: "
    "check lambda a: function((a + a.T) / 2)"
)


def one_triangle(place: Location, measured: OfInput, around: Surroundings) -> Cause | None:
    """The cause, where wrong elements and their mirror images show what half of a gradient in each would."""
    x, gradient = around.primal, around.gradient
    if x.ndim < 2 or x.shape[-1] != x.shape[-2] or not _symmetric(x, 0.0) or not _symmetric(gradient, ALIKE):
        return None
    if any(e.index[-2] == e.index[-1] for e in place.wrong):
        return None  # the diagonal belongs to both triangles
    unread = {_unread_above(e, _mirrored(e, measured)) for e in place.wrong[:FEW]}
    return Cause("one-triangle", WORDS) if unread in ({True}, {False}) else None


def _mirrored(element: Element, measured: OfInput) -> Element:
    *batch, row, column = element.index
    index = (*batch, column, row)
    measured.alone(index)
    return measured.elements[index]


def _unread_above(one: Element, mirrored: Element) -> bool | None:
    """Whether the one above the diagonal has no derivative, and the other twice its gradient; None if neither has."""
    swap = abs(one.numeric) > abs(mirrored.numeric)
    unread, read = (mirrored, one) if swap else (one, mirrored)
    if abs(unread.numeric) > unread.error:
        return None
    half = abs(read.numeric - 2.0 * read.analytic) <= MATCH * read.error + ALIKE * abs(read.numeric)
    return unread.index[-2] < unread.index[-1] if half else None


def _symmetric(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]], share: float) -> bool:
    apart = np.abs(matrix - np.swapaxes(matrix, -1, -2)).max(initial=0.0)
    return bool(apart <= share * np.abs(matrix).max(initial=0.0))

"""Where a gradient is not finite, must there be a finite one?

Seen from the backward's own answers in the same directions at three distances. Where they tend to numbers from every
side, alike or not, the point is no edge of a domain: a kink, such as that of a norm at 0, has a generalised gradient
between those on its sides (Clarke 1983, Optimization and Nonsmooth Analysis, §2.5), and a NaN is none. Where they grow
without end, as those of √|x| and x log x at 0, or are missing on one side, nothing finite need be returned.
"""

import numpy as np
import numpy.typing as npt

from gradcheck_kit.checks.neighbourhood import Matrix, Neighbourhood
from gradcheck_kit.space import Arrays, FloatVector

DISTANCES = (0.25, 0.375, 0.5)  # of the digits: the last is that of the neighbours
SETTLING = 0.5  # of one change to the next, at most: those of a logarithm stay as large, those of a root grow
DIRECTION = 8.0  # steps: relative change of a gradient by the rounding of the direction
ROUNDING = 64.0  # unit roundoffs of the largest gradient: a change that says nothing

Elements = npt.NDArray[np.bool_]


def must_be_finite(around: Neighbourhood, cotangents: Arrays, rows: Matrix) -> int | None:
    """The first element of the joint gradient that is not finite and by right would be; None where there is none.

    Args:
        around: the point, at which the outputs are finite, and its neighbours.
        cotangents: those that were pulled.
        rows: their gradients at the point, and at each neighbour.
    """
    own = ~np.isfinite(rows[0])
    beside = rows[1:][around.defined()]
    nowhere = own & (len(beside) > 0) & ~np.isfinite(beside).any(axis=0)
    wrong = np.flatnonzero(own & (nowhere | _settled(around, cotangents)))
    return int(wrong[0]) if len(wrong) else None


def sides(values: FloatVector, alike: float) -> str:
    """What one element of the gradient is right beside the point, in words; relative changes up to `alike` are none."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return "not finite either"
    low, high = finite.min(), finite.max()
    if high - low <= alike * abs(finite).max():
        return f"{finite[0]:.6g}"
    return f"between {low:.6g} and {high:.6g}"


def _settled(around: Neighbourhood, cotangents: Arrays) -> Elements:
    """For each element of the joint gradient, whether it tends to a number along every direction from the point."""
    far, nearer, near = (around.gradients_beside(cotangents, 2.0 ** (-d * around.digits)) for d in DISTANCES)
    with np.errstate(invalid="ignore"):
        before, after = abs(nearer - far), abs(near - nearer)
        slack = DIRECTION * around.step * abs(near) + ROUNDING * 2.0**-around.digits * _largest(near)
        calm = after <= SETTLING * before + slack
    return np.asarray((calm & np.isfinite(near)).all(axis=0))


def _largest(rows: Matrix) -> float:
    return float(abs(rows[np.isfinite(rows)]).max(initial=0.0))

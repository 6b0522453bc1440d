"""Is a slice of a gradient what an earlier call of the backward left there?

A backward that fills a buffer of its own may forget a slice of it, which then keeps older numbers. Two answers tell it
from every other error: bit for bit the same numbers where the right ones differ, in that slice and nowhere else.
"""

import numpy as np
import numpy.typing as npt

from gradcheck_kit.checks.examination import Examination, another_point
from gradcheck_kit.locate.box import Box
from gradcheck_kit.space import Arrays
from gradcheck_kit.subject import BudgetSpentError

SLUG = "stale-slice"
ALMOST = 1e-4  # relative: a gradient that is no further from linear is linear, whatever its dtype
Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def same_elsewhere(examination: Examination, name: str, box: Box) -> bool:
    """Whether a slice of one gradient is the same at other inputs; False where these cannot be asked."""
    u = examination.first_pull.cotangents
    try:
        elsewhere = another_point(examination.subject, examination.aside(SLUG))
        there = _pulled(examination, name, elsewhere, u)
    except BudgetSpentError:
        raise
    except Exception:
        return False  # another point may lie outside the domain
    here = _pulled(examination, name, examination.subject.point, u)
    return bool((here == there)[box.slices()].all())


def same_for_every_cotangent(examination: Examination, name: str) -> Box | None:
    """The slice of one gradient that does not depend on the cotangent, where the rest does, linearly."""
    u, point = examination.first_pull.cotangents, examination.subject.point
    w = examination.cotangents(2.0, generator=examination.aside(f"{SLUG}: another cotangent"))
    zero, back = examination.combined([(0.0, u)]), examination.combined([(-2.0, u)])
    of_u, of_w, of_zero, of_back = (_pulled(examination, name, point, given) for given in (u, w, zero, back))
    same = (of_u == of_w) & (of_u == of_zero) & (of_u == of_back)
    found = slice_filled(same, same & (of_u != 0.0))
    if found is None:
        return None
    outside = np.ones(same.shape, dtype=bool)
    outside[found.slices()] = False
    size = float(abs(of_u[outside]).max(initial=0.0))
    linear = bool((abs(of_back + 2.0 * of_u)[outside] <= ALMOST * size).all())
    return found if size > 0.0 and linear and not of_zero[outside].any() else None


def of_the_call_before(examination: Examination, name: str) -> Box | None:
    """The slice of one gradient that a call returns as the call before would have."""
    u, point = examination.first_pull.cotangents, examination.subject.point
    w = examination.cotangents(generator=examination.aside(f"{SLUG}: the next cotangent"))
    _, settled, after, again = (_pulled(examination, name, point, given) for given in (u, u, w, w))
    found = slice_filled(after == settled, (after != again) & (after == settled))
    if found is None:
        return None
    outside = np.ones(after.shape, dtype=bool)
    outside[found.slices()] = False
    return found if bool((after == again)[outside].all()) else None


def slice_filled(allowed: Mask, present: Mask) -> Box | None:
    """The indices on one axis, in a row, that hold all that is present, and where everything is allowed.

    None where there is no such axis or more than one, or where that would be the whole array.
    """
    if not present.any():
        return None
    found = []
    for axis in range(present.ndim):
        at = np.flatnonzero(present.any(axis=tuple(other for other in range(present.ndim) if other != axis)))
        box = Box.whole(present.shape).within(axis, int(at[0]), int(at[-1]) + 1)
        if box.length(axis) < present.shape[axis] and bool(allowed[box.slices()].all()):
            found.append(box)
    return found[0] if len(found) == 1 else None


def _pulled(examination: Examination, name: str, point: Arrays, cotangents: Arrays) -> Values:
    library, like = examination.library, examination.subject.point[name]
    gradient = examination.pulled(point, cotangents)[name]
    vector = 0.0 * library.vector(like) if gradient is None else library.vector(gradient)
    return np.array(library.numpy(vector), dtype=np.float64).reshape(library.shape(like))

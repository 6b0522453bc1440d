"""The true derivative of a function of the bank: the complex step in 80-bit arithmetic.

Im f(x + i·ε·v)/ε with ε = 1e-40 (Squire & Trapp 1998, SIAM Review 40): no difference is taken, so nothing cancels, and
it shares no line with the checker. It is always taken in NumPy, whatever library the checked function runs in.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
STEP = np.longdouble("1e-40")


def jvp(f: Callable[[Values], Values], x: Values, v: Values) -> Values:
    """J(x)·v in longdouble."""
    wide = np.asarray(x, np.longdouble)
    moved = wide + 1j * STEP * np.asarray(v, np.longdouble)
    with np.errstate(all="ignore"):
        return np.asarray(np.imag(f(moved)) / STEP)


def vjp(f: Callable[[Values], Values], u: Values, x: Values) -> Values:
    """Jᵀu in longdouble, shaped like x: one element after the other."""
    gradient = np.empty(x.size, np.longdouble)
    for i in range(x.size):
        unit = np.zeros(x.size, np.longdouble)
        unit[i] = 1
        gradient[i] = np.sum(np.asarray(u, np.longdouble) * jvp(f, x, unit.reshape(x.shape)))
    return gradient.reshape(x.shape)

"""The derivative as a quotient of differences: forward, and central, which is more accurate.

With step h, and f'' and f''' the next derivatives, Taylor's series gives

- forward: ``(f(x + h) - f(x)) / h = f' + h f''/2 + ...``
- central: ``(f(x + h) - f(x - h)) / 2h = f' + h**2 f'''/6 + ...``

A difference also carries the rounding of f, about ``u |f|`` with u the unit roundoff, and dividing by h makes
``u |f| / h`` of it: too small a step is as bad as too large a one. The two errors balance at ``h ~ u**(1/2)`` for
forward differences, where ``u**(1/2)`` is left of them, and at ``h ~ u**(1/3)`` for central ones, which
leaves ``u**(2/3)`` (Nocedal & Wright 2006, "Numerical Optimization", section 8.1).
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from reference_impls.autograd.mode import no_grad
from reference_impls.autograd.variable import Variable
from reference_impls.layers.layer import Array

Scheme: TypeAlias = Literal["central", "forward"]

BALANCED = {"central": 1 / 3, "forward": 1 / 2}


def numerical_diff(
    f: Callable[[Variable], Variable], x: Variable, h: float | None = None, *, scheme: Scheme = "central"
) -> Array:
    """Return the gradient of ``f`` at ``x``, of x's shape and dtype, element by element.

    Args:
        f: variable to variable of one element; it is called twice for every element of x, with copies of x.
        x: where.
        h: the step, the same for every element; by default the one that balances truncation and rounding for
            values of order 1.
        scheme: "central" or "forward".

    Raises:
        ValueError: h is not positive and finite, or too small to move an element of x; the scheme is unknown; or
            f returns more than one element.
    """
    if scheme not in BALANCED:
        raise ValueError(f'numerical_diff: scheme is {scheme!r}; pass "central" or "forward"')
    step = float(np.finfo(x.dtype).eps / 2) ** BALANCED[scheme] if h is None else float(h)
    if not 0 < step < np.inf:
        raise ValueError(f"numerical_diff: h is {h}; pass a finite h > 0, such as 1e-4, or leave it out")
    gradient = np.empty_like(x.data)
    with no_grad():
        for index in np.ndindex(x.shape):
            right, left = _moved(x, index, step), _moved(x, index, -step if scheme == "central" else 0.0)
            # The distance of the points as they are after rounding, not as they were meant.
            distance = right.data[index] - left.data[index]
            if distance == 0:
                raise ValueError(f"numerical_diff: h is {step}, which x{list(index)} = {x.data[index]} rounds away")
            gradient[index] = (_value(f, right) - _value(f, left)) / distance
    return gradient


def _moved(x: Variable, index: tuple[int, ...], step: float) -> Variable:
    """A copy of x with one element moved."""
    moved = x.data.copy()
    moved[index] += moved.dtype.type(step)
    return Variable(moved)


def _value(f: Callable[[Variable], Variable], x: Variable) -> Array:
    out = f(x).data
    if out.size != 1:
        raise ValueError(f"numerical_diff: f returned shape {out.shape}; pass an f of one element, as f(x).sum()")
    return out.reshape(())

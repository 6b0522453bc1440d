"""Which side of a kink? ReLU and max-pool decisions that rounding alone may turn, read on one side, followed on the
other.

In few digits two right programs part at a pre-activation within rounding of zero: one lets it through, the other does
not, and from there on they train different networks. Replay keeps them together: where a decision differs and lies
within the rounding bound τ of its kink, the follower's pre-activation is put on the reference's side of it, by no more
than 2τ. Every such decision is in the ledger. One that differs outside τ is left as it is, and is a failure.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Branch:
    """The decisions of one kink stage in one forward, as they were made, those that were followed too.

    For ReLU True where z > 0, for max-pool the winner's place.
    """

    kind: str
    decision: Values


@dataclass(frozen=True)
class Decision:
    """A decision in which the two sides differ.

    Attributes:
        step: of the training run, from 1.
        stage: which kink of the forward, from 0, and its kind: "0 ReLU".
        index: the element of the stage's output.
        margin: how far the follower was from deciding as the reference did: |z|, or the gap in a window.
        allowed: the rounding bound τ.
    """

    step: int
    stage: str
    index: tuple[int, ...]
    margin: float
    allowed: float

    @property
    def within(self) -> bool:
        """Whether rounding explains it, so that it was followed."""
        return self.margin <= self.allowed


class Replay:
    """One forward's decisions: recorded, and where another's are given, followed.

    Args:
        share: τ of a stage is this times the root mean square of its input.
        follow: the reference's branches, in order; None to record only.
        step: of the training run, for the ledger.
    """

    def __init__(self, share: float, follow: list[Branch] | None = None, step: int = 0) -> None:
        self._share, self._follow, self._step = share, follow, step
        self.branches: list[Branch] = []
        self.ledger: list[Decision] = []
        self.compared = 0

    def relu(self, z: Values) -> Values:
        """`z`, or a copy with the elements moved whose side is to be the reference's."""
        on = np.asarray(z > 0)
        wanted, turned = self._turned("ReLU", on)
        if not len(turned):
            return z
        moved, allowed = z.copy(), self._allowed(z)
        smallest = np.finfo(z.dtype).tiny
        for place in map(tuple, turned):
            if self._noted("ReLU", place, abs(float(z[place])), allowed):
                moved[place] = smallest if wanted[place] else 0.0
                on[place] = wanted[place]
        return moved

    def max_pool(self, x: Values, kernel: Pair, stride: Pair, padding: Pair, unit_roundoff: float = 0.0) -> Values:
        """`x` (batch, channels, rows, columns), or a copy with some windows' largest element exchanged.

        `unit_roundoff` is that of the values where they are numbers of a format with fewer digits than their dtype.
        """
        windows = _windows(x, kernel, stride, padding)
        winner = windows.argmax(axis=-1)
        wanted, turned = self._turned("max-pool", winner)
        if not len(turned):
            return x
        moved, allowed = x.copy(), 2 * self._allowed(x)
        for n, c, p, q in turned:
            values = windows[n, c, p, q]
            i, j = divmod(int(wanted[n, c, p, q]), kernel[1])
            gap = float(values.max()) - float(values[wanted[n, c, p, q]])
            if self._noted("max-pool", (n, c, p, q), gap, allowed):
                row, column = p * stride[0] + i - padding[0], q * stride[1] + j - padding[1]
                winner[n, c, p, q] = wanted[n, c, p, q]
                moved[n, c, row, column] = _above(values.max(), unit_roundoff)
        return moved

    def _turned(self, kind: str, own: Values) -> tuple[Values, Values]:
        """The reference's decisions, or one's own where there are none to follow, and the places where they differ."""
        wanted = self._wanted(kind, own)
        self.branches.append(Branch(kind, own))
        followed = own if wanted is None else wanted
        return followed, np.argwhere(followed != own)

    def _wanted(self, kind: str, own: Values) -> Values | None:
        if self._follow is None:
            return None
        number = len(self.branches)
        if number >= len(self._follow) or self._follow[number].kind != kind:
            return None
        wanted = self._follow[number].decision
        if wanted.shape != own.shape:
            return None
        self.compared += own.size
        return wanted

    def _allowed(self, z: Values) -> float:
        return self._share * float(np.sqrt(np.mean(np.square(z, dtype=np.float64))))

    def _noted(self, kind: str, place: Any, margin: float, allowed: float) -> bool:
        stage = f"{len(self.branches) - 1} {kind}"
        decision = Decision(self._step, stage, tuple(int(i) for i in place), margin, allowed)
        self.ledger.append(decision)
        return decision.within


def _above(value: Any, unit_roundoff: float) -> Any:
    """A number that is larger in the format, too, by at most two of its last places."""
    if not unit_roundoff:
        return np.nextafter(value, value.dtype.type(np.inf))
    return value + max(value.dtype.type(2 * unit_roundoff) * abs(value), np.finfo(value.dtype).tiny)


def _windows(x: Values, kernel: Pair, stride: Pair, padding: Pair) -> Values:
    """Every window's elements on a last axis: (batch, channels, output rows, output columns, elements)."""
    if padding != (0, 0):
        around = ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2)
        x = np.pad(x, around, constant_values=-np.inf)
    cut = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))[:, :, :: stride[0], :: stride[1]]
    return cut.reshape(*cut.shape[:4], -1)

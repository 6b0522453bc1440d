"""Richardson extrapolation of central differences, with the even part as a control experiment.

With φ(t) the weighted outputs u∘f(x + t·v), the odd part D(h) = (φ(h) − φ(−h))/2h tends to the derivative and the even
part E(h) = (φ(h) + φ(−h))/2 tends to φ(0), which is *known*; both err by powers of h² where φ is smooth. The same
extrapolation runs over both (Richardson 1911, Phil. Trans. R. Soc. A 210; Ridders 1982, Adv. Eng. Software 4:75), so
the even part's visible failure tells of the odd part's invisible one. Extrapolation is taken only as far as the
differences shrink as the theory says ("cautious extrapolation": de Boor 1971, "CADRE", in Mathematical Software).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from gradcheck_kit.differences.noise import SIGMAS
from gradcheck_kit.space import FloatVector

COLUMNS = 4  # extrapolations up to h^6: a fifth column gains nothing before rounding takes over
FIRST_SHRINK = 0.35  # column 0 differences fall by 1/4 a rung where φ is smooth; more than this and it is not
SECOND_SHRINK = 0.2  # column 1 differences fall by 1/16
UNSEEN_RATE = 2.0  # two rungs show no rate: where the error only halves, as where f'' jumps, T_11 errs by so much more
EVEN_FACTOR = 4.0  # how far the odd part may be off, per unit of the even part's failure, over h
LEAST_RELATIVE = 2.0**-50  # the arithmetic of the extrapolation itself


@dataclass(frozen=True)
class Entry:
    """One entry of the tableau: the derivative, and the three parts of its error bound.

    `curvature` is what the even part's failure to reach φ(0) says about the odd part; `size` is the norm of the
    derivative's contributions, which does not cancel as their sum `value` may. `rate_seen` is whether it was seen how
    fast the differences fall.
    """

    vector: FloatVector
    size: float
    rounding: float
    truncation: float
    curvature: float
    step: float
    rate_seen: bool = False

    @property
    def value(self) -> float:
        return float(self.vector.sum())

    @property
    def bound(self) -> float:
        return self.rounding + self.truncation + self.curvature + LEAST_RELATIVE * self.size


def size(vector: FloatVector) -> float:
    """max(|Σ vᵢ|, ‖v‖₂): a difference that cancels in the sum alone is still seen."""
    return max(abs(float(vector.sum())), math.sqrt(float(vector @ vector)))


def entries(
    steps: Sequence[float],
    plus: Sequence[FloatVector],
    minus: Sequence[FloatVector],
    centre: FloatVector,
    sigma: float,
    unit_roundoff: float,
    rate_seen: bool = False,
) -> list[Entry]:
    """Every trustworthy entry of the tableau.

    Args:
        steps: h₀ > h₁ > …, each half of the one before.
        plus, minus: the weighted outputs φ(h_k) and φ(−h_k).
        centre: φ(0).
        sigma: the standard deviation of the noise in one evaluation at the centre.
        unit_roundoff: of the outputs' format; where they grow across the stencil, so does their rounding.
        rate_seen: whether the differences of this function were seen to fall as those of a smooth one before.
    """
    both = np.asarray(plus), np.asarray(minus)
    tableau = _Tableau.of(np.asarray(steps), *both, centre, sigma, unit_roundoff, rate_seen)
    return [
        tableau.entry(k, j)
        for k, j in tableau.plan.at
        if k > 0 and tableau.shrinks(k, j) and tableau.control_holds(k, j)
    ]


@dataclass(frozen=True)
class _Plan:
    """The tableau of so many rungs as weights on D(h₀), D(h₁), …; the same for every function.

    Attributes:
        at: the row of `weights` for each entry (k, j).
        weights: of T_kj, as from `_weights`.
        falls_at: the row of `falls` for each (k, j) with k > j.
        falls: T_kj − T_k−1,j, which shrink down a column.
    """

    at: Mapping[tuple[int, int], int]
    weights: FloatVector
    falls_at: Mapping[tuple[int, int], int]
    falls: FloatVector


@cache
def _plan(rungs: int) -> _Plan:
    weights = _weights(rungs)
    falls = {(k, j): w - weights[k - 1, j] for (k, j), w in weights.items() if (k - 1, j) in weights}
    return _Plan(
        {entry: row for row, entry in enumerate(weights)},
        np.stack(list(weights.values())),
        {entry: row for row, entry in enumerate(falls)},
        np.stack(list(falls.values())),
    )


def _weights(rungs: int) -> dict[tuple[int, int], FloatVector]:
    """T_kj as weights on D(h₀) … : T_k0 = D(h_k), T_kj = T_k,j−1 + (T_k,j−1 − T_k−1,j−1)/(4^j − 1)."""
    weights: dict[tuple[int, int], FloatVector] = {}
    for k, unit in enumerate(np.eye(rungs)):
        weights[k, 0] = unit
        for j in range(1, min(k, COLUMNS - 1) + 1):
            weights[k, j] = weights[k, j - 1] + (weights[k, j - 1] - weights[k - 1, j - 1]) / (4.0**j - 1)
    return weights


def _sizes(rows: FloatVector) -> list[float]:
    """`size` of each row."""
    sizes: list[float] = np.maximum(np.abs(rows.sum(1)), np.sqrt(np.einsum("ij,ij->i", rows, rows))).tolist()
    return sizes


@dataclass(frozen=True)
class _Tableau:
    """The extrapolation of the odd and of the even part, and the sizes that the questions about it need.

    Attributes:
        odd, sizes: the entries T_kj of the odd part, a row each.
        falls, even_falls: |T_kj − T_k−1,j| of the odd and of the even part.
        fall_noise: what rounding alone makes of the odd one.
        rounding: the bound on rounding in T_kj: each evaluation enters with w_k/2h_k, twice.
        control, control_noise: how far the even part is from its known limit, and how much of that may be noise.
        rate_seen: as for `entries`.
    """

    plan: _Plan
    steps: FloatVector
    odd: FloatVector
    sizes: list[float]
    falls: list[float]
    even_falls: list[float]
    fall_noise: list[float]
    rounding: list[float]
    control: list[float]
    control_noise: list[float]
    rate_seen: bool

    @classmethod
    def of(
        cls,
        steps: FloatVector,
        plus: FloatVector,
        minus: FloatVector,
        centre: FloatVector,
        sigma: float,
        unit_roundoff: float,
        rate_seen: bool,
    ) -> "_Tableau":
        plan = _plan(len(steps))
        odd, even = (plus - minus) / (2 * steps[:, None]), (plus + minus) / 2 - centre  # the even part's limit is 0
        grown = np.maximum(np.einsum("ij,ij->i", plus, plus), np.einsum("ij,ij->i", minus, minus))
        sigmas = np.maximum(sigma, unit_roundoff * np.sqrt(grown / 3.0))  # at each rung
        of_evens = np.square(plan.weights * sigmas).sum(1)
        rate = SIGMAS / math.sqrt(2)
        extrapolated = plan.weights @ odd
        return cls(
            plan,
            steps,
            extrapolated,
            _sizes(extrapolated),
            _sizes(plan.falls @ odd),
            _sizes(plan.falls @ even),
            (rate * np.linalg.norm(plan.falls * (sigmas / steps), axis=1)).tolist(),
            (rate * np.linalg.norm(plan.weights * (sigmas / steps), axis=1)).tolist(),
            _sizes(plan.weights @ even),
            (SIGMAS * np.sqrt(of_evens / 2 + sigma**2)).tolist(),
            rate_seen,
        )

    def correction(self, k: int, j: int, falls: list[float]) -> float:
        """|T_kj − T_k,j−1|, in column 0 |T_k0 − T_k−1,0|."""
        return falls[self.plan.falls_at[k, j - 1]] / (4.0**j - 1) if j else falls[self.plan.falls_at[k, 0]]

    def shrinks(self, k: int, j: int) -> bool:
        """Whether the differences that entry (k, j) relies on fall as fast as smoothness demands, or are noise."""
        return all(
            self._falls(k, j, column, shrink)
            for column, shrink in ((0, FIRST_SHRINK), (1, SECOND_SHRINK))
            if j > column
        )

    def _falls(self, k: int, j: int, column: int, shrink: float) -> bool:
        at = self.plan.falls_at
        rows = [at[i, column] for i in range(max(k - j, column), k + 1) if (i, column) in at]
        return all(
            not self.falls[after] > max(shrink * self.falls[before], self.fall_noise[after])
            for before, after in pairwise(rows)
        )

    def control_holds(self, k: int, j: int) -> bool:
        """Whether the even part is as near to its limit as its own last correction promises."""
        row = self.plan.at[k, j]
        return self.control[row] <= max(self.control_noise[row], self.correction(k, j, self.even_falls))

    def entry(self, k: int, j: int) -> Entry:
        row = self.plan.at[k, j]
        truncation = self.correction(k, j, self.falls)
        if k == j == 1 and not self.rate_seen:
            truncation *= UNSEEN_RATE
        if j and (k, j) in self.plan.falls_at:
            truncation = max(truncation, self.falls[self.plan.falls_at[k, j]] / 8)
        step = float(self.steps[k])
        return Entry(
            vector=self.odd[row],
            size=self.sizes[row],
            rounding=self.rounding[row],
            truncation=truncation,
            curvature=EVEN_FACTOR * max(0.0, self.control[row] - self.control_noise[row]) / step,
            step=step,
            rate_seen=j > 0 and (k > 1 or self.rate_seen),
        )

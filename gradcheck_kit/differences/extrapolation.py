"""Richardson extrapolation of central differences, with the even part as a control experiment.

With φ(t) the weighted outputs u∘f(x + t·v), the odd part D(h) = (φ(h) − φ(−h))/2h tends to the derivative and the even
part E(h) = (φ(h) + φ(−h))/2 tends to φ(0), which is *known*; both err by powers of h² where φ is smooth. The same
extrapolation runs over both (Richardson 1911, Phil. Trans. R. Soc. A 210; Ridders 1982, Adv. Eng. Software 4:75), so
the even part's visible failure tells of the odd part's invisible one. Extrapolation is taken only as far as the
differences shrink as the theory says ("cautious extrapolation": de Boor 1971, "CADRE", in Mathematical Software).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gradcheck_kit.differences.noise import SIGMAS
from gradcheck_kit.space import FloatVector

COLUMNS = 4  # extrapolations up to h^6: a fifth column gains nothing before rounding takes over
FIRST_SHRINK = 0.35  # column 0 differences fall by 1/4 a rung where φ is smooth; more than this and it is not
SECOND_SHRINK = 0.2  # column 1 differences fall by 1/16
EVEN_FACTOR = 4.0  # how far the odd part may be off, per unit of the even part's failure, over h
LEAST_RELATIVE = 2.0**-50  # the arithmetic of the extrapolation itself


@dataclass(frozen=True)
class Entry:
    """One entry of the tableau: the derivative, and the three parts of its error bound.

    `curvature` is what the even part's failure to reach φ(0) says about the odd part; `size` is the norm of the
    derivative's contributions, which does not cancel as their sum `value` may.
    """

    value: float
    vector: FloatVector
    size: float
    rounding: float
    truncation: float
    curvature: float
    step: float

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
) -> list[Entry]:
    """Every trustworthy entry of the tableau.

    Args:
        steps: h₀ > h₁ > …, each half of the one before.
        plus, minus: the weighted outputs φ(h_k) and φ(−h_k).
        centre: φ(0).
        sigma: the standard deviation of the noise in one evaluation at the centre.
        unit_roundoff: of the outputs' format; where they grow across the stencil, so does their rounding.
    """
    weights = _weights(len(steps))
    sigmas = np.array(
        [
            max(sigma, *(unit_roundoff / math.sqrt(3) * float(np.linalg.norm(y)) for y in ys))
            for ys in zip(plus, minus, strict=True)
        ]
    )
    odd = np.stack([(p - m) / (2 * h) for p, m, h in zip(plus, minus, steps, strict=True)])
    even = np.stack([(p + m) / 2 - centre for p, m in zip(plus, minus, strict=True)])
    tableau = _Tableau(np.asarray(steps), weights, odd, even, sigma, sigmas)
    found = []
    for k in range(1, len(steps)):
        for j in range(min(k, COLUMNS - 1) + 1):
            if tableau.shrinks(k, j) and tableau.control_holds(k, j):
                found.append(tableau.entry(k, j))
    return found


def _weights(rungs: int) -> dict[tuple[int, int], FloatVector]:
    """T_kj as weights on D(h₀) … : T_k0 = D(h_k), T_kj = T_k,j−1 + (T_k,j−1 − T_k−1,j−1)/(4^j − 1)."""
    weights: dict[tuple[int, int], FloatVector] = {}
    for k, unit in enumerate(np.eye(rungs)):
        weights[k, 0] = unit
        for j in range(1, min(k, COLUMNS - 1) + 1):
            weights[k, j] = weights[k, j - 1] + (weights[k, j - 1] - weights[k - 1, j - 1]) / (4.0**j - 1)
    return weights


@dataclass(frozen=True)
class _Tableau:
    steps: FloatVector
    weights: dict[tuple[int, int], FloatVector]
    odd: FloatVector
    even: FloatVector  # E(h) − φ(0), so that its limit is zero
    sigma: float  # at the centre
    sigmas: FloatVector  # at each rung

    def difference(self, k: int, j: int, part: FloatVector) -> float:
        """|T_kj − T_k,j−1|, in column 0 |T_k0 − T_k−1,0|."""
        lower = self.weights[k, j - 1] if j else self.weights[k - 1, 0]
        return size((self.weights[k, j] - lower) @ part)

    def rounding_of(self, weights: FloatVector) -> float:
        """The bound on rounding in Σ w_k D(h_k): each evaluation enters with w_k/2h_k, twice."""
        return SIGMAS / math.sqrt(2) * float(np.linalg.norm(weights * self.sigmas / self.steps))

    def shrinks(self, k: int, j: int) -> bool:
        """Whether the differences that entry (k, j) relies on fall as fast as smoothness demands, or are noise."""
        return all(
            self._falls(k, j, column, shrink)
            for column, shrink in ((0, FIRST_SHRINK), (1, SECOND_SHRINK))
            if j > column
        )

    def _falls(self, k: int, j: int, column: int, shrink: float) -> bool:
        rungs = range(max(k - j, column), k + 1)
        spread = [
            self.weights[i, column] - self.weights[i - 1, column] for i in rungs if (i - 1, column) in self.weights
        ]
        for before, after in pairwise(spread):
            noise = self.rounding_of(after)
            if size(after @ self.odd) > max(shrink * size(before @ self.odd), noise):
                return False
        return True

    def control_error(self, k: int, j: int) -> tuple[float, float]:
        """How far the even part is from its known limit, and how much of that is noise."""
        weights = self.weights[k, j]
        of_rungs = weights * self.sigmas
        noise = SIGMAS * math.sqrt(float(of_rungs @ of_rungs) / 2 + self.sigma**2)
        return size(weights @ self.even), noise

    def control_holds(self, k: int, j: int) -> bool:
        """Whether the even part is as near to its limit as its own last correction promises."""
        error, noise = self.control_error(k, j)
        return error <= max(noise, self.difference(k, j, self.even))

    def entry(self, k: int, j: int) -> Entry:
        weights = self.weights[k, j]
        vector = weights @ self.odd
        truncation = self.difference(k, j, self.odd)
        if j and (k - 1, j) in self.weights:
            truncation = max(truncation, size((weights - self.weights[k - 1, j]) @ self.odd) / 8)
        error, noise = self.control_error(k, j)
        step = float(self.steps[k])
        return Entry(
            value=float(vector.sum()),
            vector=vector,
            size=size(vector),
            rounding=self.rounding_of(weights),
            truncation=truncation,
            curvature=EVEN_FACTOR * max(0.0, error - noise) / step,
            step=step,
        )

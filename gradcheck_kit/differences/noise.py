"""How much of a function's value is rounding noise: measured, not assumed.

Fourth differences of six equally spaced, very close values annihilate every cubic, so what they leave is noise:
independent errors of standard deviation σ give a fourth difference of standard deviation σ·√70, since
1² + 4² + 6² + 4² + 1² = 70 (Moré & Wild 2011, "Estimating computational noise", SIAM J. Sci. Comput. 33, §3).
"""

import math
from dataclasses import dataclass

import numpy as np

from gradcheck_kit.space import FloatVector

SIGMAS = 5.0
"""How many standard deviations bound what noise can do."""

OFFSETS = (-2, -1, 0, 1, 2, 3)
"""The cluster x + j·δ·v, j in OFFSETS."""

FOURTH_DIFFERENCE = np.diff(np.eye(5), n=4, axis=0)[0]
"""The weights 1, −4, 6, −4, 1, derived: the fourth difference of the unit vectors."""

FEW_OUTPUTS = 8  # below this many outputs the estimate itself scatters, and is widened by FEW_FACTOR
FEW_FACTOR = 1.4


@dataclass(frozen=True)
class Noise:
    """The noise of Σᵢ uᵢ yᵢ: `sigma` as measured, and `floor`, what rounding the outputs alone must cause.

    `sigma` is the standard deviation of one evaluation, for the sum and for the vector (the larger of the two).
    """

    sigma: float
    floor: float

    @property
    def unexplained(self) -> float:
        """σ ÷ floor: 0.5–5 for ordinary code; above 300 rounding cannot be the reason (structure, randomness)."""
        return self.sigma / self.floor if self.floor > 0.0 else (math.inf if self.sigma > 0.0 else 1.0)


THIRD_DIFFERENCE = np.diff(np.eye(4), n=3, axis=0)[0]
"""The weights −1, 3, −3, 1 on one side of a kink, where fourth differences would see the kink itself."""


def beside_kink(cluster: list[FloatVector], floor: float) -> float:
    """σ from the values at 0 and on one side of it, at the offsets 0, 1, 2, 3."""
    difference = THIRD_DIFFERENCE @ np.stack(cluster[-len(THIRD_DIFFERENCE) :])
    weight = math.sqrt(float(THIRD_DIFFERENCE @ THIRD_DIFFERENCE))
    seen = max(float(np.linalg.norm(difference)), abs(float(difference.sum()))) / weight
    return max(floor, seen) * (FEW_FACTOR if len(difference) < FEW_OUTPUTS else 1.0)


def measure(cluster: list[FloatVector], floor: float) -> Noise:
    """The noise of the weighted outputs, from their values at OFFSETS.

    Args:
        cluster: six vectors, the weighted outputs u∘y(x + j·δ·v) for j in OFFSETS.
        floor: the noise that rounding each output to its format causes, a lower limit of the result.
    """
    values = np.stack(cluster)
    width = len(FOURTH_DIFFERENCE)
    differences = [FOURTH_DIFFERENCE @ values[j : j + width] for j in range(len(OFFSETS) - width + 1)]
    weight = float(FOURTH_DIFFERENCE @ FOURTH_DIFFERENCE) * len(differences)
    of_vector = math.sqrt(sum(float(d @ d) for d in differences) / weight)
    of_sum = math.sqrt(sum(float(d.sum()) ** 2 for d in differences) / weight)
    sigma = max(floor, of_vector, of_sum)
    return Noise(sigma * (FEW_FACTOR if values.shape[1] < FEW_OUTPUTS else 1.0), floor)

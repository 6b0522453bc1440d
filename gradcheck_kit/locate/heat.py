"""Where an input is wrong, as a map: one plain central difference for each block of it."""

import math
from itertools import pairwise

import numpy as np

from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.differences.noise import SIGMAS
from gradcheck_kit.illustration import HeatMap
from gradcheck_kit.locate.contributions import OfInput
from gradcheck_kit.space import FloatVector, norm

MOST_CELLS = 32
DIGITS = 6


def heat_map(strike: Measurement) -> HeatMap | None:
    """|backward − numerical derivative| of the one input that was measured; two evaluations for each of at most
    `MOST_CELLS` blocks. None for a single element, of which there is no map.
    """
    measured = OfInput(strike)
    size = math.prod(measured.shape)
    if size < 2:
        return None
    rows, columns = _edges(measured.shape)
    count = len(columns) - 1
    flat = _Blocks(strike, measured).values(rows, columns)
    cells = [tuple(value for value, _ in flat[i : i + count]) for i in range(0, len(flat), count)]
    least = max((error for _, error in flat), default=math.inf)
    return HeatMap(measured.shape, rows, columns, tuple(cells), rounded(least))


class _Blocks:
    """What a block contributes to the mismatch, by one central difference at the step that suits it best."""

    def __init__(self, strike: Measurement, measured: OfInput) -> None:
        self._round, self._measured, self._terms = strike.round, measured, measured.terms()
        self._scheme = strike.round.place.coarsest(strike.tangents)
        # Truncation h² and rounding u/h of a plain difference balance at the cube root of u.
        self._step = max(2.0 ** -round(self._scheme.form.digits / 3), self._scheme.snap_step)
        floor = strike.round.line(strike.tangents).rounding_floor(strike.round.place.outputs)
        self._rounding = SIGMAS * floor / (math.sqrt(2.0) * self._step)
        whole = strike.estimate.value - self._difference(np.ones(math.prod(measured.shape)))
        length = norm(measured.tangent(np.ones(math.prod(measured.shape)))) or math.nan
        self._doubt = (abs(whole) + strike.seen.comparison.bound) / length

    def values(self, rows: tuple[int, ...], columns: tuple[int, ...]) -> list[tuple[float | None, float]]:
        """For each block its root mean square mismatch, and how large that may be where nothing is wrong."""
        matrix = np.zeros((rows[-1], columns[-1]))
        found = []
        for top, bottom in pairwise(rows):
            for left, right in pairwise(columns):
                matrix[top:bottom, left:right] = 1.0
                found.append(self._value(matrix.reshape(-1)))
                matrix[top:bottom, left:right] = 0.0
        return found

    def _value(self, weights: FloatVector) -> tuple[float | None, float]:
        length = norm(self._measured.tangent(weights)) or math.nan
        mismatch = float(self._terms[weights > 0.0].sum()) - self._difference(weights)
        return rounded(abs(mismatch) / length), self._doubt + self._rounding / length

    def _difference(self, weights: FloatVector) -> float:
        """⟨u, J·(c∘v)⟩, NaN outside of the domain."""
        line = self._round.line({self._measured.name: self._measured.part(weights)})
        up, down = line.sample(self._step), line.sample(-self._step)
        return math.nan if up is None or down is None else float((up - down).sum()) / (2.0 * self._step)


def _edges(shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The blocks of the first axis and of all others together: few enough, and as square as the matrix allows."""
    height, width = (1, shape[0]) if len(shape) == 1 else (shape[0], math.prod(shape[1:]))
    down = min(height, max(math.isqrt(MOST_CELLS), MOST_CELLS // width))
    across = min(width, MOST_CELLS // down)
    return _parts(height, down), _parts(width, across)


def _parts(length: int, count: int) -> tuple[int, ...]:
    return tuple(length * i // count for i in range(count + 1))


def rounded(value: float) -> float | None:
    """To a few digits; None for what is not finite, which JSON has no name for."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None

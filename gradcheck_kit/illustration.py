"""Numbers to draw: what a check that did not pass has measured around its worst input, small and as plain values."""

from dataclasses import dataclass
from typing import Any

Values = tuple[float | None, ...]
"""None where the function is not finite, or not defined."""


@dataclass(frozen=True)
class Ladder:
    """Central differences D(h) of ⟨u, f⟩ along one tangent v over falling steps: the V-curve.

    Attributes:
        steps: h, relative to v, which is about as long as the input.
        differences: D(h), without extrapolation.
        analytic: ⟨g, v⟩, the backward's number.
        numeric, error: the extrapolated derivative, and the bound on its error; None where there is none.
    """

    steps: tuple[float, ...]
    differences: Values
    analytic: float | None
    numeric: float | None
    error: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "steps": list(self.steps),
            "differences": list(self.differences),
            "analytic": self.analytic,
            "numeric": self.numeric,
            "error": self.error,
        }


@dataclass(frozen=True)
class HeatMap:
    """|backward − numerical derivative| over an input, block by block.

    The input is seen as a matrix: its first axis by all others. A cell of one element is that element's difference; of
    more it is the mismatch along one random tangent of the block ÷ the tangent's norm, which estimates their root mean
    square.

    Attributes:
        shape: of the input.
        rows, columns: the edges of the blocks on the two axes of the matrix, from 0 to the length.
        cells: a row of values for each block of rows.
        least: smaller values are no more than rounding and truncation explain; None where that is not known.
    """

    shape: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    cells: tuple[Values, ...]
    least: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "shape": list(self.shape),
            "rows": list(self.rows),
            "columns": list(self.columns),
            "cells": [list(row) for row in self.cells],
            "least": self.least,
        }


@dataclass(frozen=True)
class Profile:
    """u·y along x + t·v around a kink or a jump at t = 0: of the output that bends most.

    Attributes:
        times: t.
        values: the change from t = 0.
        slope: what the backward says the change is per unit of t; None where it speaks of other outputs too.
    """

    times: tuple[float, ...]
    values: Values
    slope: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"times": list(self.times), "values": list(self.values), "slope": self.slope}


@dataclass(frozen=True)
class Illustration:
    """The pictures of one input whose gradient did not pass; None for one that has nothing to show."""

    input: str
    ladder: Ladder | None = None
    heat: HeatMap | None = None
    profile: Profile | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "input": self.input,
            "ladder": None if self.ladder is None else self.ladder.to_dict(),
            "heat": None if self.heat is None else self.heat.to_dict(),
            "profile": None if self.profile is None else self.profile.to_dict(),
        }

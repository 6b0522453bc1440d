"""What the pictures of two training runs show, whoever draws them: moving means, differences, how far the axes go."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradcheck_kit.side_by_side.parity_report import ParityReport, Vector
from gradcheck_kit.space import FORMATS

WINDOW = 100  # steps of the moving mean, at most
LONG = 3.0  # a loss that fell by less is drawn on a linear axis
SMALLEST, LARGEST = 1e-300, 1e300  # what a logarithmic axis has room for
EXPLAINED = "what rounding explains"
APART_LABEL = "|difference|, unit of the loss"
DRIFT_LABEL = "‖ΔW‖ ÷ ‖W‖ of all, no unit"

Steps = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LossCurves:
    """Both losses as they are drawn.

    Attributes:
        window: how many steps a point is the mean of.
        steps: the last step of each window, from 1.
        reference, candidate: the means; NaN where the window holds a loss that is not finite.
        log: whether they fell far enough for a logarithmic axis.
    """

    window: int
    steps: Steps
    reference: Vector
    candidate: Vector
    log: bool

    @property
    def label(self) -> str:
        """Of the axis."""
        return f"training loss, mean of {self.window} steps" if self.window > 1 else "training loss"


def loss_curves(report: ParityReport) -> LossCurves:
    """The moving means of both sides."""
    window = max(1, min(WINDOW, -(-len(report.losses) // 10)))
    kernel = np.full(window, 1 / window)
    finite = np.where(np.abs(report.losses) <= LARGEST, report.losses, np.nan)
    reference, candidate = (np.convolve(finite[:, i], kernel, mode="valid") for i in range(2))
    known = np.concatenate([reference, candidate])
    known = known[np.isfinite(known)]
    log = known.size > 0 and known.min() > 0 and known.max() > LONG * known.min()
    return LossCurves(window, np.arange(window, len(finite) + 1), reference, candidate, bool(log))


def none_at(values: Vector) -> str:
    """How many steps show nothing, where a logarithmic axis has no place for it."""
    return f"none at {int(np.sum(values == 0)):,} of {len(values):,} steps"


def not_drawn(values: Vector, what: str = "steps") -> str:
    """What goes on the name of a curve, where no axis has room for all of it; else nothing."""
    count = int(np.sum(~(np.abs(values) <= LARGEST)))
    return f"; {count:,} {what} too large or no number, not drawn" if count else ""


def drawn(values: Vector) -> Vector:
    """NaN for what a logarithmic axis has no place for: nothing, and what is not finite."""
    return np.where((values > 0) & (values <= LARGEST), values, np.nan)


def limits(dtype: str, explained: Vector, others: Sequence[Vector]) -> tuple[float, float]:
    """The ends of a logarithmic axis: room for the band, and for all that is drawn below and above it."""
    held = np.concatenate([drawn(values) for values in (explained, *others)])
    held = held[np.isfinite(held)]
    unit_roundoff = FORMATS[dtype].unit_roundoff
    least, most = (held.min(), held.max()) if held.size else (unit_roundoff, unit_roundoff)
    return max(min(unit_roundoff, float(least)) / 3, SMALLEST), min(3 * float(most), LARGEST)


def parted(report: ParityReport) -> tuple[int, str] | None:
    """The step at which the two first parted, and where; None if they never did."""
    first = report.divergence
    if first is None:
        return None
    return first.step, ", ".join(filter(None, (first.stage, first.tensor))) or first.what

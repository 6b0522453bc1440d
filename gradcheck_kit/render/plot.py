"""Pictures, with matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_kit.side_by_side.envelope import drift
from gradcheck_kit.side_by_side.training import ParityReport
from gradcheck_kit.space import FORMATS
from gradcheck_kit.subject import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_PER_INCH = 150
WINDOW = 100  # steps of the moving mean


def plot_parity(report: ParityReport, path: Path) -> None:
    """The two loss curves, and below them their difference at every step inside what rounding explains.

    Raises:
        UsageError: matplotlib is missing, or the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("a plot needs matplotlib: pip install 'gradcheck-kit[plot]'") from None
    figure = Figure(figsize=(8, 7), layout="constrained")
    FigureCanvasAgg(figure)  # no display, and no global state of pyplot's
    above, below = figure.subplots(2, 1, sharex=True)
    _losses(above, report)
    _difference(below, report)
    figure.suptitle(f"{report.name}, {report.dtype}: {report.verdict.value}")
    try:
        figure.savefig(path, dpi=DOTS_PER_INCH)
    except (OSError, ValueError) as problem:
        raise UsageError(f"cannot write {path}: {problem}") from None


def _losses(axes: "Axes", report: ParityReport) -> None:
    """Drawn so that they can be told apart in grey: one wide and light, one narrow, dark and dashed."""
    from matplotlib.ticker import ScalarFormatter

    window = min(WINDOW, len(report.losses))
    kernel = np.full(window, 1 / window)
    reference, candidate = (np.convolve(report.losses[:, i], kernel, mode="valid") for i in range(2))
    steps = np.arange(window, len(report.losses) + 1)
    axes.semilogy(steps, reference, color="0.75", linewidth=6, label=report.reference.name)
    axes.semilogy(steps, candidate, color="black", linewidth=1.2, linestyle="--", label=report.candidate.name)
    for axis_part in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        axis_part(ScalarFormatter())
    axes.set_ylabel(f"training loss (mean of {window} steps)")
    axes.legend()
    axes.grid(alpha=0.3, which="both")


def _difference(axes: "Axes", report: ParityReport) -> None:
    steps = np.arange(1, len(report.losses) + 1)
    apart = np.abs(report.losses[:, 0] - report.losses[:, 1])
    unit_roundoff = FORMATS[report.dtype].unit_roundoff
    explained = np.array([drift(unit_roundoff, int(step)) for step in steps]) * np.maximum(1.0, report.losses[:, 0])
    shown = apart > 0
    least = min(apart[shown].min(), unit_roundoff) / 3 if shown.any() else unit_roundoff / 3
    axes.fill_between(steps, least, explained, color="0.9", label="what rounding explains")
    axes.semilogy(steps[shown], apart[shown], ".", color="black", markersize=2, label="|difference of the losses|")
    if report.divergence is not None:
        first = report.divergence
        axes.axvline(first.step, color="black", linewidth=1, label=f"parted at step {first.step} in {first.what}")
    axes.set_ylabel("difference (same unit as the loss)")
    axes.set_xlabel(f"step ({int(np.sum(~shown))} of {len(steps)} steps do not differ at all)")
    axes.set_ylim(bottom=least)
    axes.legend(loc="upper center")
    axes.grid(alpha=0.3, which="both")

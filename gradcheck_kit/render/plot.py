"""Pictures, with matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradcheck_kit.side_by_side.parity_report import ParityReport, Vector
from gradcheck_kit.space import FORMATS
from gradcheck_kit.subject import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_PER_INCH = 150
WINDOW = 100  # steps of the moving mean
LONG = 3.0  # a loss that fell by less is drawn on a linear axis
# Lines that are told apart without colour: dark and less dark in turns, each with strokes of its own.
GREYS = ("0.0", "0.3", "0.5")
STROKES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (8, 2)), (0, (1, 3)), (0, (5, 1, 1, 1, 1, 1)))


def plot_parity(report: ParityReport, path: Path) -> None:
    """The two loss curves; their difference at every step, and every tensor's, inside what rounding explains.

    Raises:
        UsageError: matplotlib is missing, or the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("a plot needs matplotlib: pip install 'gradcheck-kit[plot]'") from None
    figure = Figure(figsize=(9, 11), layout="constrained")
    FigureCanvasAgg(figure)  # no display, and no global state of pyplot's
    axes = figure.subplots(3, 1, sharex=True)
    for draw, part in zip((_losses, _difference, _drift), axes, strict=True):
        draw(part, report)
        _divergence(part, report)
        part.grid(alpha=0.3, which="both")
        part.legend(fontsize="small", markerscale=3, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes[-1].set_xlabel("step")
    figure.suptitle(f"{report.name}\n{report.dtype}, {report.verdict.value}")
    try:
        figure.savefig(path, dpi=DOTS_PER_INCH)
    except (OSError, ValueError) as problem:
        raise UsageError(f"cannot write {path}: {problem}") from None


def _losses(axes: "Axes", report: ParityReport) -> None:
    """Drawn so that they can be told apart in grey: one wide and light, one narrow, dark and dashed."""
    from matplotlib.ticker import ScalarFormatter

    window = min(WINDOW, -(-len(report.losses) // 10))
    kernel = np.full(window, 1 / window)
    reference, candidate = (np.convolve(report.losses[:, i], kernel, mode="valid") for i in range(2))
    steps = np.arange(window, len(report.losses) + 1)
    axes.plot(steps, reference, color="0.75", linewidth=6, label=report.reference.name)
    axes.plot(steps, candidate, color="black", linewidth=1.2, linestyle="--", label=report.candidate.name)
    if np.nanmin(reference) > 0 and np.nanmax(reference) > LONG * np.nanmin(reference):
        axes.set_yscale("log")
        for axis_part in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            axis_part(ScalarFormatter())
    axes.set_ylabel(f"training loss, mean of {window} steps" if window > 1 else "training loss")


def _difference(axes: "Axes", report: ParityReport) -> None:
    """The absolute difference, in the unit of the loss; steps without any are counted, not drawn."""
    steps = np.arange(1, len(report.losses) + 1)
    with np.errstate(invalid="ignore"):  # of two infinite losses
        apart = np.abs(report.losses[:, 0] - report.losses[:, 1])
    equal = f"|difference|; none at\n{int(np.sum(apart == 0)):,} of {len(steps):,} steps"
    axes.semilogy(steps, _drawn(apart), ".", color="black", markersize=3, label=equal)
    _band(axes, steps, report.loss_allowed, [apart], report)
    axes.set_ylabel("|difference of the losses|, unit of the loss")


def _drift(axes: "Axes", report: ParityReport) -> None:
    """How far the parameters are apart, as a share of the norm of all together."""
    steps = np.arange(len(report.drift))
    axes.semilogy(steps, _drawn(report.drift), color="0.7", linewidth=6, label="all together")
    for number, (name, values) in enumerate(report.tensor_drift.items()):
        color, strokes = GREYS[number % len(GREYS)], STROKES[number % len(STROKES)]
        axes.semilogy(steps, _drawn(values), linewidth=1.4, label=name, color=color, linestyle=strokes)
    _band(axes, steps, report.allowed, [report.drift, *report.tensor_drift.values()], report)
    axes.set_ylabel("‖ΔW‖ of a tensor ÷ ‖W‖ of all, no unit")


def _band(axes: "Axes", steps: npt.NDArray[Any], explained: Vector, drawn: list[Vector], report: ParityReport) -> None:
    """What rounding explains, and room for all that is drawn below and above it."""
    held = np.concatenate([values[np.isfinite(values) & (values > 0)] for values in [explained, *drawn]])
    least = min(FORMATS[report.dtype].unit_roundoff, held.min()) / 3
    axes.fill_between(steps, least, explained, color="0.9", label="what rounding explains")
    axes.semilogy(steps, explained, color="0.5", linewidth=0.8)
    axes.set_ylim(least, 3 * held.max())


def _drawn(values: Vector) -> Vector:
    """A logarithmic axis has no place for nothing."""
    return np.where(values > 0, values, np.nan)


def _divergence(axes: "Axes", report: ParityReport) -> None:
    first = report.divergence
    if first is not None:
        place = ", ".join(filter(None, (first.stage, first.tensor))) or first.what
        told = f"parted at step {first.step}:\n{place}"
        axes.axvline(first.step, color="black", linewidth=2.2, linestyle=":", label=told)

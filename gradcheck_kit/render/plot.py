"""Pictures, with matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradcheck_kit.picture import empty_sheet, write
from gradcheck_kit.render import training_curves
from gradcheck_kit.render.training_curves import APART_LABEL, DRIFT_LABEL, EXPLAINED, drawn, limits
from gradcheck_kit.side_by_side.distance import losses_apart
from gradcheck_kit.side_by_side.parity_report import ParityReport, Vector

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Lines that are told apart without colour: dark and less dark in turns, each with strokes of its own.
GREYS = ("0.0", "0.3", "0.5")
STROKES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (8, 2)), (0, (1, 3)), (0, (5, 1, 1, 1, 1, 1)))


def plot_parity(report: ParityReport, path: Path) -> None:
    """The two loss curves; their difference at every step, and every tensor's, inside what rounding explains.

    Raises:
        UsageError: matplotlib is missing, or the file cannot be written.
    """
    figure = empty_sheet(9.0, 11.0)
    axes = figure.subplots(3, 1, sharex=True)
    for draw, part in zip((_losses, _difference, _drift), axes, strict=True):
        draw(part, report)
        _divergence(part, report)
        part.grid(alpha=0.3, which="both")
        part.legend(fontsize="small", markerscale=3, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes[-1].set_xlabel("step")
    figure.suptitle(f"{report.name}\n{report.digits}, {report.verdict.value}")
    write(figure, path)


def _losses(axes: "Axes", report: ParityReport) -> None:
    """Drawn so that they can be told apart in grey: one wide and light, one narrow, dark and dashed."""
    from matplotlib.ticker import ScalarFormatter

    curves = training_curves.loss_curves(report)
    axes.plot(curves.steps, curves.reference, color="0.75", linewidth=6, label=report.reference.name)
    axes.plot(curves.steps, curves.candidate, color="black", linewidth=1.2, linestyle="--", label=report.candidate.name)
    if curves.log:
        axes.set_yscale("log")
        for axis_part in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            axis_part(ScalarFormatter())
    axes.set_ylabel(curves.label)


def _difference(axes: "Axes", report: ParityReport) -> None:
    """The absolute difference, in the unit of the loss; steps without any are counted, not drawn."""
    steps = np.arange(1, len(report.losses) + 1)
    apart = losses_apart(report.losses)
    told = f"of the losses; {training_curves.none_at(apart)}{training_curves.not_drawn(apart)}".replace("; ", ";\n")
    axes.semilogy(steps, drawn(apart), ".", color="black", markersize=3, label=told)
    _band(axes, steps, report.loss_allowed, [apart], report)
    axes.set_ylabel(APART_LABEL)


def _drift(axes: "Axes", report: ParityReport) -> None:
    """How far the parameters are apart, as a share of the norm of all together."""
    steps = np.arange(len(report.drift))
    axes.semilogy(steps, drawn(report.drift), color="0.7", linewidth=6, label="all together")
    for number, (name, values) in enumerate(report.tensor_drift.items()):
        color, strokes = GREYS[number % len(GREYS)], STROKES[number % len(STROKES)]
        axes.semilogy(steps, drawn(values), linewidth=1.4, label=name, color=color, linestyle=strokes)
    _band(axes, steps, report.allowed, [report.drift, *report.tensor_drift.values()], report)
    axes.set_ylabel(DRIFT_LABEL)


def _band(axes: "Axes", steps: npt.NDArray[Any], explained: Vector, others: list[Vector], report: ParityReport) -> None:
    """What rounding explains, and room for all that is drawn below and above it."""
    least, most = limits(report.dtype, explained, others)
    axes.fill_between(steps, least, explained, color="0.9", label=EXPLAINED)
    axes.semilogy(steps, explained, color="0.5", linewidth=0.8)
    axes.set_ylim(least, most)


def _divergence(axes: "Axes", report: ParityReport) -> None:
    first = training_curves.parted(report)
    if first is not None:
        step, place = first
        axes.axvline(step, color="black", linewidth=2.2, linestyle=":", label=f"parted at step {step}:\n{place}")

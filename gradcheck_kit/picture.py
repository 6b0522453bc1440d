"""The figures of a report as a picture file, with matplotlib; they can be told apart in grey."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_kit.illustration import HeatMap, Illustration, Ladder, Profile
from gradcheck_kit.subject import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150
WIDTH, HEIGHT = 5.0, 3.8  # inches of one plot
DECADES = 1e-4  # of the largest: what is smaller has the lightest shade


def draw(figures: Sequence[Illustration], title: str, path: str | Path) -> None:
    """A row for each input, a plot for each thing to show of it.

    Raises:
        UsageError: there is nothing to draw, matplotlib is missing, or the file cannot be written.
    """
    if not figures:
        raise UsageError("there is nothing to draw: only a derivative that is wrong or undecided has figures")
    columns = max(len(_parts(figure)) for figure in figures)
    sheet = empty_sheet(WIDTH * columns, HEIGHT * len(figures))
    grid = sheet.subplots(len(figures), columns, squeeze=False)
    for figure, row in zip(figures, grid, strict=True):
        _row(sheet, row, figure)
    sheet.suptitle(title, parse_math=False)
    write(sheet, path)


def empty_sheet(width: float, height: float) -> "Figure":
    """A sheet to draw on, in inches, with no display and no global state of pyplot's.

    Raises:
        UsageError: matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("a plot needs matplotlib: pip install 'gradcheck-kit[plot]'") from None
    sheet = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(sheet)
    return sheet


def write(sheet: "Figure", path: str | Path) -> None:
    """As the suffix of the path says.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        sheet.savefig(path, dpi=DOTS_PER_INCH)
    except (OSError, ValueError) as problem:
        raise UsageError(f"cannot write {path}: {problem}") from None


def _parts(figure: Illustration) -> list[HeatMap | Ladder | Profile]:
    return [part for part in (figure.heat, figure.ladder, figure.profile) if part is not None]


def _row(sheet: "Figure", row: Sequence["Axes"], figure: Illustration) -> None:
    for axes in row[len(_parts(figure)) :]:
        axes.remove()
    for axes, part in zip(row, _parts(figure), strict=False):
        if isinstance(part, HeatMap):
            _heat_map(sheet, axes, figure.input, part)
        elif isinstance(part, Ladder):
            _ladder(axes, figure.input, part)
        else:
            _profile(axes, figure.input, part)


def _heat_map(sheet: "Figure", axes: "Axes", name: str, held: HeatMap) -> None:
    """What rounding explains is left white; what is not finite has a question mark."""
    from matplotlib.colors import LogNorm

    cells = _numbers([value for row in held.cells for value in row]).reshape(len(held.cells), -1)
    high = max(float(np.nanmax(cells, initial=0.0)), np.finfo(np.float64).tiny)
    low = max(held.least or 0.0, DECADES * high)
    shown = np.ma.masked_invalid(np.where(cells > (held.least or 0.0), np.maximum(cells, low), np.nan))
    norm = LogNorm(min(low, high / 10), high)
    mesh = axes.pcolormesh(held.columns, held.rows, shown, cmap="Blues", norm=norm, edgecolors="0.6", linewidth=0.5)
    for i, j in np.argwhere(np.isnan(cells)):
        across, down = (sum(edges[k : k + 2]) / 2 for edges, k in ((held.columns, j), (held.rows, i)))
        axes.text(across, down, "?", ha="center", va="center")
    axes.invert_yaxis()
    axes.set_xlabel(f"axis {'0' if len(held.shape) < 2 else '1' if len(held.shape) == 2 else '1 and more, flattened'}")
    axes.set_ylabel("axis 0" if len(held.shape) > 1 else "")
    axes.set_title(f"wrong elements of {name}", parse_math=False)
    sheet.colorbar(mesh, ax=axes, label="|backward − numerical derivative|")


def _ladder(axes: "Axes", name: str, held: Ladder) -> None:
    """|D(h) − derivative|; the differences themselves where there is no derivative."""
    differences = _numbers(held.differences)
    if held.numeric is None:
        axes.semilogx(held.steps, differences, "ko-", markersize=4, linewidth=0.8, label="D(h)")
        levels = [(held.analytic, "0.7", 5.0, "-", "backward")]
    else:
        apart = np.abs(differences - held.numeric)
        seen = apart > 0.0
        axes.loglog(np.array(held.steps)[seen], apart[seen], "ko-", markersize=4, linewidth=0.8, label="D(h)")
        mismatch = None if held.analytic is None else abs(held.analytic - held.numeric)
        levels = [(mismatch, "0.7", 5.0, "-", "backward"), (held.error, "0", 1.2, "--", "error bound")]
    for level, color, width, style, label in levels:
        if level is not None and (level > 0.0 or held.numeric is None):
            axes.axhline(level, color=color, linewidth=width, linestyle=style, label=label, zorder=0)
    axes.set_xlabel("step h, relative to the input")
    axes.set_ylabel("D(h)" if held.numeric is None else "distance from the derivative")
    axes.set_title(f"differences along {name}", parse_math=False)
    axes.legend()
    axes.grid(alpha=0.3)


def _profile(axes: "Axes", name: str, held: Profile) -> None:
    axes.plot(held.times, _numbers(held.values), "ko", markersize=4, label="y(x + t·v) − y(x)")
    if held.slope is not None:
        axes.plot(held.times, held.slope * np.array(held.times), color="0.7", linewidth=5.0, label="backward", zorder=0)
    axes.axvline(0.0, color="0", linewidth=1.0, linestyle="--", label="the point")
    axes.set_xlabel("t, relative to the input")
    axes.set_ylabel("change")
    axes.set_title(f"kink along {name}", parse_math=False)
    axes.legend()
    axes.grid(alpha=0.3)


def _numbers(values: Sequence[float | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values])

"""A curve of many steps with few points, from which no excursion is lost.

The steps are put into bins; of each the smallest and the largest value are kept at their own steps, so a single step
that leaves its neighbours is drawn where it is, as high as it is.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gradcheck_kit.side_by_side.parity_report import Vector

BINS = 300  # about one for each pixel of a picture's width

Places = npt.NDArray[np.int64]


def bins(count: int) -> Iterator[slice]:
    """So many places in at most `BINS` slices of nearly equal length."""
    edges = np.linspace(0, count, min(count, BINS) + 1).round().astype(int)
    return (slice(int(start), int(end)) for start, end in pairwise(edges))


def kept(values: Vector, always: Iterable[int] = ()) -> Places:
    """The places that are drawn, in order.

    Args:
        values: NaN where there is nothing to draw.
        always: places that are kept if there is something to draw.
    """
    known = np.flatnonzero(~np.isnan(values))
    if known.size <= 2 * BINS:
        return known
    chosen = {int(known[0]), int(known[-1]), *(i for i in always if 0 <= i < len(values) and not np.isnan(values[i]))}
    for part in bins(len(values)):
        held = values[part]
        if not np.isnan(held).all():
            chosen |= {part.start + int(np.nanargmin(held)), part.start + int(np.nanargmax(held))}
    return np.array(sorted(chosen))


def runs(values: Vector, always: Iterable[int] = ()) -> list[Places]:
    """The same, apart where there is nothing to draw between two of them."""
    places = kept(values, always)
    gaps = np.cumsum(np.isnan(values))[places]
    return [run for run in np.split(places, np.flatnonzero(np.diff(gaps)) + 1) if run.size]


def spans(values: Vector, chosen: npt.NDArray[np.bool_]) -> list[tuple[int, float, float]]:
    """Of the chosen steps of each bin: the place of the largest value, it, and the smallest."""
    found = []
    for part in bins(len(values)):
        held = np.where(chosen[part], values[part], np.nan)
        if not np.isnan(held).all():
            found.append((part.start + int(np.nanargmax(held)), float(np.nanmax(held)), float(np.nanmin(held))))
    return found

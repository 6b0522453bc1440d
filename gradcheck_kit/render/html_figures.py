"""The pictures of a report as inline SVG, from its JSON: heat map, V-curve, kink, training curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradcheck_kit.render import svg
from gradcheck_kit.render.svg import Point, text

LETTER = 7.0  # of a label, in pixels: about
CELL, WIDEST = 34.0, 300.0
LEGEND = 4
FAINTEST = 0.08
DECADES = 1e-4  # of the largest: what is smaller has the faintest shade


def figures_of(figure: Mapping[str, Any]) -> list[str]:
    """The `<figure>`s of one input, of `Illustration.to_dict()`."""
    name, found = figure["input"], []
    if figure["heat"] is not None:
        found.append(_figure(heat_map(name, figure["heat"]), _heat_words(name, figure["heat"])))
    if figure["ladder"] is not None:
        found.append(_figure(ladder(name, figure["ladder"]), LADDER_WORDS))
    if figure["profile"] is not None:
        found.append(_figure(profile(name, figure["profile"]), PROFILE_WORDS))
    return found


def _figure(picture: str, words: str) -> str:
    return f"<figure>{picture}<figcaption>{text(words)}</figcaption></figure>"


LADDER_WORDS = (
    "The ladder of central differences D(h). Large steps err by truncation, small ones by rounding: a V. The dashed "
    "line is the error bound of the extrapolated derivative; the wide one is how far the backward is from it."
)
PROFILE_WORDS = (
    "The function beside the point, at t = 0: a corner there is a kink, a step a jump. A wide line is what the "
    "backward says."
)


def ladder(name: str, held: Mapping[str, Any]) -> str:
    """|D(h) − derivative| over h, both logarithmic, beside the error bound and the backward's distance."""
    numeric = held["numeric"]
    known = [(h, d) for h, d in zip(held["steps"], held["differences"], strict=True) if d is not None]
    if numeric is None or not known:
        return _raw_ladder(name, held, known)
    apart = [(h, abs(d - numeric)) for h, d in known]
    mismatch = None if held["analytic"] is None else abs(held["analytic"] - numeric)
    sizes = [size for _, size in apart] + [v for v in (mismatch, held["error"]) if v is not None]
    positive = [size for size in sizes if size > 0.0] or [1.0]
    x, y = svg.across(held["steps"], log=True), svg.up(positive, log=True)
    points = [(x.at(h), y.at(size)) for h, size in apart if size > 0.0]
    marks, entries = [svg.line(points, "thin"), svg.dots(points)], [("dot", "D(h)")]
    if mismatch is not None:
        marks.append(_level(x, y.at(mismatch), "wide"))
        entries.append(("wide", "backward"))
    if held["error"] is not None:
        marks.append(_level(x, y.at(held["error"]), "dashed"))
        entries.append(("dashed", "bound"))
    exact = f"; {len(apart) - len(points)} of {len(apart)} exact" if len(points) < len(apart) else ""
    title, x_label = f"V-curve of the differences along {name}", f"step h, relative to the input{exact}"
    return svg.plot(title, x, y, x_label, "distance from the derivative", [*marks, *svg.key(entries)])


def _raw_ladder(name: str, held: Mapping[str, Any], known: Sequence[Point]) -> str:
    """The differences as they are, where none could be extrapolated."""
    values = [d for _, d in known] + ([] if held["analytic"] is None else [held["analytic"]])
    x, y = svg.across(held["steps"], log=True), svg.up(values or [0.0])
    points = [(x.at(h), y.at(d)) for h, d in known]
    marks, entries = [svg.line(points, "thin"), svg.dots(points)], [("dot", "D(h)")]
    if held["analytic"] is not None:
        marks.append(_level(x, y.at(held["analytic"]), "wide"))
        entries.append(("wide", "backward"))
    title = f"differences along {name}"
    return svg.plot(title, x, y, "step h, relative to the input", "D(h)", [*marks, *svg.key(entries)])


def _level(x: svg.Scale, at: float, kind: str) -> str:
    return svg.line([(x.start, at), (x.end, at)], kind)


def profile(name: str, held: Mapping[str, Any]) -> str:
    """The function along the probe, near the point."""
    known = [(t, v) for t, v in zip(held["times"], held["values"], strict=True) if v is not None]
    ends = [] if held["slope"] is None else [(t, held["slope"] * t) for t in (held["times"][0], held["times"][-1])]
    x, y = svg.across(held["times"]), svg.up([v for _, v in (*known, *ends)] or [0.0])
    marks = [svg.line([(x.at(0.0), y.start), (x.at(0.0), y.end)], "dashed")]
    marks += [svg.dots([(x.at(t), y.at(v)) for t, v in known])]
    entries = [("dot", "y(x + t·v) − y(x)")]
    if ends:
        marks.append(svg.line([(x.at(t), y.at(v)) for t, v in ends], "wide"))
        entries.append(("wide", "backward"))
    title = f"kink along {name}"
    return svg.plot(title, x, y, "t, relative to the input", "change", [*marks, *svg.key(entries)])


def heat_map(name: str, held: Mapping[str, Any]) -> str:
    """The input as a matrix of blocks: the darker, the more they are wrong; empty where no more than rounding."""
    rows, columns, cells = held["rows"], held["columns"], held["cells"]
    high = max((v for row in cells for v in row if v is not None), default=0.0)
    size = min(CELL, WIDEST / (len(columns) - 1))
    marks = []
    for i, row in enumerate(cells):
        for j, value in enumerate(row):
            place = f"{_span(rows, i)}, {_span(columns, j)}" if len(held["shape"]) > 1 else _span(columns, j)
            at = svg.LEFT + j * size, svg.TOP + i * size
            marks.append(_cell(at, size, shade(value, held["least"], high), f"{name}[{place}]: {_told(value)}"))
    bottom, right = svg.TOP + len(cells) * size, svg.LEFT + (len(columns) - 1) * size
    marks += [
        f'<text x="{svg.LEFT}" y="{bottom + 16:.0f}">0</text>',
        f'<text x="{right:.0f}" y="{bottom + 16:.0f}" text-anchor="end">{columns[-1] - 1}</text>',
        _axis_name(_axes(held["shape"]), right, bottom + 16, len(str(columns[-1] - 1))),
    ]
    if len(held["shape"]) > 1:
        marks += [f'<text x="{svg.LEFT - 6}" y="{svg.TOP + 12}" text-anchor="end">0</text>']
        marks += [f'<text x="{svg.LEFT - 6}" y="{bottom - 2:.0f}" text-anchor="end">{rows[-1] - 1}</text>']
        marks += [f'<text x="{svg.LEFT - 6}" y="{svg.TOP - 8}" text-anchor="end">axis 0</text>']
    marks += _legend(bottom + 34, held["least"], high)
    return svg.picture(f"wrong elements of {name}", svg.WIDTH, bottom + 84, marks)


def _axis_name(words: str, right: float, y: float, digits: int) -> str:
    """Between the first and the last index; beside the last where there is no room between them."""
    if right - svg.LEFT > LETTER * (len(words) + digits + 5):
        return f'<text x="{(svg.LEFT + right) / 2:.0f}" y="{y:.0f}" text-anchor="middle">{text(words)}</text>'
    return f'<text x="{right + LETTER:.0f}" y="{y:.0f}">{text(words)}</text>'


def shade(value: float | None, least: float | None, high: float) -> float | None:
    """0 for what rounding explains, up to 1 for the largest, on a logarithmic scale; None where nothing is known."""
    if value is None:
        return None
    if value == 0.0 or (least is not None and value <= least):
        return 0.0
    low = _lowest(least, high)
    if high <= low or value <= low:
        return FAINTEST
    return FAINTEST + (1.0 - FAINTEST) * math.log(value / low) / math.log(high / low)


def _cell(at: Point, size: float, dark: float | None, told: str) -> str:
    kind = "unknown" if dark is None else "cell"
    shape = f'x="{at[0]:.1f}" y="{at[1]:.1f}" width="{size:.1f}" height="{size:.1f}"'
    filled = f'<rect class="{kind}" {shape} fill-opacity="{0.0 if dark is None else dark:.2f}">'
    return f"{filled}<title>{text(told)}</title></rect>"


def _legend(top: float, least: float | None, high: float) -> list[str]:
    """The shades from the least that can be seen to the largest."""
    if high <= 0.0:
        return []
    low = _lowest(least, high)
    values = [low * (high / low) ** (k / (LEGEND - 1)) for k in range(LEGEND)] if high > low else [high]
    entries = [
        (0.0, "none" if least is None else f"≤ {least:.0e}"),
        *((shade(v, least, high), f"{v:.0e}") for v in values),
    ]
    parts = []
    for k, (dark, label) in enumerate(entries):
        at = 6.0 + 72.0 * k + (12.0 if k else 0.0)
        parts.append(_cell((at, top), 16, dark, label))
        parts.append(f'<text x="{at + 21:.0f}" y="{top + 13:.0f}">{text(label)}</text>')
    parts.append(f'<text x="6" y="{top + 36:.0f}">|backward − numerical derivative|</text>')
    return parts


def _lowest(least: float | None, high: float) -> float:
    """What the shades begin at."""
    return max(least or 0.0, high * DECADES)


def _span(edges: Sequence[int], i: int) -> str:
    """A block's indices on an axis."""
    return str(edges[i]) if edges[i + 1] == edges[i] + 1 else f"{edges[i]}:{edges[i + 1]}"


def _told(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3g}"


def _axes(shape: Sequence[int]) -> str:
    if len(shape) < 2:
        return "axis 0"
    return "axis 1" if len(shape) == 2 else f"axes 1 to {len(shape) - 1}, flattened"


def _heat_words(name: str, held: Mapping[str, Any]) -> str:
    single = len(held["rows"]) == max(held["rows"]) + 1 and len(held["columns"]) == max(held["columns"]) + 1
    what = "each cell an element" if single else "each cell the root mean square of a block of elements, estimated"
    empty = "" if held["least"] is None else f"; empty: no more than rounding explains ({held['least']:.0e})"
    return f"Where {name}, of shape {tuple(held['shape'])}, is wrong: {what}{empty}."


def curves(title: str, sides: Sequence[tuple[str, Sequence[float]]], y_label: str, log: bool) -> str:
    """A quantity per epoch on both sides: the reference wide and light, the candidate thin and dashed upon it."""
    values = [value for _, side in sides for value in side]
    x = replace(svg.across([0.0, float(max(len(side) for _, side in sides))]), whole=True)
    y = svg.up(values, log=log and min(values) > 0.0)
    drawn = []
    for kind, (_, side) in zip(("wide", "dashed"), sides, strict=True):
        points = [(x.at(float(epoch)), y.at(value)) for epoch, value in enumerate(side, 1)]
        drawn += [svg.line(points, kind), *([svg.dots(points)] if kind == "dashed" else [])]
    entries = [(kind, name) for kind, (name, _) in zip(("wide", "dashed"), sides, strict=True)]
    return svg.plot(title, x, y, "epoch", y_label, [*drawn, *svg.key(entries)])

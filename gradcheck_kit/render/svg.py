"""Axes, lines and points as inline SVG: text in, no decisions about what is drawn."""

import html
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 380, 270
LEFT, RIGHT, TOP, BOTTOM = 70, 12, 32, 48
TICKS = 5
MOST_DECADES = 5  # that each have their own tick
AREAS, SPANS = ("band", "between"), ("inside-law", "outside-law")  # classes that are no lines

Point = tuple[float, float]


def text(value: object) -> str:
    """A value as the text of HTML or XML: markup escaped, control characters, which XML has none of, replaced."""
    kept = (c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") else "\ufffd" for c in str(value))
    return html.escape("".join(kept))


@dataclass(frozen=True)
class Scale:
    """An axis of `low` to `high`, drawn from `start` to `end`: linear, logarithmic, or of whole numbers."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False

    def at(self, value: float) -> float:
        """Where a value is drawn; beyond the ends of the axis at its end."""
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, max(value, self.low)))
        share = (min(value, high) - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        """Values and labels: powers of ten, or round numbers."""
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            if last - first <= 2:
                values = [nice * 10.0**k for k in range(first - 1, last + 1) for nice in (1, 2, 5)]
                return [(v, f"{v:.3g}") for v in values if self.low <= v * (1 + 1e-9) and v <= self.high * (1 + 1e-9)]
            every = max(1, math.ceil((last - first) / MOST_DECADES))
            return [(10.0**k, f"1e{k:+d}" if k else "1") for k in range(first, last + 1, every)]
        step = max(_round_step((self.high - self.low) / TICKS), 1.0 if self.whole else 0.0)
        count = math.floor(self.high / step + 1e-9) - math.ceil(self.low / step - 1e-9)
        values = [step * (math.ceil(self.low / step - 1e-9) + i) for i in range(count + 1)]
        return [(value, f"{value:,.0f}" if self.whole else f"{value + 0.0:.4g}") for value in values]


def linear(values: Sequence[float], start: float, end: float) -> Scale:
    """An axis on which all values find room, with a little beside them."""
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return Scale(low - margin, high + margin, start, end)


def logarithmic(values: Sequence[float], start: float, end: float) -> Scale:
    """Whole powers of ten around the values, which are positive."""
    low, high = (math.log10(v) for v in (min(values), max(values)))
    first, last = math.floor(low), math.ceil(high)
    return Scale(10.0**first, 10.0 ** max(last, first + 1), start, end, log=True)


def across(values: Sequence[float], log: bool = False) -> Scale:
    """The x axis of a plot."""
    return (logarithmic if log else linear)(values, LEFT, WIDTH - RIGHT)


def up(values: Sequence[float], log: bool = False) -> Scale:
    """The y axis of a plot."""
    return (logarithmic if log else linear)(values, HEIGHT - BOTTOM, TOP)


def plot(title: str, x: Scale, y: Scale, x_label: str, y_label: str, marks: Sequence[str]) -> str:
    """A whole picture: grid, labelled axes, and what is drawn on them."""
    bottom, right, middle = HEIGHT - BOTTOM, WIDTH - RIGHT, (TOP + HEIGHT - BOTTOM) / 2
    parts = [f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}"/>']
    for value, label in x.ticks():
        at = x.at(value)
        parts.append(f'<line class="grid" x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{bottom}"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{text(label)}</text>')
    for value, label in y.ticks():
        at = y.at(value)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{text(label)}</text>')
    parts.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{text(x_label)}</text>')
    turned = f'transform="rotate(-90 14 {middle})" text-anchor="middle"'
    parts.append(f'<text x="14" y="{middle}" {turned}>{text(y_label)}</text>')
    return picture(title, WIDTH, HEIGHT, [*parts, *marks])


def picture(title: str, width: float, height: float, marks: Sequence[str]) -> str:
    """Marks on a sheet that is as wide as its place allows."""
    head = f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{text(title)}">'
    return f"{head}<title>{text(title)}</title>{''.join(marks)}</svg>"


def line(points: Sequence[Point], kind: str) -> str:
    """A line through the points; `kind` is its class: "wide", "thin", "dashed" or "dotted"."""
    return f'<polyline class="{kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def curve(runs: Sequence[Sequence[Point]], kind: str) -> str:
    """A line that is broken between runs; a run of a single point is a short stroke."""
    drawn = "".join(f"M{_joined(run)}" if len(run) > 1 else _short(run[0]) for run in runs if run)
    return f'<path class="{kind}" d="{drawn}"/>' if drawn else ""


def area(over: Sequence[Point], under: Sequence[Point], kind: str) -> str:
    """What lies between two lines."""
    return f'<path class="{kind}" d="M{_joined([*over, *reversed(under)])}Z"/>'


def bars(spans: Sequence[tuple[float, float, float]], kind: str) -> str:
    """Upright strokes, each at x from y to another y; with round ends, so that one without length is a dot."""
    drawn = "".join(f"M{x:.1f},{y:.1f}V{end:.1f}" for x, y, end in spans)
    return f'<path class="{kind}" d="{drawn}"/>' if drawn else ""


def sample(kind: str) -> str:
    """A piece of a line or of an area, for a key beside the picture."""
    shape = "M1,2H29V12H1Z" if kind in AREAS else "M8,7v0M15,7v0M22,7v0" if kind in SPANS else "M1,7H29"
    return f'<svg class="sample" viewBox="0 0 30 14" aria-hidden="true"><path class="{kind}" d="{shape}"/></svg>'


def _joined(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _short(point: Point) -> str:
    return f"M{point[0] - 2:.1f},{point[1]:.1f}h4"


def dots(points: Sequence[Point]) -> str:
    """A dot at each point."""
    return "".join(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in points)


def key(entries: Sequence[tuple[str, str]]) -> list[str]:
    """What the lines are, in a row above the plot: (class of the line or "dot", name)."""
    parts, at = [], float(LEFT)
    for kind, name in entries:
        middle = at + 10
        sample = dots([(middle, 14)]) if kind == "dot" else line([(at, 14), (at + 20, 14)], kind)
        parts += [sample, f'<text x="{at + 25:.0f}" y="18">{text(name)}</text>']
        at += 40 + 7.0 * len(name)
    return parts


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * nice for nice in (1, 2, 5, 10) if power * nice >= step * 0.999)

"""Two training runs as inline SVG: both losses, their difference, and every tensor's drift, inside rounding's law."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradcheck_kit.render import svg, thinning, training_curves
from gradcheck_kit.render.svg import Point, Scale, text
from gradcheck_kit.render.training_curves import APART_LABEL, DRIFT_LABEL, EXPLAINED, drawn, limits, none_at, not_drawn
from gradcheck_kit.side_by_side.distance import losses_apart
from gradcheck_kit.side_by_side.parity_report import ParityReport, Vector

MOST_LINES = 12  # tensors that each have a line of their own
STROKES, SHADES = 7, 3  # of which the style sheet has so many; a line has one of each
FLAT = 1e-3  # a loss that moves by a smaller share has no digits for the labels of an axis
LABEL_ROOM = 80.0  # what a label needs beside the line that it stands at

Key = list[tuple[str, str]]


def figures(report: ParityReport) -> list[str]:
    """The three `<figure>`s."""
    return [_losses(report), _difference(report), _drift(report)]


def _losses(report: ParityReport) -> str:
    """The reference wide and light, the candidate thin and dashed upon it."""
    curves = training_curves.loss_curves(report)
    x, y = _steps(report), _loss_axis([curves.reference, curves.candidate], curves.log)
    marks, key = [], []
    for kind, side, means in (
        ("wide", report.reference, curves.reference),
        ("dashed", report.candidate, curves.candidate),
    ):
        marks.append(_line(x, y, curves.steps, means, kind, report))
        key.append((kind, f"{side.name}{not_drawn(means, 'means')}"))
    return _figure(
        report,
        "Training loss",
        x,
        y,
        curves.label,
        marks,
        key,
        "The reference wide and light, the candidate dashed upon it.",
    )


def _difference(report: ParityReport) -> str:
    """Steps inside the law and outside of it are drawn apart, so that one step outside is seen among thousands."""
    apart, allowed = losses_apart(report.losses), report.loss_allowed
    steps, shown = np.arange(1, len(apart) + 1), drawn(apart)
    x, y = _steps(report), _logarithmic(limits(report.dtype, allowed, [apart]))
    outside = ~(apart <= allowed)  # NaN too, which is not drawn but counted
    marks, key = _band(x, y, steps, allowed), [("band", EXPLAINED)]
    for kind, chosen in (("inside-law", ~outside), ("outside-law", outside)):
        found = [(x.at(float(steps[i])), y.at(high), y.at(low)) for i, high, low in thinning.spans(shown, chosen)]
        marks.append(svg.bars(found, kind))
    key.append(("inside-law", f"|difference|; {none_at(apart)}{not_drawn(apart)}"))
    if outside.any():
        key.append(("outside-law", f"outside at {int(outside.sum()):,} of {len(apart):,} steps"))
    each = math.ceil(len(apart) / thinning.BINS)
    words = "A point is a step" if each == 1 else f"A stroke spans the differences of {each} steps or fewer"
    return _figure(report, "Difference of the losses", x, y, APART_LABEL, marks, key, f"{words}.")


def _drift(report: ParityReport) -> str:
    """How far the parameters are apart, together and by tensor."""
    every = report.tensor_drift
    steps = np.arange(len(report.drift))
    x, y = _steps(report), _logarithmic(limits(report.dtype, report.allowed, [report.drift, *every.values()]))
    marks, key = _band(x, y, steps, report.allowed), [("band", EXPLAINED)]
    named = furthest(every)[:MOST_LINES]
    others = [values for name, values in every.items() if name not in named]
    if others:
        marks.append(_between(x, y, others))
        key.append(("between", f"the other {len(others)} tensors, from the least to the most"))
    marks.append(_line(x, y, steps, drawn(report.drift), "wide", report))
    key.append(("wide", f"all together; {none_at(report.drift)}{not_drawn(report.drift)}"))
    for number, name in enumerate(name for name in every if name in named):
        kind = f"strokes{number % STROKES} shade{number % SHADES}"
        marks.append(_line(x, y, steps, drawn(every[name]), kind, report))
        key.append((kind, name))
    words = "How far the parameters are apart after each step, as a share of the norm of all together."
    return _figure(report, "Drift of the parameters", x, y, DRIFT_LABEL, marks, key, words)


def furthest(tensors: Mapping[str, Vector]) -> list[str]:
    """The names of the tensors, the one that is furthest apart first; one that is not finite before all."""
    return sorted(tensors, key=lambda name: -np.nan_to_num(np.max(tensors[name]), nan=np.inf))


# ---------------------------------------------------------------- axes


def _steps(report: ParityReport) -> Scale:
    return replace(svg.across([0.0, float(max(len(report.losses), 1))]), whole=True)


def _loss_axis(curves: Sequence[Vector], log: bool) -> Scale:
    known = np.concatenate(curves)
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if log:
        return _logarithmic((low / 1.1, high * 1.1))
    return svg.up([low, high] if high - low > FLAT * abs(high) else [low - abs(low) / 10, high + abs(high) / 10])


def _logarithmic(ends: tuple[float, float]) -> Scale:
    """No further than the ends, which need not be powers of ten."""
    return replace(svg.up([1.0, 10.0], log=True), low=ends[0], high=ends[1])


# ---------------------------------------------------------------- marks


def _line(x: Scale, y: Scale, steps: training_curves.Steps, values: Vector, kind: str, report: ParityReport) -> str:
    first = report.divergence
    always = [] if first is None or not len(steps) else [first.step - int(steps[0])]
    runs = thinning.runs(values, always)
    return svg.curve([[(x.at(float(steps[i])), y.at(float(values[i]))) for i in run] for run in runs], kind)


def _band(x: Scale, y: Scale, steps: training_curves.Steps, allowed: Vector) -> list[str]:
    """What rounding explains, from the axis up; each step half a step wide to both sides."""
    shown, parts = drawn(allowed), []
    for run in thinning.runs(shown):
        over: list[Point] = [(x.at(float(steps[i])), y.at(float(shown[i]))) for i in run]
        ends = x.at(float(steps[run[0]]) - 0.5), x.at(float(steps[run[-1]]) + 0.5)
        over = [(ends[0], over[0][1]), *over, (ends[1], over[-1][1])]
        parts += [svg.area(over, [(ends[0], y.start), (ends[1], y.start)], "band"), svg.curve([over], "edge")]
    return parts


def _between(x: Scale, y: Scale, tensors: Sequence[Vector]) -> str:
    """From the least to the most of several, in each bin of steps."""
    shown = np.array([drawn(values) for values in tensors])
    over, under = [], []
    for part in thinning.bins(shown.shape[1]):
        held = shown[:, part]
        if not np.isnan(held).all():
            at = x.at((part.start + part.stop - 1) / 2)
            over.append((at, y.at(float(np.nanmax(held)))))
            under.append((at, y.at(float(np.nanmin(held)))))
    return svg.area(over, under, "between") if over else ""


def _parted(x: Scale, y: Scale, step: int) -> tuple[str, str]:
    """An upright line at the step, and its number beside it on the side that has room."""
    at = x.at(float(step))
    left = at + LABEL_ROOM > x.end
    place = f'x="{at - 6 if left else at + 6:.1f}" y="{y.end + 14:.1f}" text-anchor="{"end" if left else "start"}"'
    return svg.curve([[(at, y.start), (at, y.end)]], "parted"), f'<text class="at" {place}>step {step:,}</text>'


# ---------------------------------------------------------------- the whole


def _figure(
    report: ParityReport, title: str, x: Scale, y: Scale, label: str, marks: list[str], key: Key, words: str
) -> str:
    """A picture, its key below it, and the step at which the two parted in both."""
    first = training_curves.parted(report)
    if first is not None:
        below, above = _parted(x, y, first[0])
        marks, key = [below, *marks, above], [*key, ("parted", f"parted at step {first[0]:,}: {first[1]}")]
    entries = "".join(f"<li>{svg.sample(kind)}<span>{text(name)}</span></li>" for kind, name in key)
    picture = svg.plot(title, x, y, "step", label, marks)
    caption = f"<figcaption>{text(words)}</figcaption>"
    return f'<figure><h3>{text(title)}</h3>{picture}<ul class="key">{entries}</ul>{caption}</figure>'

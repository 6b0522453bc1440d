"""The page of two training runs: the verdict in words, three pictures inside the law, and all the facts."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.render import svg, thinning, training_curves
from gradcheck_kit.render.html_parity import MOST_DECISIONS, page
from gradcheck_kit.render.html_style import STYLE
from gradcheck_kit.render.parity_figures import MOST_LINES, SHADES, STROKES
from gradcheck_kit.side_by_side.parity_report import Divergence, ParityReport, SideReport
from gradcheck_kit.side_by_side.replay import Decision
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.verdict import Verdict
from tests.browser import Page
from tests.edges import parity_pair
from tests.pages import (
    ATTRIBUTE,
    EVIL,
    expect_a_picture,
    expect_no_markup,
    expect_nothing_loaded,
    needs_browser,
    opened,
    parsed,
)

NOT_A_STEP = re.compile(r"[ML ]?([\d.]+),([\d.]+)")
LARGEST_PAGE = 250_000  # bytes


def trained(rate: float = 1.0, epochs: int = 4) -> ParityReport:
    """A right pair, or one whose learning rate is off by a factor."""
    reference, candidate = parity_pair.reference(), parity_pair.made("candidate", 2, lr=0.02 * rate)
    start = {name: np.asarray(values, np.float64) for name, values in reference.parameters().items()}
    inputs, labels = parity_pair.data
    plan = Schedule(start, len(labels), 20, epochs, 0)
    return gk.train_parity(
        reference, candidate, plan, lambda i: (inputs[i], labels[i]), test=parity_pair.test, name="a training"
    )


def made(steps: int, tensors: int = 4, **changed: Any) -> ParityReport:
    """Of two runs that were never made: inside the law at every step."""
    t = np.arange(steps + 1)
    allowed = 3.3e-16 * (30 + np.sqrt(t))
    losses = np.stack([2.3 * np.exp(-t[1:] / steps)] * 2, axis=1)
    losses[:, 1] += 1e-16 * (1 + t[1:] % 3)
    drift = {f"{i}.W": 1e-17 * (1 + i) * np.sqrt(t + 1) / tensors**2 for i in range(tensors)}
    side = SideReport("reference", "cpu", "float64", (1.5, 1.0), (0.8, 0.9), 1.0)
    report = ParityReport(
        name="made",
        dtype="float64",
        digits="float64",
        precision=None,
        reference=side,
        candidate=replace(side, name="candidate"),
        schedule={"examples": 100 * steps, "batch_size": 100, "epochs": 2, "seed": 0, "fingerprint": "ab" * 32},
        max_loss_difference=3e-16,
        max_distance=1e-15,
        worst_of_law=0.1,
        max_difference={name: float(values.max()) for name, values in drift.items()},
        divergence=None,
        losses=losses,
        drift=np.sqrt(sum(values**2 for values in drift.values())),
        allowed=allowed,
        loss_allowed=10 * allowed[1:],
        tensor_drift=drift,
    )
    return replace(report, **changed)


def pictures(text: str) -> list[ElementTree.Element]:
    """Training loss, difference of the losses, drift of the parameters."""
    found = re.findall(r"<svg viewBox.*?</svg>", text, flags=re.DOTALL)
    for picture in found:
        expect_a_picture(picture)
    return [ElementTree.fromstring(picture) for picture in found]


def marks(picture: ElementTree.Element, kind: str) -> list[list[tuple[float, float]]]:
    """The points of each path whose class has this name."""
    paths = [mark.get("d", "") for mark in picture.iter("path") if kind in mark.get("class", "").split()]
    return [[(float(x), float(y)) for x, y in NOT_A_STEP.findall(path)] for path in paths]


def keys(text: str) -> list[str]:
    """What stands below the pictures, one string each."""
    return [re.sub(r"<svg.*?</svg>|<[^>]*>", " ", key) for key in re.findall(r'<ul class="key">(.*?)</ul>', text)]


def expect_a_page(text: str) -> list[ElementTree.Element]:
    """Of three pictures, that loads and runs nothing."""
    expect_no_markup(text)
    expect_nothing_loaded(text)
    found = pictures(text)
    assert [picture.get("aria-label") for picture in found] == [
        "Training loss",
        "Difference of the losses",
        "Drift of the parameters",
    ]
    return found


# ---------------------------------------------------------------- the verdict


@pytest.mark.parametrize("rate", [1.0, 1 + 1e-6])
def test_the_page_says_what_the_report_says(rate: float) -> None:
    report = trained(rate)
    assert report.verdict is (Verdict.PASS if rate == 1.0 else Verdict.FAIL)
    told = " ".join("".join(parsed(page(report)).texts).split())
    head, *lines = str(report).splitlines()
    assert f"{head.partition(': ')[0]}: {head.partition(': ')[2]}" in told
    for line in lines:
        words = line[9:] if line[2:8].strip() in ("when", "where", "why", "law", "fact", "note", "") else None
        if words is not None:
            assert words in told
    assert report.schedule["fingerprint"] in told


def test_a_planted_learning_rate_is_told_first_and_marked_in_every_picture() -> None:
    report = trained(1 + 1e-6)
    assert report.divergence is not None
    text = page(report)
    sections = re.findall(r'<section id="(\w+)"><h2>(.*?)</h2>', text)
    assert sections[0] == ("verdict", "When, where, why")
    for label, words in (("when", "first at step 1 (epoch 1, batch 1)"), ("where", "update"), ("why", "learning-rate")):
        assert re.search(rf"<dt>{label}</dt><dd>{re.escape(words)}", text)
    for picture, key in zip(expect_a_page(text), keys(text), strict=True):
        ((at, _), _), *others = marks(picture, "parted")
        assert others == []
        assert at == pytest.approx(svg.linear([0.0, 28.0], svg.LEFT, svg.WIDTH - svg.RIGHT).at(1.0), abs=0.06)
        assert "step 1" in [mark.text for mark in picture.iter("text")]
        assert "parted at step 1: update" in key


def test_a_right_pair_has_no_mark_and_no_step_outside() -> None:
    text = page(made(50))
    for picture in expect_a_page(text):
        assert marks(picture, "parted") == marks(picture, "outside-law") == []
    assert "outside at" not in "".join(keys(text))
    assert [name for name, _ in re.findall(r'<section id="(\w+)"><h2>(.*?)</h2>', text)] == [
        *("verdict", "figures", "facts", "settings")
    ]


def test_an_undecided_run_says_what_to_do() -> None:
    flat = made(30)
    text = page(replace(flat, losses=np.ones_like(flat.losses)))
    assert '<span class="verdict INCONCLUSIVE">' in text
    (first,) = re.findall(r'<section id="verdict">(.*?)</section>', text)
    assert "the loss did not fall on both sides" in first


def test_fewer_digits_are_told_with_the_verdict_and_how_much_a_step_leaves_open() -> None:
    few = {"digits": "float32, products in bfloat16", "by_step": {"gradients": (0.4, 0.0625, 0.31)}}
    text = page(made(30, dtype="float32", precision="bfloat16", replayed=True, stepwise=True, **few))
    (first,) = re.findall(r'<section id="verdict">(.*?)</section>', text)
    assert "made in float32, products in bfloat16: the same computation" in text
    assert "gradients: at most 0.4 of what rounding explains of a step, which is 6.2% to 31%" in first
    assert "what rounding allows: up to" in text


def test_a_decision_beyond_rounding_is_told_with_the_verdict() -> None:
    wrong = Decision(7, "0 ReLU", (1, 2), 0.5, 1e-6)
    text = page(made(30, dtype="float32", replayed=True, decisions=1000, ledger=(wrong,)))
    (first,) = re.findall(r'<section id="verdict">(.*?)</section>', text)
    assert "1 of 1,000 decisions differed, 1 beyond rounding" in first
    assert "step 7, 0 ReLU[1, 2]" in first


def test_a_difference_that_is_there_at_the_start_is_marked_at_step_0() -> None:
    first = Divergence(0, "0.W", 1e-3, 1e-14)
    text = page(made(30, divergence=first))
    assert "first at the start: 0.W" in text
    for picture in expect_a_page(text):
        (((at, _), _),) = marks(picture, "parted")
        assert at > svg.LEFT


# ---------------------------------------------------------------- names, and what is not finite


def test_no_name_is_markup() -> None:
    side = SideReport(EVIL, ATTRIBUTE, "float32", (1.0,), (0.5,), 1.0)
    report = made(
        30,
        name=EVIL,
        dtype="float32",
        reference=side,
        candidate=side,
        divergence=Divergence(3, EVIL, 1.0, 0.1, EVIL, ATTRIBUTE, 1.0, 0.1, EVIL, ATTRIBUTE),
        max_difference={EVIL: 1.0},
        tensor_drift={EVIL: np.full(31, 1e-3)},
        replayed=True,
        decisions=9,
        ledger=(Decision(2, EVIL, (0,), 1.0, 2.0),),
        notes=(EVIL, ATTRIBUTE),
    )
    text = page(report, {EVIL: ATTRIBUTE, "code": {EVIL: EVIL}}, {EVIL: ATTRIBUTE}, bar=0.4)
    told = "".join(expect_no_markup(text).texts)
    for what in (EVIL, ATTRIBUTE):
        assert told.count(what) >= 3, "it is there, as text"
    expect_a_page(text)


NOT_FINITE = {
    "NaN from the tenth step on": (slice(9, None), np.nan),
    "infinite from the tenth step on": (slice(9, None), np.inf),
    "one NaN": (slice(9, 10), np.nan),
    "NaN from the first step on": (slice(None), np.nan),
    "infinite from the first step on": (slice(None), np.inf),
    "too large for an axis": (slice(9, None), 1e305),
    "negative": (slice(9, None), -1e-3),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("where", "value"), NOT_FINITE.values(), ids=NOT_FINITE.keys())
def test_a_loss_that_no_axis_holds_is_counted_and_not_drawn(where: slice, value: float) -> None:
    report = made(40)
    report.losses[where, 1] = value
    report.drift[where] = abs(value)
    text = page(report)
    found = expect_a_page(text)
    for picture in found:
        assert not re.search(r"nan|inf", "".join(mark.get("d", "") for mark in picture.iter("path")))
    apart = np.abs(report.losses[:, 1] - report.losses[:, 0])
    strokes = [point for kind in ("inside-law", "outside-law") for path in marks(found[1], kind) for point in path]
    assert len(strokes) == np.sum((apart > 0) & (apart <= training_curves.LARGEST)), "one for each step that is drawn"
    count = len(report.losses[where])
    undrawn = int(np.sum(~(np.abs(report.losses[:, 1]) <= training_curves.LARGEST)))
    _, difference, drift = keys(text)
    assert ("not drawn" in difference) == (undrawn > 0)
    if undrawn:
        assert f"{count:,} steps too large or no number, not drawn" in difference
        assert "steps too large or no number, not drawn" in drift


def test_both_losses_may_be_lost() -> None:
    report = made(40, divergence=Divergence(1, "loss", np.nan, 1e-15))
    report.losses[:] = np.nan
    report.loss_allowed[:] = np.nan
    report.allowed[:] = np.inf
    assert "40 steps too large or no number, not drawn" in keys(page(report))[1]
    expect_a_page(page(report))


# ---------------------------------------------------------------- short and long runs


def test_a_run_of_one_step_is_seen() -> None:
    losses, difference, drift = expect_a_page(page(made(1)))
    for picture, kind in ((losses, "wide"), (losses, "dashed"), (difference, "inside-law"), (drift, "wide")):
        assert len(marks(picture, kind)) == 1, kind
    labels = [mark.text for mark in losses.iter("text")]
    assert len(labels) == len(set(labels)), "an axis of a single value has labels that differ"
    for picture in (difference, drift):
        (band,) = marks(picture, "band")
        assert np.ptp([y for _, y in band]) > 10
        x = svg.linear([0.0, 1.0], svg.LEFT, svg.WIDTH - svg.RIGHT)
        first = x.at(0.5) if picture is difference else x.start
        assert min(x for x, _ in band) == pytest.approx(first, abs=0.06), "a band is as wide as its steps"
        assert max(x for x, _ in band) == pytest.approx(x.end, abs=0.06)


LONG = 36_000


@pytest.mark.parametrize("step", [1, 4321, LONG - 1])
def test_a_long_run_is_a_small_page_and_a_single_step_outside_is_drawn(step: int) -> None:
    report = made(LONG, tensors=40, divergence=Divergence(step, "loss", 1e-9, 1e-13))
    x = svg.linear([0.0, float(LONG)], svg.LEFT, svg.WIDTH - svg.RIGHT).at(float(step))
    quiet = page(replace(report, divergence=None))
    report.losses[step - 1, 1] += 1e-9
    report.drift[step] = 1e-9
    report.tensor_drift["39.W"][step] = 1e-9
    text = page(report)
    assert max(len(text.encode()), len(quiet.encode())) < LARGEST_PAGE
    _, difference, drift = expect_a_page(text)
    ((outside,),) = marks(difference, "outside-law")
    assert outside[0] == pytest.approx(x, abs=0.06)
    band = min(y for _, y in marks(difference, "band")[0])
    assert outside[1] < band - 50, "far above what rounding explains"
    assert "outside at 1 of 36,000 steps" in keys(text)[1]
    for kind in ("wide", "strokes4"):
        highest = min(marks(drift, kind)[-1], key=lambda point: point[1])
        assert highest[0] == pytest.approx(x, abs=0.06)
        assert highest[1] < min(y for _, y in marks(drift, "band")[0]) - 50
    assert marks(expect_a_page(quiet)[1], "outside-law") == []


def test_a_step_just_outside_is_drawn_though_the_law_is_wider_beside_it() -> None:
    report = made(LONG)
    report.loss_allowed[::2] *= 100
    report.losses[20_001, 1] = report.losses[20_001, 0] + 3 * report.loss_allowed[20_001]
    assert "outside at 1 of 36,000 steps" in keys(page(report))[1]
    assert len(marks(pictures(page(report))[1], "outside-law")) == 1


@pytest.mark.parametrize("seed", range(5))
def test_thinning_keeps_the_extremes_of_every_bin_in_order(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=int(generator.integers(1, 20_000)))
    values[generator.random(len(values)) < 0.1] = np.nan
    always = int(generator.integers(len(values)))
    places = thinning.kept(values, [always])
    assert np.all(np.diff(places) > 0)
    assert (always in places) == (not np.isnan(values[always]))
    assert len(places) <= 2 * thinning.BINS + 3
    for part in thinning.bins(len(values)):
        if not np.isnan(values[part]).all():
            seen = values[[i for i in places if part.start <= i < part.stop]]
            assert (seen.min(), seen.max()) == (np.nanmin(values[part]), np.nanmax(values[part]))
    runs = thinning.runs(values, [always])
    assert np.array_equal(np.concatenate([[], *runs]), places)
    for one, other in pairwise(runs):
        assert np.isnan(values[one[-1] : other[0]]).any(), "a line is broken only where there is nothing to draw"
    assert not any(np.isnan(values[run[0] : run[-1] + 1]).any() for run in runs)


def test_a_mean_is_of_as_many_steps_as_the_axis_says_and_the_png_draws_the_same() -> None:
    report = made(250)
    curves = training_curves.loss_curves(report)
    assert curves.label == "training loss, mean of 25 steps"
    assert (curves.steps[0], curves.steps[-1]) == (25, 250)
    assert curves.reference[3] == pytest.approx(report.losses[3:28, 0].mean())
    assert "training loss, mean of 25 steps" in page(report)


# ---------------------------------------------------------------- many tensors, many decisions


def test_of_many_tensors_those_furthest_apart_have_a_line_each_and_the_rest_an_area() -> None:
    report = made(100, tensors=150)
    text = page(report)
    drift = expect_a_page(text)[2]
    lines = [mark.get("class", "") for mark in drift.iter("path") if "strokes" in mark.get("class", "")]
    assert len(lines) == len(set(lines)) == MOST_LINES, "told apart without colour"
    assert "the other 138 tensors" in keys(text)[2]
    for i in range(150):
        assert (f" {i}.W " in keys(text)[2]) == (i >= 138)
        assert f"<td>{i}.W</td>" in text
    (between,) = marks(drift, "between")
    assert len(between) > 100
    assert len(text.encode()) < LARGEST_PAGE


def test_the_style_sheet_has_every_stroke_and_shade() -> None:
    styles = [*(f".strokes{i}" for i in range(1, STROKES)), *(f".shade{i}" for i in range(1, SHADES))]
    rules = dict(re.findall(r"(\.(?:strokes|shade)\d) \{ ([^}]*) \}", STYLE))
    assert set(rules) >= set(styles)
    assert len({rules[name] for name in styles}) == len(styles)


def test_a_long_ledger_is_folded_and_begins_with_what_rounding_does_not_explain() -> None:
    ledger = [Decision(i, "0 ReLU", (i, 0), 1e-8, 1e-7) for i in range(1, 500)]
    ledger.append(Decision(600, "1 max-pool", (3,), 1.0, 1e-7))
    text = page(made(700, dtype="float32", replayed=True, decisions=38_000_000, ledger=tuple(ledger)))
    assert "500 of 38,000,000 decisions differed, 1 beyond rounding" in text
    (section,) = re.findall(r'<section id="ledger">(.*?)</section>', text)
    assert "<details><summary>" in section
    rows = re.findall(r"<tr>(.*?)</tr>", section)
    assert len(rows) == 1 + MOST_DECISIONS
    assert re.findall(r"<td>(.*?)</td>", rows[1]) == ["600", "1 max-pool", "[3]", "1.0e+00", "1.0e-07", "no"]
    assert f"The table has {MOST_DECISIONS} of 500" in section
    few = page(made(700, dtype="float32", replayed=True, decisions=9, ledger=tuple(ledger[:2])))
    assert "<details open><summary>" in re.findall(r'<section id="ledger">(.*?)</section>', few)[0]


def test_the_bar_the_epochs_and_the_settings_are_told_with_all_their_digits() -> None:
    report = made(20)
    settings = {"lr": 0.0123456, "schedule": "told below", "code": {"pair.py:a": "abc"}}
    text = page(report, settings, {"numpy": "9.9"}, bar=0.85)
    told = " ".join(parsed(text).texts)
    assert "where right programs reach 85.0%: reached" in told
    assert "not reached" in " ".join(parsed(page(report, bar=0.95)).texts)
    assert "right programs" not in page(report)
    for what in ("0.0123456", "abc", "9.9", report.schedule["fingerprint"], "90.00%", "code of pair.py:a"):
        assert what in told
    assert "told below" not in told
    rows = re.findall(r"<tr><td>2</td>(.*?)</tr>", text)
    assert rows == ["<td>1</td><td>1</td><td>90.00%</td><td>90.00%</td>"]


# ---------------------------------------------------------------- in a browser


@needs_browser
@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_shows_each_section_says_nothing_and_asks_for_nothing(tmp_path: Path, width: int) -> None:
    def look(browser: Page) -> None:
        shown = "[...document.querySelectorAll('section')].filter(s => s.offsetHeight > 40).map(s => s.id)"
        assert browser.value(shown) == ["verdict", "figures", "facts", "settings", "environment"]
        assert browser.value("document.documentElement.scrollWidth") <= width, "nothing to scroll sideways"
        assert browser.value("[...document.querySelectorAll('figure > svg')].every(s => s.clientHeight > 150)")
        inside = (
            "[...document.querySelectorAll('figure > svg text')].every(t => {"
            " const a = t.getBoundingClientRect(), b = t.ownerSVGElement.getBoundingClientRect();"
            " return a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1"
            " && a.bottom <= b.bottom + 1 })"
        )
        assert browser.value(inside), "no label is cut off"
        assert browser.value("document.scripts.length") == 0

    text = page(made(LONG, tensors=40, divergence=Divergence(LONG, "loss", 1.0, 0.1)), {"lr": 0.1}, {"numpy": "9.9"})
    browser = opened(text, tmp_path, width, look)
    assert browser.said == []
    assert browser.asked == [(tmp_path / "page.html").as_uri()]

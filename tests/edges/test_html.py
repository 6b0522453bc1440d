"""The HTML report is one whole, self-contained, escaped page."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.record import Record, entry, merged, read
from gradcheck_kit.render import svg
from gradcheck_kit.render.html import page
from gradcheck_kit.render.html_figures import FAINTEST, shade
from gradcheck_kit.report import LeftOut
from tests.browser import Page
from tests.mutants.kinked import Corner
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


class Scaled:
    """2·x, with a backward of another factor."""

    def __init__(self, factor: float = 2.0) -> None:
        self._factor = factor

    def forward(self, x: Any) -> Any:
        return 2.0 * x

    def backward(self, cotangent: Any) -> Any:
        gradient = cotangent * 2.0
        gradient[0] *= self._factor / 2.0
        return gradient


def side(name: str) -> dict[str, Any]:
    return {"name": name, "device": "cpu", "train_loss": [0.4, 0.2, 0.15], "test_accuracy": [0.9, 0.95, 0.96]}


PARITY = {
    "name": "a training",
    "dtype": "float64",
    "verdict": "PASS",
    "max_loss_difference": 8.9e-16,
    "worst_of_law": 0.03,
    "divergence": None,
    "reference": side("torch"),
    "candidate": side(EVIL),
    "beside": [
        {
            "name": "beside",
            "dtype": "float32",
            "verdict": "INCONCLUSIVE",
            "max_loss_difference": "nan",
            "worst_of_law": "inf",
            "divergence": {"step": 3, "what": EVIL},
            "reference": side("torch"),
            "candidate": {**side("NumPy"), "train_loss": ["nan", 0.1, 0.1]},
        }
    ],
}


@pytest.fixture(scope="module")
def record() -> Record:
    """A right, a wrong, an undecided and a raising subject, with names that are markup, and a training."""
    x = np.linspace(0.5, 1.0, 6).reshape(3, 2)
    wrong = gk.examine(Scaled(3.0), x)
    finding = wrong.findings[-1]
    assert finding.illustration is not None
    evil = replace(
        finding,
        input=EVIL,
        message=f"{EVIL} & {ATTRIBUTE}",
        cause=ATTRIBUTE,
        illustration=replace(finding.illustration, input=ATTRIBUTE),
    )
    reports = [
        gk.examine(Scaled(), x),
        replace(wrong, subject=EVIL, findings=(*wrong.findings[:-1], evil), left_out=(LeftOut(EVIL),)),
        gk.examine(Corner(), np.zeros(4)),
    ]
    entries = [entry(report.to_dict(), f"tests/test_x.py::test[{ATTRIBUTE}]") for report in reports]
    raised = {"name": "Raises\x00\x1b[31m", "oracle": EVIL, "verdict": "FAIL", "findings": [], "raised": EVIL}
    return Record((*entries, raised), (f"cuda: {EVIL}",), (("numpy", ATTRIBUTE),), PARITY)


@pytest.fixture(scope="module")
def text(record: Record) -> str:
    return page(record, title=f"Report of {EVIL}")


def test_every_element_is_closed_and_nothing_of_the_record_is_markup(text: str) -> None:
    told = "".join(expect_no_markup(text).texts)
    for what in (EVIL, ATTRIBUTE):
        assert told.count(what) >= 3, "it is there, as text"


def test_the_page_loads_nothing(text: str) -> None:
    expect_nothing_loaded(text)


def test_every_section_is_there(text: str) -> None:
    reader = parsed(text)
    assert [a["id"] for tag, a in reader.elements if tag == "section"] == ["summary", "not-run", "subjects", "training"]
    told = " ".join(reader.texts)
    for what in ("worst resolution", "to repeat it", "gk.check(", "element", "cause", "passed", "not asked", "raised"):
        assert what in told
    for label in (
        "wrong elements of",
        "V-curve of",
        "kink along",
        "training loss per epoch",
        "test accuracy per epoch",
    ):
        assert any((a.get("aria-label") or "").startswith(label) for tag, a in reader.elements if tag == "svg"), label


def test_failures_come_first_and_only_a_pass_is_folded(text: str) -> None:
    found = re.findall(r'<details( open)?><summary><span class="verdict (\w+)">', text)
    assert [verdict for _, verdict in found] == ["FAIL", "FAIL", "INCONCLUSIVE", "PASS"]
    assert [bool(opened) for opened, _ in found] == [True, True, True, False]


def test_what_was_not_run_is_told_by_reason() -> None:
    rows = tuple(f"layer {i} on cuda: no CUDA device" for i in range(9))
    told = page(Record((), (*rows, "MNIST parity: --no-mnist", EVIL)))
    found = re.findall(r'<details( open)?><summary><span class="name">(.*?)</span><span class="facts">(\d+)<', told)
    assert found == [
        ("", "no CUDA device", "9"),
        (" open", "--no-mnist", "1"),
        (" open", "&lt;script&gt;alert(1)&lt;/script&gt;", "1"),
    ]
    assert "<li>layer 8 on cuda</li>" in told


def test_epochs_are_counted_in_whole_numbers() -> None:
    scale = replace(svg.across([0.0, 2.0]), whole=True)
    assert [label for _, label in scale.ticks()] == ["0", "1", "2"]


def test_every_picture_is_well_formed_labelled_and_needs_no_colour(text: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(pictures) >= 6
    for picture in pictures:
        expect_a_picture(picture)
    lines = {mark.get("class") for p in pictures for mark in ElementTree.fromstring(p).iter("polyline")}
    assert {"wide", "dashed", "thin"} <= lines


def test_a_phone_a_printer_and_a_dark_screen_are_thought_of(text: str) -> None:
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert "@media print" in text
    assert "prefers-color-scheme: dark" in text


def test_control_characters_are_no_part_of_the_page(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)
    assert "Raises\ufffd\ufffd[31m" in text


def test_a_record_from_its_file_gives_the_same_page(record: Record, tmp_path: Path) -> None:
    record.to_json(tmp_path / "record.json")
    again = read(tmp_path / "record.json")
    assert page(again) == page(record)
    assert merged([Record(()), again]).parity == record.parity


def test_a_record_of_nothing_is_a_page_too() -> None:
    told = " ".join(parsed(page(Record(()))).texts)
    assert "INCONCLUSIVE" in told
    assert "Nothing was checked." in told


def test_an_older_record_without_figures_is_a_page_too(record: Record) -> None:
    old = tuple({k: v for k, v in held.items() if k not in ("figures", "source", "ran")} for held in record.subjects)
    assert "to repeat it" in page(Record(old))


# ---------------------------------------------------------------- axes


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([0.0, 0.0], False),
        ([1.0], False),
        ([-3e-300, 5e-300], False),
        ([-1e300, 1e300], False),
        ([0.93, 0.96], False),
        ([1e-300, 1e300], True),
        ([2.0, 2.0], True),
        ([1.0], True),
        ([0.13, 0.42], True),
    ],
)
def test_an_axis_has_few_ticks_on_it_and_room_for_all_values(values: list[float], log: bool) -> None:
    scale = svg.up(values, log)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 12
    assert len({label for _, label in ticks}) == len(ticks)
    ends = sorted((scale.start, scale.end))
    assert all(ends[0] - 0.1 <= scale.at(v) <= ends[1] + 0.1 for v in [*values, *(value for value, _ in ticks)])
    for one, other in zip(sorted(values), sorted(values)[1:], strict=False):
        assert scale.at(one) >= scale.at(other), "larger is higher"


def test_shades_grow_with_the_value_and_begin_where_rounding_ends() -> None:
    values = [0.0, 1e-9, 1.1e-9, 1e-6, 1e-3, 1.0]
    shades = [shade(value, 1e-9, 1.0) or 0.0 for value in values]
    assert shades == sorted(shades)
    assert shades[:2] == [0.0, 0.0]
    assert shades[2] == FAINTEST
    assert shades[-1] == pytest.approx(1.0)
    assert shade(None, 1e-9, 1.0) is None


# ---------------------------------------------------------------- in a browser


@needs_browser
@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_shows_each_section_says_nothing_and_asks_for_nothing(text: str, tmp_path: Path, width: int) -> None:
    def look(browser: Page) -> None:
        shown = "[...document.querySelectorAll('section')].filter(s => s.offsetHeight > 40).map(s => s.id)"
        assert browser.value(shown) == ["summary", "not-run", "subjects", "training"]
        assert browser.value("document.documentElement.scrollWidth") <= width, "nothing to scroll sideways"
        assert browser.value("[...document.querySelectorAll('svg')].every(s => s.clientHeight > 50)")
        assert EVIL in browser.value("document.querySelector('summary .name').innerText")
        assert browser.value("document.scripts.length") == 0

    browser = opened(text, tmp_path, width, look)
    assert browser.said == []
    assert browser.asked == [(tmp_path / "page.html").as_uri()]


@needs_browser
def test_a_page_that_logs_and_loads_is_seen_to(tmp_path: Path) -> None:
    bad = (
        '<title>bad</title><link rel="stylesheet" href="http://127.0.0.1:9/x.css"><script>throw new Error("x")</script>'
    )
    browser = opened(bad, tmp_path, 800, lambda browser: None)
    assert "http://127.0.0.1:9/x.css" in browser.asked
    assert any("Error: x" in said for said in browser.said)

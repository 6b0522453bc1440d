"""What every HTML page is held to: closed elements, escaped names, nothing to load, pictures that stay on the sheet."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.browser import VARIABLE, Page, chromium, page_in

EVIL = "<script>alert(1)</script>"
ATTRIBUTE = "\"'><img src=http://example.invalid/x onerror=alert(1)>"
VOID = {"meta", "link", "br", "img", "input", "hr"}
FORBIDDEN = {"script", "img", "iframe", "object", "embed"}
LOADS = ("src", "href", "action", "data", "poster", "srcset", "xlink:href")


class Reader(HTMLParser):
    """What the page holds; fails on elements that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parsed(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def expect_no_markup(text: str) -> Reader:
    """Every element is closed, none of them runs or loads, and no attribute is an event's."""
    reader = parsed(text)
    assert not {tag for tag, _ in reader.elements} & FORBIDDEN
    assert not any(name.startswith("on") for _, attributes in reader.elements for name in attributes)
    return reader


def expect_nothing_loaded(text: str) -> None:
    """No address but the icon's, empty since a browser would ask a server for one; no style from elsewhere."""
    elements = parsed(text).elements
    assert [v for _, attributes in elements for name, v in attributes.items() if name in LOADS] == ["data:,"]
    (style,) = re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style


def expect_a_picture(picture: str) -> None:
    """Well-formed, with a title and labels; all of it on the sheet; its colours the style sheet's alone."""
    root = ElementTree.fromstring(picture)
    assert root.find("title") is not None
    assert len(root.findall("text")) >= 3
    _, _, width, height = map(float, root.get("viewBox", "").split())
    for mark in root.iter():
        assert not {"fill", "stroke", "style", "color"} & {*mark.keys()}
        across = [float(mark.get(name, 0.0)) for name in ("x", "cx", "x1", "x2")]
        up = [float(mark.get(name, 0.0)) for name in ("y", "cy", "y1", "y2")]
        for x, y in re.findall(r"([^ MLZ,]+),([^ MLZVh,]+)", mark.get("d", mark.get("points", ""))):
            across.append(float(x))
            up.append(float(y))
        up += [float(y) for y in re.findall(r"V([^M]+)", mark.get("d", ""))]
        assert all(0.0 <= x <= width for x in across)
        assert all(0.0 <= y <= height for y in up)


# ---------------------------------------------------------------- in a browser

BROWSER = chromium()
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason=f"no Chromium on PATH nor in {VARIABLE}: the page was not opened in a browser"
)


def opened(text: str, folder: Path, width: int, look: Any) -> Page:
    (folder / "page.html").write_text(text, encoding="utf-8")
    assert BROWSER is not None
    with page_in(BROWSER, folder / "profile") as browser:
        browser.open(folder / "page.html", width)
        look(browser)
    return browser

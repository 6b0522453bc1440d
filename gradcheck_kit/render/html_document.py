"""The frame of every page: one HTML file that needs nothing beside it, no network, no script, no other file."""

from collections.abc import Iterable, Sequence

from gradcheck_kit.render.html_style import STYLE
from gradcheck_kit.render.svg import text

FEW = 6  # of one kind: more are folded
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load for the page: nothing."""


def document(title: str, head: str, sections: Iterable[str]) -> str:
    """The whole file.

    Args:
        title: of the window, as text.
        head: the headline, as HTML.
        sections: each as HTML.
    """
    body = "\n".join([f"<header><h1>{head}</h1></header><main>", *sections, "</main>"])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="icon" href="data:,">
<title>{text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""


def section(name: str, title: str, content: str) -> str:
    """A part of the page; `content` is HTML."""
    return f'<section id="{name}"><h2>{text(title)}</h2>{content}</section>'


def folded(what: str, count: int, content: str) -> str:
    """`content`, which is HTML, behind a line that says what it is; open where it is of a few."""
    head = f'<summary><span class="name">{text(what)}</span><span class="facts">{count}</span></summary>'
    return f'<details{" open" if count <= FEW else ""}>{head}<div class="inside">{content}</div></details>'


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Cells as text."""
    lines = [
        f"<tr>{''.join(f'<{cell}>{text(value)}</{cell}>' for value in row)}</tr>"
        for cell, row in (("th", headings), *(("td", row) for row in rows))
    ]
    return f'<div class="wide-table"><table>{"".join(lines)}</table></div>'

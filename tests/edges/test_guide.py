"""The guide's code runs, block after block, and its links lead somewhere."""

import re
from pathlib import Path
from typing import Any

import pytest

import gradcheck_kit as gk
from tests.documents import blocks

DOCS = Path(gk.__file__).parents[1] / "docs"
GUIDE = (DOCS / "guide.md").read_text(encoding="utf-8")


def test_the_guides_blocks_run_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "guide"}
    for block in blocks(GUIDE, "python"):
        exec(compile(block, "guide.md", "exec"), names)
    assert capsys.readouterr().out.startswith("PASS  Sigmoid")


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_every_link_between_the_pages_leads_to_one(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (DOCS / page).read_text(encoding="utf-8"))
    assert [link for link in links if not (DOCS / link).exists()] == []

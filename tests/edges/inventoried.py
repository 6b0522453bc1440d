"""Code bases to take the inventory of."""

import textwrap
from datetime import date
from pathlib import Path

TODAY = date(2026, 11, 22)


def written(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")

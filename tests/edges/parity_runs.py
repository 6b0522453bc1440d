"""Short runs of `gradcheck-kit parity` of the pair in `parity_pair.py`, which the fixture `folder` lays out."""

import json
from pathlib import Path
from typing import Any

import pytest

import gradcheck_kit
from gradcheck_kit.cli import main
from gradcheck_kit.cli.checkpoint_file import NAME

ROOT = Path(gradcheck_kit.__file__).parents[1]
SHORT = ("--epochs", "4", "--batch", "20")  # seven steps an epoch, the last of a partial batch
EPOCHS, STEPS = 4, 28
Capture = pytest.CaptureFixture[str]


def parity(candidate: str, *more: str, reference: str = "reference") -> int:
    return main(["parity", f"pair.py:{reference}", f"pair.py:{candidate}", *SHORT, *more])


def told(path: str) -> Any:
    """A JSON report without the seconds, which no two runs share."""
    said = json.loads(Path(path).read_text(encoding="utf-8"))
    for side in ("reference", "candidate"):
        assert said[side].pop("seconds") >= 0
    return said


def left_behind(folder: Path) -> list[str]:
    return [file.name for file in folder.rglob("*") if NAME in file.name]

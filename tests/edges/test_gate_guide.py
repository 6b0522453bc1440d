"""The guide to the gate does what it says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import gradcheck_kit as gk

ROOT = Path(gk.__file__).parents[1]
GUIDE = (ROOT / "docs/gate.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE, flags=re.DOTALL | re.MULTILINE)
EXIT_CODES = {"checks.py": [0], "inventory": [1, 0], "write_page.py": [0]}


def run(line: str) -> subprocess.CompletedProcess[str]:
    """A command of the guide, with this Python and these packages."""
    program, *arguments = shlex.split(line)
    command = [sys.executable, *(["-m", "gradcheck_kit"] if program == "gradcheck-kit" else []), *arguments]
    return subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)


def test_the_guide_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    expected = {name: list(codes) for name, codes in EXIT_CODES.items()}
    done: subprocess.CompletedProcess[str] | None = None
    for language, text in BLOCKS:
        if language == "python":
            Path(text.splitlines()[0].removeprefix("# ")).write_text(text, encoding="utf-8")
        elif language == "toml":
            Path("pyproject.toml").write_text(text, encoding="utf-8")
        elif language == "sh":
            done = run(text)
            assert done.returncode == expected[shlex.split(text)[1]].pop(0), done.stderr
        elif language == "text":
            assert done is not None
            assert done.stdout == text
    assert not any(expected.values())
    assert Path("record.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")

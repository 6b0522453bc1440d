"""The README says what is true."""

import re
import tomllib
from pathlib import Path

import pytest

import gradcheck_kit as gk
from tests.documents import blocks

ROOT = Path(gk.__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_sh_block_holds_the_main_job_and_the_tests_each_with_its_own_set_up() -> None:
    main_job, tests = blocks(README, "sh")[0].splitlines()
    for line in (main_job, tests):
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt")
    assert main_job.endswith(".venv/bin/gradcheck-kit verify")
    assert tests.endswith(".venv/bin/pytest -n auto")


def test_the_custom_layer_fails_with_the_message_shown() -> None:
    (example,) = blocks(README, "python")
    with pytest.raises(gk.GradientCheckError) as failure:
        exec(compile(example, "README.md", "exec"), {})
    *shown, _cost = blocks(README, "text")[1].rstrip().splitlines()
    *said, _ = str(failure.value).splitlines()
    # The numerical derivative's own error may differ in its one digit from machine to machine.
    digits = re.compile(r"± \S+")
    assert [digits.sub("±", line) for line in said] == [digits.sub("±", line) for line in shown]


def test_every_folder_of_the_map_is_there() -> None:
    table = README[README.index("## Where things are") :]
    for row in re.findall(r"^\| (`.*?) \|", table, flags=re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", row)
        parent = (ROOT / first).parent
        assert (ROOT / first).exists(), first
        for name in others:
            assert any((base / name).exists() for base in (parent, ROOT / first, ROOT / "gradcheck_kit")), name


def test_the_constraints_pin_torch_and_the_project_takes_a_range() -> None:
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert extras["torch"] == ["torch>=2.4"]

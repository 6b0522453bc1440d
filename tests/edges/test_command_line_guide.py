"""docs/command_line.md: its files are written, its commands run, and what it shows is what they print."""

import contextlib
import re
import shlex
from pathlib import Path

import pytest

import gradcheck_kit
from gradcheck_kit.cli import command_line, configuration, main
from tests.documents import blocks

ROOT = Path(gradcheck_kit.__file__).parents[1]
GUIDE = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
# What differs from machine to machine: the error of a difference, and the cost.
DIGITS = re.compile(r"(?<=± )\S+|(?<=an error of )\S+|(?<=of )\S+(?= of the gradient would)|\d+ forward.*")


def sessions() -> list[tuple[str, list[str]]]:
    """Each command with the lines shown below it."""
    found: list[tuple[str, list[str]]] = []
    for block in blocks(GUIDE, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def same(shown: str, said: str) -> bool:
    """Up to a machine's digits; `…` at the end of a line stands for the rest of it."""
    shown, said = DIGITS.sub("#", shown), DIGITS.sub("#", said)
    return said.startswith(shown[:-1].rstrip()) if shown.endswith("…") else said == shown


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for block in blocks(GUIDE, "python"):
        name = block.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(block, encoding="utf-8")
    return tmp_path


def test_every_command_prints_what_the_guide_shows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(sessions()) >= 6
    for command, shown in sessions():
        program, *arguments = shlex.split(command)
        assert program == "gradcheck-kit"
        with contextlib.suppress(SystemExit):  # argparse's way to end
            main(arguments)
        out, error = capsys.readouterr()
        said = [*error.splitlines(), *out.splitlines()]
        assert len(said) == len(shown), f"{command}\n{error}{out}"
        for line, expected in zip(said, shown, strict=True):
            assert same(expected, line), f"{command}\nshown: {expected}\nsaid:  {line}"


def test_the_commands_of_the_readme_are_ones_that_the_parser_takes() -> None:
    section = README[README.index("## On the command line") :]
    (block,) = re.findall(r"^```sh\n(.*?)^```", section, flags=re.DOTALL | re.MULTILINE)
    commands = [part.strip() for line in block.splitlines() for part in line.split("&&")]
    assert len(commands) == 6
    for command in commands:
        program, *arguments = shlex.split(command, comments=True)
        assert program == "gradcheck-kit"
        assert command_line().parse_args(arguments).run


def test_the_configuration_shown_is_read(folder: Path) -> None:
    (text,) = blocks(GUIDE, "toml")
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    assert dict(configuration.read().values) == {"examples": 50, "seed": 7}


def test_every_option_of_check_is_in_the_guide_or_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    known = set(re.findall(r"--[a-z]+", capsys.readouterr().out))
    named = {option for option in re.findall(r"(?<=`)--[a-z]+", GUIDE)} - {"--help"}
    assert named <= known
    assert {"--input", "--param", "--constant", "--vjp", "--format", "--report"} <= known

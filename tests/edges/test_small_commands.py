"""`doctor`, `data`, `completion`, and what the command line says of unknown words."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradcheck_kit.cli import command_line, main
from gradcheck_kit.cli.parser import Parser
from gradcheck_kit.provenance import environment_now
from reference_impls.datasets import mnist


@pytest.fixture
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADCHECK_KIT_MNIST", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---------------------------------------------------------------- doctor


def doctor(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["doctor", "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_doctor_tells_versions_devices_data_and_what_will_not_be_run(
    no_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = doctor(capsys)
    assert found["versions"]["numpy"] == np.__version__
    assert found["optional"]["hypothesis"] is not None
    assert found["devices"][0] == "cpu"
    assert found["dtypes"]["numpy"] == ["float64", "float32", "float16"]
    assert found["mnist"] == {"directory": str(no_data), "files": {file.name: "missing" for file in mnist.FILES}}
    assert any(item.startswith("training on MNIST: ") for item in found["not_run"])


def test_doctor_sees_what_is_not_installed(
    no_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gradcheck_kit.cli import doctor as command

    monkeypatch.setitem(command.OPTIONAL, "surely_not_installed", ("testing", "extra"))
    found = doctor(capsys)
    assert found["optional"]["surely_not_installed"] is None
    assert "testing: surely_not_installed is not installed; pip install 'gradcheck-kit[extra]'" in found["not_run"]


def test_doctor_and_reports_tell_the_same_versions(
    no_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(np, "__version__", "7.8.9")
    monkeypatch.setattr(pytest.importorskip("torch"), "__version__", "10.11.12+built.here")
    found = doctor(capsys)
    assert {**found["versions"], **found["optional"]}.items() >= environment_now().items()
    assert (found["versions"]["numpy"], found["optional"]["torch"]) == ("7.8.9", "10.11.12+built.here")
    assert list(found["versions"]) == ["gradcheck_kit", "python", "numpy"], "what is optional stands there once"


def test_doctor_prints_the_same_for_people(no_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = doctor(capsys)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for item in found["not_run"]:
        assert f"not run: {item}\n" in out
    for name, version in found["optional"].items():
        assert f"{name:<16}{version or 'not installed'}\n" in out


def test_doctor_says_so_where_nothing_is_missing(
    no_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gradcheck_kit.cli import doctor as command

    monkeypatch.setattr(command, "OPTIONAL", {})
    monkeypatch.setattr(command, "devices_of", lambda _torch: ["cpu", "cuda:0"])
    monkeypatch.setattr(command, "states", lambda: {})
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("\neverything can be run here\n")


# ---------------------------------------------------------------- data


def test_data_says_where_it_looks(no_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "where"]) == 0
    assert capsys.readouterr().out == f"{no_data}\n"


def test_data_tells_a_missing_file_from_a_wrong_one(no_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (no_data / mnist.FILES[0].name).write_bytes(b"not the images")
    assert main(["data", "verify"]) == 1
    out, error = capsys.readouterr()
    wrong, *missing = [line for line in out.splitlines() if "sha256" in line]
    assert wrong.endswith("there, but not the file that was published")
    assert mnist.FILES[0].sha256 in wrong
    assert all(line.endswith("missing") for line in missing)
    assert "gradcheck-kit data fetch" in error


def test_data_fetch_tells_why_it_cannot(no_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "fetch", "--mnist-dir", str(no_data)]) == 2
    error = capsys.readouterr().err
    assert mnist.FILES[0].name in error
    assert len(error.splitlines()) <= 10


@pytest.mark.mnist
def test_data_verifies_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "fetch"]) == 0
    assert capsys.readouterr().out.count("verified") == 4
    assert main(["data", "verify"]) == 0


# ---------------------------------------------------------------- completion

SYNTAX_CHECKS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


@pytest.mark.parametrize("shell", SYNTAX_CHECKS)
def test_the_completion_script_knows_every_command_and_option_and_is_of_its_shell(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("shtab", reason="without shtab no completion script was made; see [cli]")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for command in command_line().leaves():
        for word in [command.prog.split()[-1], *(o for action in command._actions for o in action.option_strings)]:
            assert word.lstrip("-") in script, f"{command.prog}: {word}"
    if shutil.which(shell) is None:
        return  # what can be said without the shell has been said
    path = tmp_path / "script"
    path.write_text(script, encoding="utf-8")
    done = subprocess.run([*SYNTAX_CHECKS[shell], str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_bash_completes_commands_and_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="without shtab no completion script was made; see [cli]")
    if shutil.which("bash") is None:
        pytest.skip("no bash: its completion was not run")
    main(["completion", "bash"])
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out, encoding="utf-8")

    def completed(*words: str) -> list[str]:
        line = " ".join(f"'{word}'" for word in ("gradcheck-kit", *words))
        code = f"""
            source {script}
            function_of() {{ complete -p gradcheck-kit | sed 's/.*-F \\([^ ]*\\).*/\\1/'; }}
            COMP_WORDS=({line}); COMP_CWORD={len(words)}; COMPREPLY=()
            $(function_of); printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False)
        return done.stdout.split()

    assert completed("che") == ["check"]
    assert "--format" in completed("check", "--fo")
    assert completed("data", "ver") == ["verify"]


# ---------------------------------------------------------------- unknown words

UNKNOWN = {
    "a command": (["chek"], "did you mean 'check'?"),
    "an action": (["report", "shwo", "x"], "did you mean 'show'?"),
    "an option of an action": (["report", "show", "x.json", "--fromat", "text"], "did you mean '--format'?"),
    "an action of data": (["data", "verfy"], "did you mean 'verify'?"),
    "a shell": (["completion", "bsh"], "did you mean 'bash'?"),
    "an option of verify": (["verify", "--epoch", "3"], "did you mean '--epochs'?"),
}


@pytest.mark.parametrize(("arguments", "words"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_word_exits_2_and_the_nearest_is_named(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) <= 3


@pytest.mark.parametrize("command", [p.prog for p in command_line().leaves()])
def test_every_command_has_help_that_fits_a_terminal(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split()[1:], "--help"])
    assert ended.value.code == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 120


def test_help_loads_no_extra() -> None:
    code = (
        "import sys\nfrom gradcheck_kit.cli import main\n"
        "try:\n    main(['check', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'hypothesis', 'rich', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_leaves_are_the_commands_that_run() -> None:
    assert all(isinstance(command, Parser) and command.get_default("run") for command in command_line().leaves())

"""`gradcheck-kit check`: right, wrong and odd targets → exit code, words, and nothing of the user's changed."""

import importlib
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gradcheck_kit
from gradcheck_kit.cli import main
from tests.edges.check_targets import AFFINE, ODD, WHOLE, WRONG, Odd, Wrong

PACKAGES = Path(gradcheck_kit.__file__).parents[1]
FEW = "--examples 12"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "layers.py").write_text(AFFINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(arguments: str) -> int:
    return main(["check", *shlex.split(arguments)])


def drawn(name: str, **arrays: object) -> str:
    """Writes arrays to a file in the working directory."""
    np.savez(name, **{key: np.asarray(value) for key, value in arrays.items()})
    return name


RIGHT = {
    "a class": f"layers.py:Affine {WHOLE}",
    "an instance": "layers.py:layer --input x=n,3",
    "an instance with its parameter drawn": "layers.py:layer --input x=n,3 --param W=3,2",
    "a factory": "layers.py:factory --input x=n,3 --param W=3,m",
    "a function pair": "layers.py:product --vjp product_vjp --input x=n,3 --input y=n,3",
    "a class with a constant": "layers.py:Strided --constant step=2 --input x=n,3",
    "another directory": f"../{{folder}}/layers.py:Affine {WHOLE}",
    "in float32 alone": f"layers.py:Affine {WHOLE} --dtype float32",
    "with respect to one": f"layers.py:Affine {WHOLE} --wrt W",
    "a name in a module": f"layers:Affine {WHOLE}",
}


@pytest.mark.parametrize("arguments", RIGHT.values(), ids=RIGHT.keys())
def test_a_right_target_exits_0(arguments: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(f"{arguments.format(folder=folder.name)} {FEW}") == 0
    assert capsys.readouterr().out.startswith("PASS  ")


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.target.partition(":")[2])
def test_a_wrong_layer_exits_1_and_its_cause_input_and_line_are_named(
    wrong: Wrong, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(PACKAGES)
    kept = tmp_path / "kept.json"
    assert main(["check", wrong.target, *wrong.inputs.split(), "--report", str(kept), *FEW.split()]) == 1
    out = capsys.readouterr().out
    assert out.startswith("FAIL  ")
    assert f"({wrong.input}" in out.splitlines()[0]
    assert re.search(rf"\[{wrong.cause}\]|cause: .*{wrong.cause}", out), out

    assert main(["report", "show", str(kept), "--format", "github"]) == 1
    module, name = wrong.target.split(":")
    backward = getattr(importlib.import_module(module), name).backward
    lines, first = inspect.getsourcelines(backward)
    line = first + next(i for i, text in enumerate(lines) if text.lstrip().startswith("def "))
    file = Path(inspect.getsourcefile(backward) or "").relative_to(PACKAGES).as_posix()
    assert capsys.readouterr().out.startswith(f"::error file={file},line={line},title=FAIL  ")


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_what_cannot_be_carried_out_exits_2_and_says_what_to_do(
    odd: Odd, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in odd.files:
        (folder / name).write_text(text, encoding="utf-8")
    assert check(odd.arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("gradcheck-kit: ")
    assert len(error.splitlines()) <= 10, error
    assert "Traceback" not in error
    told = " ".join(error.split())
    for words in odd.words:
        assert words in error or words in told, error


def test_on_a_terminal_prose_is_wrapped_and_code_is_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "raise ValueError('a' + " + " + ".join(["'b'"] * 30) + ")"
    (folder / "broken.py").write_text(f"{code}  # {'c' * 80}\n", encoding="utf-8")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert check("broken.py:Layer --input x=n") == 2
    assert code in capsys.readouterr().err
    assert check("layers.py:layer --input x=n,3 --questions linaerity") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 110


def test_an_error_of_many_lines_keeps_its_beginning_and_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "layers.py:layer", "--input", "x=n," + 20 * "\n"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("gradcheck-kit: --input x=n,")
    assert re.fullmatch(r"… \d+ lines more", lines[7])
    assert lines[-1].startswith("  type --input NAME=AXES")


BAD_OPTIONS = {
    "an unknown option": ("layers.py:layer --inptu x=n", "there is no option --inptu; did you mean '--input'?"),
    "an unknown format": ("layers.py:layer --format jsn", "did you mean 'json'?"),
    "an unknown dtype": ("layers.py:layer --dtype flaot32", "did you mean 'float32'?"),
    "a report of no form": ("layers.py:layer --report all.txt", "end it in .html, .json, .xml, .sarif"),
    "a report nowhere": ("layers.py:layer --report no/all.json", "there is no directory"),
    "no examples": ("layers.py:layer --examples 0", "'0' is no positive integer"),
    "a resolution of 2": ("layers.py:layer --require 2", "no number between 0 and 1"),
    "a budget of nothing": ("layers.py:layer --budget 0", "no positive number of seconds"),
    "an abbreviation": ("layers.py:layer --exam 3", "there is no option --exam"),
    "a word too many": ("layers.py:layer and", "'and' is one word too many"),
}


@pytest.mark.parametrize(("arguments", "words"), BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_a_bad_option_exits_2_before_any_work(
    arguments: str, words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "layers.py").write_text("raise AssertionError('it was imported')", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        check(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_debug_shows_the_traceback(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.py").write_text("import not_installed_anywhere\n", encoding="utf-8")
    assert check("broken.py:Layer --input x=n --debug") == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


# ---------------------------------------------------------------- recorded inputs


def test_recorded_inputs_are_checked_at_that_point(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    drawn("at.npz", x=rng.normal(size=(4, 3)), W=rng.normal(size=(3, 2)), b=rng.normal(size=2))
    assert check("layers.py:Affine --input at.npz --require 1e-9 --questions directional,linearity") == 0
    assert "the gradient of x, W, b agrees" in capsys.readouterr().out


def test_arrays_saved_without_names_go_to_the_forwards_inputs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("at.npz", np.ones(3) * 0.7, np.arange(3.0) + 0.3)
    assert check("layers.py:product --vjp product_vjp --input at.npz") == 0
    assert "the gradient of x, y agrees" in capsys.readouterr().out


def test_a_backward_that_raises_at_recorded_inputs_is_a_failure(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn("at.npz", x=[0.5, 1.5])
    assert check("layers.py:Raises --input at.npz") == 1
    out = capsys.readouterr().out
    assert "the backward raises IndexError" in out
    assert "list index out of range" in out


RECORDED = {
    "arrays of the wrong shape": (
        {"x": np.ones((4, 5)), "W": np.ones((3, 2)), "b": np.ones(2)},
        ("x float64 (4, 5)", "layers.py, line 11: return x @ self.W + self.b", "pass arrays of other shapes"),
    ),
    "an array of objects": ({"x": np.array([1, "a"], dtype=object)}, ("'x' holds Python objects", "dtype=np.float64")),
    "an array of another name": ({"xx": np.ones((4, 3))}, ("no 'xx'; did you mean 'x'?",)),
    "an array that is lacking": ({"x": np.ones((4, 3)), "W": np.ones((3, 2))}, ("made with b",)),
}


@pytest.mark.parametrize(("arrays", "words"), RECORDED.values(), ids=RECORDED.keys())
def test_recorded_inputs_that_do_not_fit_exit_2(
    arrays: dict[str, np.ndarray], words: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(f"layers.py:Affine --input {drawn('at.npz', **arrays)}") == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) <= 10
    told = " ".join(error.split())
    for expected in words:
        assert expected in told, error


# ---------------------------------------------------------------- what becomes of the user's own


def test_what_the_file_prints_does_not_reach_standard_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy = f"print('on import')\n{AFFINE}".replace("self.x = x\n", "self.x = x; print('in forward')\n")
    (folder / "layers.py").write_text(noisy, encoding="utf-8")
    assert check(f"layers.py:layer --input x=n,3 --format json {FEW}") == 0
    out, error = capsys.readouterr()
    assert json.loads(out)["verdict"] == "PASS"
    assert "on import" in error
    assert "in forward" in error


def test_the_import_leaves_no_file_no_module_and_no_path(folder: Path) -> None:
    (folder / "beside.py").write_text("factor = 2\n", encoding="utf-8")
    (folder / "layers.py").write_text(f"import beside\n{AFFINE}", encoding="utf-8")
    before = list(sys.path), set(sys.modules), sys.dont_write_bytecode
    files = sorted(folder.rglob("*"))
    assert check(f"layers.py:layer --input x=n,3 {FEW}") == 0
    assert sorted(folder.rglob("*")) == files
    assert (list(sys.path), sys.dont_write_bytecode) == (before[0], before[2])
    assert {"layers", "beside"}.isdisjoint(set(sys.modules) - before[1])


def test_a_file_may_be_called_like_a_module_of_pythons(folder: Path) -> None:
    standard = sys.modules["json"]
    (folder / "json.py").write_text(AFFINE, encoding="utf-8")
    assert check(f"json.py:layer --input x=n,3 {FEW}") == 0
    assert sys.modules["json"] is standard


def test_a_file_in_a_package_may_import_relatively(folder: Path) -> None:
    package = folder / "my_package_under_check"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "base.py").write_text(AFFINE, encoding="utf-8")
    (package / "layers.py").write_text("from .base import Affine\n", encoding="utf-8")
    assert check(f"my_package_under_check/layers.py:Affine {WHOLE} {FEW}") == 0
    assert not [name for name in sys.modules if name.startswith("my_package_under_check")]


@pytest.mark.parametrize(
    ("where", "typed", "told"),
    [
        (".", "loose.layers:Affine", "it is in {source}: go there, or set PYTHONPATH to that"),
        ("source/loose", "loose.layers:Affine", "it is in {source}: go there, or set PYTHONPATH to that"),
        (".", "source/loose/relative.py:Affine", "in {source} type loose.relative:Name"),
        (".", "source/loose/absolute.py:Affine", "in {source} type loose.absolute:Name"),
        ("source/loose", "absolute:Affine", "in {source} type loose.absolute:Name"),
    ],
)
def test_a_package_without_an_init_is_told_how_to_be_named(
    where: str, typed: str, told: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = folder / "source" / "loose"
    package.mkdir(parents=True)
    (package / "layers.py").write_text(AFFINE, encoding="utf-8")
    (package / "relative.py").write_text("from .layers import Affine\n", encoding="utf-8")
    (package / "absolute.py").write_text("from loose.layers import Affine\n", encoding="utf-8")
    monkeypatch.chdir(folder / where)
    assert check(f"{typed} {WHOLE}") == 2
    assert told.format(source=folder / "source") in " ".join(capsys.readouterr().err.split())
    monkeypatch.chdir(folder / "source")
    assert check(f"loose.{'relative' if 'relative' in typed else 'absolute'}:Affine {WHOLE} {FEW}") == 0


def test_a_package_of_the_same_name_from_elsewhere_is_not_taken_for_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ("installed", "here"):
        package = folder / place / "twice_there"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("", encoding="utf-8")
        (package / "layers.py").write_text(AFFINE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder / "installed"))
    module = importlib.import_module("twice_there.layers")
    assert check(f"here/twice_there/layers.py:Affine {WHOLE}") == 2
    assert "another twice_there.layers is installed" in " ".join(capsys.readouterr().err.split())
    assert sys.modules["twice_there.layers"] is module
    del sys.modules["twice_there.layers"], sys.modules["twice_there"]


# ---------------------------------------------------------------- configuration and output


def test_the_configuration_gives_defaults_and_the_options_win(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = '[tool.gradcheck_kit]\nseed = 11\nexamples = 3\nformat = "json"\ndtype = "float32"\n'
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    check("layers.py:layer --input x=n,3 --seed 12")
    (entry,) = json.loads(capsys.readouterr().out)["subjects"]
    assert (entry["seed"], entry["dtype"], entry["exploration"]["examples"] <= 3) == (12, "float32", True)


def test_quiet_says_nothing_of_a_pass_and_all_of_a_failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(f"layers.py:layer --input x=n,3 --quiet {FEW}") == 0
    assert capsys.readouterr() == ("", "")
    assert check("layers.py:Raises --input x=n,3 --quiet") == 1
    assert "the backward raises IndexError" in capsys.readouterr().out


def test_a_budget_ends_the_search(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("layers.py:layer --input x=n,3 --budget 1e-9 --format json") in (0, 3)
    (entry,) = json.loads(capsys.readouterr().out)["subjects"]
    assert entry["exploration"]["examples"] == 1


def test_an_undecided_check_exits_3(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn("at.npz", x=np.ones((0, 3)))
    assert check("layers.py:layer --input at.npz") == 3
    assert capsys.readouterr().out.startswith("INCONCLUSIVE  ")


def test_an_interrupted_check_exits_130(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "stops.py").write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    assert check("stops.py:Layer --input x=n") == 130
    assert capsys.readouterr().err == "gradcheck-kit: interrupted\n"


def test_colour_is_for_terminals_and_no_color_is_honoured(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed() -> str:
        check(f"layers.py:layer --input x=n,3 {FEW}")
        return capsys.readouterr().out

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b" not in printed()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert printed().startswith("\x1b[32mPASS\x1b[0m  ")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in printed()


def test_progress_is_shown_on_a_terminal_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check(f"layers.py:layer --input x=n,3 {FEW}")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    check(f"layers.py:layer --input x=n,3 {FEW}")
    assert "1 of 12 inputs tried" in capsys.readouterr().err


def test_a_terminal_without_the_letters_gets_them_escaped(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGES), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-m", "gradcheck_kit", "check", "layers.py:Raises", "--input", "x=n,3"],
        env={**environment, "PYTHONIOENCODING": "ascii"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "\\u2717 the backward raises IndexError" in done.stdout


IN_A_PROCESS = {
    "a right layer": (f"layers.py:Affine {WHOLE} {FEW}", 0, "PASS Affine"),
    "a function without VJP": ("layers.py:product --input x=n --input y=n", 2, "pass --vjp NAME, called as"),
    "torch's device without torch": ("layers.py:layer --input x=n,3 --device cuda", 2, "NumPy computes on the CPU"),
}


@pytest.mark.parametrize(("arguments", "code", "words"), IN_A_PROCESS.values(), ids=IN_A_PROCESS.keys())
def test_in_a_process_of_its_own_a_numpy_layer_is_checked_without_loading_torch(
    arguments: str, code: int, words: str, folder: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGES), os.environ.get("PYTHONPATH", "")])}
    script = (
        f"import sys; from gradcheck_kit.cli import main; rc = main({['check', *arguments.split()]!r}); "
        "sys.exit(rc if 'torch' not in sys.modules else 99)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert words in " ".join((done.stdout + done.stderr).split())

"""`gradcheck-kit parity`: verdicts, bad calls, two dtypes, the picture and the page."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradcheck_kit.cli import layer_rows, main, parity_options
from gradcheck_kit.cli.mnist_networks import OPTIMIZERS
from reference_impls.optimizers import SGD
from tests.edges.parity_runs import EPOCHS, ROOT, SHORT, Capture, left_behind, parity, told
from tests.pages import expect_a_picture, expect_no_markup, parsed

pytestmark = pytest.mark.usefixtures("folder")


# ---------------------------------------------------------------- verdicts


def test_two_right_programs_exit_0_and_the_json_holds_the_facts(folder: Path, capsys: Capture) -> None:
    assert parity("candidate", "--json", "out.json") == 0
    said = told("out.json")
    assert (said["schema"], said["verdict"], said["divergence"], said["epochs"]) == (1, "PASS", None, EPOCHS)
    assert said["worst_of_law"] <= 1
    assert {"environment", "settings", "seed", "trace", "notes", "schedule"} <= said.keys()
    for side in ("reference", "candidate"):
        assert len(said[side]["train_loss"]) == len(said[side]["test_accuracy"]) == EPOCHS
    out, error = capsys.readouterr()
    assert "PASS: candidate beside reference" in out
    assert "epoch 4 of 4, batch loss candidate" in error
    assert left_behind(folder) == [], "a run that is done leaves nothing in the cache"


def test_a_late_difference_exits_1_and_says_when_where_and_why(capsys: Capture) -> None:
    assert parity("late", "--json", "out.json") == 1
    first = told("out.json")["divergence"]
    assert (first["step"], first["stage"], first["cause"]) == (18, "update", "learning-rate")
    assert "first at step 18 (epoch 3, batch 4)" in capsys.readouterr().out


def test_a_loss_that_did_not_fall_exits_3() -> None:
    arguments = ["parity", "pair.py:reference", "pair.py:candidate", "--epochs", "1", "--batch", "130"]
    assert main(arguments) == 3


def test_the_module_may_bring_its_own_schedule_batches_and_start(folder: Path, capsys: Capture) -> None:
    with (folder / "pair.py").open("a", encoding="utf-8") as file:
        file.write(
            "\nfrom gradcheck_kit.side_by_side.schedule import Schedule\n"
            "start = {name: np.asarray(p) for name, p in made('', 5).parameters().items()}\n"
            "schedule = Schedule(start, 100, 50, 3, 9)\n"
            "def batch(indices): return inputs[indices], labels[indices]\n"
        )
    assert parity("candidate") == 2
    assert "--epochs, --batch: pair.py brings its own schedule" in capsys.readouterr().err
    assert main(["parity", "pair.py:reference", "pair.py:candidate", "--json", "out.json"]) == 0
    assert told("out.json")["schedule"].items() >= {"examples": 100, "batch_size": 50, "epochs": 3, "seed": 9}.items()


# ---------------------------------------------------------------- bad calls

BAD_CALLS: dict[str, tuple[list[str], str]] = {
    "one side": (["pair.py:reference"], "takes mnist, or a reference and a candidate"),
    "three sides": (["pair.py:reference"] * 3, "takes mnist, or a reference and a candidate"),
    "an option of mnist": (["pair.py:reference", "pair.py:candidate", "--lr", "0.1"], "--lr: of parity mnist alone"),
    "no such name": (["pair.py:reference", "pair.py:candidat"], "candidate"),
    "no such file": (["pai.py:reference", "pair.py:candidate"], "pai.py"),
    "no trainee": (["pair.py:reference", "pair.py:no_trainee"], "gives a float, which lacks load"),
    "one trainee twice": (["pair.py:one_trainee", "pair.py:one_trainee"], "are one trainee; name two"),
    "no such device": (["mnist", "--device", "cuda:99"], "cuda:99"),
    "TF32 on the CPU": (["mnist", "--precision", "tf32"], "the CPU has no TF32; type --device cuda too"),
    "fewer digits of float64": (
        ["mnist", "--precision", "bfloat16", "--dtype", "float64"],
        "rounds products of float32; leave --dtype float64 out",
    ),
    "a precision without autocast": (
        ["mnist", "--precision", "float16"],
        "parity mnist has tf32 (on CUDA) and bfloat16",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_a_bad_call_exits_2_and_says_what_to_type(arguments: list[str], words: str, capsys: Capture) -> None:
    assert main(["parity", *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--lr", "0"],
        ["--lr", "x"],
        ["--optimizer", "sdg"],
        ["--json", "/no/such/x"],
        ["--html", "/no/such/x"],
        ["--html", "/tmp"],
    ],
)
def test_an_option_that_cannot_be_is_refused_before_any_work(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as code:
        main(["parity", "mnist", *arguments])
    assert code.value.code == 2


BAD_MODULES = {
    "no data": ("del data", "gives no data; write data = inputs, labels"),
    "one array": ("data = inputs", "write data = inputs, labels"),
    "unequal": ("data = inputs, labels[1:]", "130 inputs and 129 labels"),
    "no schedule": ("def batch(i): return inputs[i], labels[i]", "gives a batch function and no schedule"),
    "wrong schedule": ("schedule = 3", "schedule is a int"),
    "another start": ("start = {'0.W': inputs}", "the schedule has ['0.W']"),
    "data that raise": ("def data(): raise ValueError('planted')", "ValueError: planted\n  pair.py, line"),
}


@pytest.mark.parametrize(("line", "words"), BAD_MODULES.values(), ids=BAD_MODULES.keys())
def test_a_module_that_lacks_something_is_told_what(folder: Path, line: str, words: str, capsys: Capture) -> None:
    with (folder / "pair.py").open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    assert parity("candidate") == 2
    assert words in capsys.readouterr().err


def test_a_long_error_of_the_users_is_cut(folder: Path, capsys: Capture) -> None:
    with (folder / "pair.py").open("a", encoding="utf-8") as file:
        file.write("\ndef data(): raise ValueError('\\n'.join(map(str, range(100))))\n")
    assert parity("candidate") == 2
    assert len(capsys.readouterr().err.splitlines()) <= 11


def test_an_error_in_the_users_step_exits_2_with_its_line(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("PARITY_STEPS", "9")
    monkeypatch.setenv("PARITY_FATE", "raises")
    assert parity("struck") == 2
    error = capsys.readouterr().err
    assert "ZeroDivisionError: planted" in error
    assert 'raise ZeroDivisionError("planted")' in error


# ---------------------------------------------------------------- two dtypes

IN_TORCH = """
import torch
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from pair import data, reference, test

LAYOUT = {f"{i}.W": (f"{2 * i}.weight", True) for i in (0, 1)} | {f"{i}.b": (f"{2 * i}.bias", False) for i in (0, 1)}


def of(dtype):
    module = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3)).to(dtype)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    return TorchTrainee("torch", module, optimizer, torch.nn.functional.cross_entropy, LAYOUT)


def single():
    return of(torch.float32)


def half():
    return of(torch.bfloat16)
"""
TWO_DTYPES: dict[str, tuple[list[str], int, str]] = {
    "not declared": (
        ["single"],
        2,
        'or pass precision="float32" (--precision float32) if the fewer digits are intended',
    ),
    "declared": (
        ["single", "--precision", "float32"],
        0,
        "in float64 (reference) and float32 (torch): the same computation",
    ),
    "coarser than declared": (["half", "--precision", "tf32"], 2, "a precision is the coarsest format of the run"),
    "parameters in half": (
        ["half", "--precision", "bfloat16"],
        3,
        "torch's parameters are bfloat16, and rounding left",
    ),
}


@pytest.mark.parametrize("name", TWO_DTYPES)
def test_a_pair_of_two_dtypes_is_compared_where_the_coarser_is_declared(
    name: str, folder: Path, capsys: Capture
) -> None:
    (candidate, *more), code, words = TWO_DTYPES[name]
    (folder / "few.py").write_text(IN_TORCH, encoding="utf-8")
    assert main(["parity", "few.py:reference", f"few.py:{candidate}", *SHORT, *more]) == code
    assert words in " ".join("".join(capsys.readouterr()).split())


# ---------------------------------------------------------------- the picture and the page


def test_the_picture_is_drawn_of_every_kind_of_report(folder: Path) -> None:
    with (folder / "pair.py").open("a", encoding="utf-8") as file:
        file.write("\ndef far(): return made('far', 2, lr=1e200)\n")
    for candidate, code in (("candidate", 0), ("late", 1), ("far", 1)):
        with np.errstate(all="ignore"):
            assert parity(candidate, "--plot", f"{candidate}.png") == code
        assert (folder / f"{candidate}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("candidate", "code"), [("candidate", 0), ("late", 1), ("far", 1)])
def test_the_page_says_what_the_terminal_says(folder: Path, candidate: str, code: int, capsys: Capture) -> None:
    with (folder / "pair.py").open("a", encoding="utf-8") as file:
        file.write("\ndef far(): return made('far', 2, lr=1e200)\n")
    with np.errstate(all="ignore"):
        assert parity(candidate, "--html", "out.html", "--json", "out.json") == code
    page, said = Path("out.html").read_text(encoding="utf-8"), told("out.json")
    expect_no_markup(page)
    for picture in re.findall(r"<svg viewBox.*?</svg>", page):
        expect_a_picture(picture)
    shown = " ".join("".join(parsed(page).texts).split())
    for line in capsys.readouterr().out.splitlines():
        if line.startswith(("  when", "  where", "  why", "  law", "  fact")):
            assert " ".join(line[9:].split()) in shown
    assert said["schedule"]["fingerprint"] in shown
    assert said["settings"]["code"]["pair.py:reference"] in shown
    assert said["environment"]["numpy"] in shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full: a full disk was not met")
def test_a_disk_that_is_full_when_the_page_is_written_loses_no_training(capsys: Capture) -> None:
    assert parity("candidate", "--html", "/dev/full") == 2
    assert "cannot write /dev/full: No space left on device" in capsys.readouterr().err
    assert parity("candidate", "--html", "out.html", "--resume") == 0
    assert "going on after epoch 4 of 4" in capsys.readouterr().err
    assert Path("out.html").exists()


# ---------------------------------------------------------------- verify, whose training runs are told the same way


class TooFast(SGD):
    """Learns a millionth too fast."""

    def __init__(self, params: dict[str, Any], lr: float) -> None:
        super().__init__(params, lr * (1 + 1e-6))


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("planted", [False, True])
def test_verify_says_when_where_and_why_its_training_runs_parted(
    planted: bool, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(layer_rows, "rows", lambda *_: iter(()))
    if planted:
        monkeypatch.setitem(OPTIMIZERS, "sgd", replace(OPTIMIZERS["sgd"], ours=TooFast))
    assert main(["verify", "--device", "cpu", "--epochs", "2"]) == int(planted)
    out = capsys.readouterr().out
    of_float64 = out[: out.index("float32, epoch")]
    shown = re.findall(r"^  (when|where|why) +(.*)", of_float64, re.MULTILINE)
    assert [label for label, _ in shown] == (["when", "where", "why"] if planted else [])
    if planted:
        assert shown[0][1].startswith("first at step 1 (epoch 1, batch 1)")
        assert shown[1][1].startswith("update, ")
        assert shown[2][1].startswith("learning-rate: the step of ")


def test_the_pair_of_the_page_is_the_same_computation(folder: Path, capsys: Capture) -> None:
    page = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
    by_hand = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[0]
    (pair,) = re.findall(r"^```py\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (folder / "by_hand.py").write_text(by_hand, encoding="utf-8")
    (folder / "pair.py").write_text(pair, encoding="utf-8")
    own = [line for line in pair.splitlines() if line.strip() and "import" not in line and line[0] != "#"]
    assert len(own) < 10
    assert parity("candidate") == 0
    assert "PASS: by hand beside torch" in capsys.readouterr().out


def test_every_command_of_the_page_is_one_that_the_parser_takes() -> None:
    page = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    known = {f"--{name}" for name in ("epochs", "batch", "seed", "json", "html", "plot", "resume", "checkpoint")}
    known |= {"--precision"}
    known |= {f"--{name.replace('_', '-')}" for name in parity_options.OF_MNIST}
    assert set(re.findall(r"--[a-z-]+", block)) <= known

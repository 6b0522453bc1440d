"""`gradcheck-kit parity`: verdicts, runs that are killed and taken up again, bad calls, and the picture."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcheck_kit
from gradcheck_kit.cli import layer_rows, main, mnist_run, parity_options
from gradcheck_kit.cli.checkpoint_file import NAME, CheckpointFile
from gradcheck_kit.cli.mnist_networks import MODELS, OPTIMIZERS
from gradcheck_kit.subject import UsageError
from reference_impls.datasets import mnist
from reference_impls.optimizers import SGD
from tests.pages import expect_a_picture, expect_no_markup, parsed

ROOT = Path(gradcheck_kit.__file__).parents[1]
SHORT = ("--epochs", "4", "--batch", "20")  # seven steps an epoch, the last of a partial batch
EPOCHS, STEPS = 4, 28

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the pair lies and the command runs, with a cache of its own."""
    shutil.copy(Path(__file__).with_name("parity_pair.py"), tmp_path / "pair.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


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


# ---------------------------------------------------------------- killed, interrupted, and taken up again


def in_a_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gradcheck_kit", "parity", "pair.py:reference", "pair.py:struck", *SHORT, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_killed_at_random_steps_and_resumed_ends_as_the_uninterrupted_one() -> None:
    assert parity("struck", "--json", "whole.json", "--checkpoint", "whole") == 1
    steps = np.random.default_rng(5).integers(8, 15, 3)  # each more than an epoch, which is not lost
    for step in steps:
        done = in_a_process(
            *("--resume", "--checkpoint", "kept", "--json", "out.json"), PARITY_STEPS=str(step), PARITY_FATE="killed"
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert not Path("out.json").exists()
    assert parity("struck", "--resume", "--checkpoint", "kept", "--json", "out.json") == 1
    assert told("out.json") == told("whole.json")
    with np.load(f"kept/{NAME}") as mine, np.load(f"whole/{NAME}") as other:
        assert set(mine.files) == set(other.files)
        for name in set(mine.files) - {"trace/seconds"}:
            assert np.array_equal(mine[name], other[name], equal_nan=mine[name].dtype.kind == "f"), name


@pytest.mark.parametrize("step", [1, 7, 8, 17, 18, 21, 27])
def test_an_interruption_at_any_step_loses_at_most_an_epoch(
    step: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    assert parity("struck", "--json", "whole.json") == 1
    monkeypatch.setenv("PARITY_STEPS", str(step))
    monkeypatch.setenv("PARITY_FATE", "interrupted")
    assert parity("struck") == 130
    error = capsys.readouterr().err
    kept = re.search(r"same command with --resume goes on", error) is not None
    assert kept == (step > 7)
    monkeypatch.delenv("PARITY_STEPS")
    assert parity("struck", "--resume", "--json", "out.json") == 1
    error = capsys.readouterr().err
    assert f"going on after epoch {(step - 1) // 7} of 4" in error or step <= 7
    assert told("out.json") == told("whole.json")


def test_a_finished_run_that_was_kept_says_the_same_again(capsys: Capture) -> None:
    assert parity("late", "--checkpoint", "kept", "--json", "one.json") == 1
    assert parity("late", "--checkpoint", "kept", "--json", "two.json", "--resume") == 1
    assert "going on after epoch 4 of 4" in capsys.readouterr().err
    assert told("one.json") == told("two.json")


OTHERS: dict[str, tuple[tuple[str, ...], str]] = {
    "epochs": (("--epochs", "5"), "schedule"),
    "seed": (("--seed", "1"), "schedule"),
    "batch": (("--batch", "10"), "schedule"),
}


@pytest.mark.parametrize(("other", "words"), OTHERS.values(), ids=OTHERS.keys())
def test_a_checkpoint_of_other_options_is_refused_and_left_alone(
    other: tuple[str, ...], words: str, capsys: Capture
) -> None:
    assert parity("candidate", "--checkpoint", "kept") == 0
    before = Path(f"kept/{NAME}").read_bytes()
    for resume in ((), ("--resume",)):  # a run that begins must not write over another's progress either
        assert parity("candidate", *other, "--checkpoint", "kept", *resume) == 2
        error = capsys.readouterr().err
        assert "is of another run" in error
        assert words in error
    assert Path(f"kept/{NAME}").read_bytes() == before


def test_a_checkpoint_of_edited_code_or_of_another_pair_is_refused(folder: Path, capsys: Capture) -> None:
    assert parity("candidate", "--checkpoint", "kept") == 0
    assert parity("late", "--checkpoint", "kept", "--resume") == 2
    assert "its sides is pair.py:reference pair.py:candidate, here pair.py:reference" in capsys.readouterr().err
    with (folder / "pair.py").open("a", encoding="utf-8") as file:
        file.write("# edited\n")
    assert parity("candidate", "--checkpoint", "kept", "--resume") == 2
    assert "its code of pair.py:reference is" in capsys.readouterr().err


def test_a_checkpoint_of_edited_code_that_a_side_imports_is_refused(folder: Path, capsys: Capture) -> None:
    (folder / "layers.py").write_text("SCALE = 1.0\n", encoding="utf-8")
    with (folder / "pair.py").open("a", encoding="utf-8") as file:
        file.write("import layers\n")
    assert parity("candidate", "--checkpoint", "kept") == 0
    assert parity("candidate", "--checkpoint", "kept", "--resume") == 0
    (folder / "layers.py").write_text("SCALE = 2.0\n", encoding="utf-8")
    capsys.readouterr()
    assert parity("candidate", "--checkpoint", "kept", "--resume") == 2
    told = capsys.readouterr().err
    assert "its code of layers.py is" in told
    assert "code of pair.py" not in told


@pytest.mark.parametrize("content", [b"", b"PK\3\4 cut off", b"no archive at all"])
def test_a_damaged_checkpoint_is_named(folder: Path, content: bytes, capsys: Capture) -> None:
    (folder / "kept").mkdir()
    (folder / "kept" / NAME).write_bytes(content)
    assert parity("candidate", "--checkpoint", "kept", "--resume") == 2
    assert f"kept/{NAME} is no checkpoint" in capsys.readouterr().err


def test_a_save_that_fails_leaves_the_file_before_and_no_half_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = CheckpointFile(folder / "kept", {"a": 1})
    file.save({"x": np.arange(3)})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        file.save({"x": np.arange(4)})
    loaded = file.load()
    assert loaded is not None
    assert loaded["x"].tolist() == [0, 1, 2]
    assert left_behind(folder) == [NAME]


def test_what_a_kill_in_a_save_left_is_swept_and_a_save_in_progress_is_not(folder: Path) -> None:
    file = CheckpointFile(folder, {})
    old, young = folder / f"{NAME}.1.partial", folder / f"{NAME}.2.partial"
    for partial in (old, young):
        partial.write_bytes(b"half")
    os.utime(old, (1e9, 1e9))
    file.save({"x": np.arange(3)})
    assert not old.exists()
    assert young.exists()


def test_a_trainee_without_state_is_trained_without_checkpoints_and_says_so(capsys: Capture) -> None:
    assert parity("WithoutState", "--json", "out.json") == 0
    assert told("out.json")["candidate"]["test_accuracy"] == [], "it offers none"
    assert "no checkpoints: without state has no state" in capsys.readouterr().err
    assert parity("WithoutState", "--resume") == 2
    assert "without state has no state() and no load_state()" in capsys.readouterr().err


@pytest.mark.parametrize(("side", "layer"), [("dropping", "2 Dropout"), ("torch_dropping", "1 Dropout")])
def test_a_trainee_whose_state_does_not_hold_its_randomness_is_not_taken_up_again(
    side: str, layer: str, capsys: Capture
) -> None:
    assert parity(side, "--resume", reference=side) == 2
    assert f"does not hold that of {layer}" in capsys.readouterr().err


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


# ---------------------------------------------------------------- MNIST


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """250 images of blobs where the real data are loaded; those have checksums that no others fulfil."""
    generator = np.random.default_rng(0)
    labels = (np.arange(300) % 10).astype(np.uint8)
    blobs = generator.integers(0, 256, (10, 28, 28))
    images = (0.7 * blobs[labels] + 0.3 * generator.integers(0, 256, (300, 28, 28))).astype(np.uint8)
    data = mnist.MNIST(images[:250], labels[:250], images[250:], labels[250:])
    monkeypatch.setattr(mnist_run.mnist, "load", lambda *_, **__: data)


def test_the_choices_of_the_command_line_are_those_that_can_be_trained() -> None:
    assert set(parity_options.MODELS) == set(MODELS)
    assert set(parity_options.OPTIMIZERS) == set(OPTIMIZERS)


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("optimizer", parity_options.OPTIMIZERS)
def test_every_optimiser_is_the_same_computation_as_torchs(optimizer: str) -> None:
    arguments = ["parity", "mnist", "--optimizer", optimizer, "--epochs", "2", "--batch", "60"]
    assert main([*arguments, "--json", "out.json"]) == 0
    said = told("out.json")
    assert said["settings"].items() >= {"optimizer": optimizer, "lr": OPTIMIZERS[optimizer].lr, "model": "mlp"}.items()
    assert said["accuracy_bar"] is None, "measured for batches of 100 alone"


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("dtype", parity_options.DTYPES)
def test_lenet_is_the_same_computation_in_either_dtype(dtype: str) -> None:
    arguments = ["parity", "mnist", "--model", "lenet", "--optimizer", "adam", "--dtype", dtype]
    assert main([*arguments, "--epochs", "2", "--batch", "70", "--json", "out.json"]) == 0
    said = told("out.json")
    assert (said["dtype"], said["replayed"]) == (dtype, dtype == "float32")


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("model", parity_options.MODELS)
def test_products_in_bfloat16_are_the_same_computation_where_that_is_asked_for(model: str, capsys: Capture) -> None:
    arguments = ["parity", "mnist", "--model", model, "--optimizer", "adam", "--precision", "bfloat16"]
    assert main([*arguments, "--epochs", "2", "--batch", "70", "--json", "out.json", "--plot", "out.png"]) == 0
    said = told("out.json")
    assert said["settings"].items() >= {"dtype": "float32", "precision": "bfloat16"}.items()
    assert (said["digits"], said["replayed"]) == ("float32, products in bfloat16", True)
    assert "in float32, products in bfloat16: the same computation" in capsys.readouterr().out


@pytest.mark.usefixtures("few_digits")
def test_a_run_in_fewer_digits_is_taken_up_again_and_a_checkpoint_of_others_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    arguments = ["parity", "mnist", "--precision", "bfloat16", "--epochs", "3", "--batch", "70"]
    assert main([*arguments, "--json", "whole.json"]) in (0, 3)
    kept = [*arguments, "--checkpoint", "kept"]
    epoch, done = mnist_run.TrainingRun.epoch, []

    def interrupted(run: Any, progress: Any = None) -> None:
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(None)
        epoch(run, progress)

    with monkeypatch.context() as patch:
        patch.setattr(mnist_run.TrainingRun, "epoch", interrupted)
        assert main(kept) == 130
    assert main([*kept[:2], *kept[4:], "--dtype", "float32", "--resume"]) == 2
    assert "its precision is bfloat16, here None" in capsys.readouterr().err
    assert main([*kept, "--resume", "--json", "resumed.json"]) in (0, 3)
    whole, resumed = told("whole.json"), told("resumed.json")
    assert whole["trace"] == resumed["trace"]
    assert whole["by_step"] == resumed["by_step"]


@pytest.mark.usefixtures("few_digits")
def test_a_checkpoint_of_another_learning_rate_is_refused_by_name(capsys: Capture) -> None:
    arguments = ["parity", "mnist", "--epochs", "2", "--batch", "60", "--checkpoint", "kept"]
    assert main(arguments) in (0, 3)
    assert main([*arguments, "--resume", "--lr", "0.05"]) == 2
    assert "its lr is 0.1, here 0.05" in capsys.readouterr().err


@pytest.mark.usefixtures("few_digits")
def test_a_bar_that_is_missed_is_a_fact_and_no_verdict(capsys: Capture) -> None:
    assert main(["parity", "mnist", "--lr", "0.1", "--epochs", "2", "--json", "out.json"]) == 0
    bar = told("out.json")["accuracy_bar"]
    assert bar["bar"] == 0.91
    assert f"right programs reach 91.0%: {'reached' if bar['reached'] else 'not reached'}" in capsys.readouterr().out


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


def test_a_page_of_a_run_that_was_interrupted_and_resumed_is_the_same_page(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parity("struck", "--html", "whole.html") == 1
    monkeypatch.setenv("PARITY_STEPS", "16")
    monkeypatch.setenv("PARITY_FATE", "interrupted")
    assert parity("struck", "--html", "out.html") == 130
    assert not Path("out.html").exists()
    monkeypatch.delenv("PARITY_STEPS")
    assert parity("struck", "--html", "out.html", "--resume") == 1
    assert Path("out.html").read_bytes() == Path("whole.html").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full: a full disk was not met")
def test_a_disk_that_is_full_when_the_page_is_written_loses_no_training(capsys: Capture) -> None:
    assert parity("candidate", "--html", "/dev/full") == 2
    assert "cannot write /dev/full: No space left on device" in capsys.readouterr().err
    assert parity("candidate", "--html", "out.html", "--resume") == 0
    assert "going on after epoch 4 of 4" in capsys.readouterr().err
    assert Path("out.html").exists()


@pytest.mark.usefixtures("few_digits")
def test_the_page_of_mnist_tells_whether_the_bar_was_reached() -> None:
    assert main(["parity", "mnist", "--lr", "0.1", "--epochs", "2", "--html", "out.html", "--json", "out.json"]) == 0
    shown = " ".join(parsed(Path("out.html").read_text(encoding="utf-8")).texts)
    reached = told("out.json")["accuracy_bar"]["reached"]
    assert f"where right programs reach 91.0%: {'reached' if reached else 'not reached'}" in shown
    for what in ("NumPy beside torch cpu", "optimizer", "sgd"):
        assert what in shown


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

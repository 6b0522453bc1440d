"""`gradcheck-kit parity`: a run that was killed or interrupted is taken up again, and ends as if it had not been."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradcheck_kit.cli.checkpoint_file import NAME, CheckpointFile
from gradcheck_kit.subject import UsageError
from tests.edges.parity_runs import ROOT, SHORT, Capture, left_behind, parity, told

pytestmark = pytest.mark.usefixtures("folder")


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


def test_a_page_of_a_run_that_was_interrupted_and_resumed_is_the_same_page(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parity("struck", "--html", "whole.html") == 1
    monkeypatch.setenv("PARITY_STEPS", "16")
    monkeypatch.setenv("PARITY_FATE", "interrupted")
    assert parity("struck", "--html", "out.html") == 130
    assert not Path("out.html").exists()
    monkeypatch.delenv("PARITY_STEPS")
    assert parity("struck", "--html", "out.html", "--resume") == 1
    assert Path("out.html").read_bytes() == Path("whole.html").read_bytes()

"""The main job on real data: NumPy beside torch on the full MNIST, as the command line runs it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradcheck_kit.cli import mnist_networks, mnist_run
from gradcheck_kit.cli.mnist_run import Setting
from gradcheck_kit.verdict import Verdict
from reference_impls.optimizers import SGD

pytestmark = pytest.mark.mnist


def test_verify_ends_with_pass_and_both_sides_learn(tmp_path: Path) -> None:
    report, picture = tmp_path / "out.json", tmp_path / "out.png"
    arguments = ["verify", "--device", "cpu", "--json", str(report), "--plot", str(picture)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "gradcheck_kit", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verdict: same computation" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")

    parity = json.loads(report.read_text(encoding="utf-8"))["parity"]
    assert (parity["verdict"], parity["epochs"], parity["dtype"]) == ("PASS", 5, "float64")
    assert parity["max_loss_difference"] < 1e-14
    assert parity["worst_of_law"] < 1
    for side in (parity["reference"], parity["candidate"]):
        assert len(side["train_loss"]) == len(side["test_accuracy"]) == 5
        assert side["train_loss"] == sorted(side["train_loss"], reverse=True)
        assert side["train_loss"][-1] < 0.15 * 2.3
        assert side["test_accuracy"][-1] >= 0.95
    assert [beside["dtype"] for beside in parity["beside"]] == ["float32"]


class OneStepTooFar(SGD):
    """Learns a millionth too fast."""

    def __init__(self, params: dict[str, np.ndarray], lr: float) -> None:
        super().__init__(params, lr * (1 + 1e-6))


def test_a_learning_rate_that_is_off_by_a_millionth_is_another_computation_from_the_first_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    too_far = replace(mnist_networks.OPTIMIZERS["sgd"], ours=OneStepTooFar)
    monkeypatch.setitem(mnist_networks.OPTIMIZERS, "sgd", too_far)
    data = mnist_run.load(None)
    plan = mnist_run.schedule(Setting(), seed=0, epochs=1, examples=len(data.train_labels))
    run = mnist_run.training(data, plan, Setting())
    run.epoch()
    report = run.report("one step too far")
    assert report.verdict is Verdict.FAIL
    assert report.divergence is not None
    assert report.divergence.step == 1
    assert abs(report.candidate.test_accuracy[-1] - report.reference.test_accuracy[-1]) < 0.001, "which accuracy misses"

"""`gradcheck-kit parity mnist`: our networks beside torch, in float64 and in fewer digits, and the bar of accuracy."""

from pathlib import Path
from typing import Any

import pytest

from gradcheck_kit.cli import main, mnist_run, parity_options
from gradcheck_kit.cli.mnist_networks import MODELS, OPTIMIZERS
from tests.edges.parity_runs import Capture, told
from tests.pages import parsed

pytestmark = pytest.mark.usefixtures("folder")


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


@pytest.mark.usefixtures("few_digits")
def test_the_page_of_mnist_tells_whether_the_bar_was_reached() -> None:
    assert main(["parity", "mnist", "--lr", "0.1", "--epochs", "2", "--html", "out.html", "--json", "out.json"]) == 0
    shown = " ".join(parsed(Path("out.html").read_text(encoding="utf-8")).texts)
    reached = told("out.json")["accuracy_bar"]["reached"]
    assert f"where right programs reach 91.0%: {'reached' if reached else 'not reached'}" in shown
    for what in ("NumPy beside torch cpu", "optimizer", "sgd"):
        assert what in shown

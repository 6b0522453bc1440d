"""Where and why two training runs part, and that rounding alone is no difference."""

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gradcheck_kit as gk
from benchmarks import benign_rewrites, kinds_of_difference, parity_settings
from benchmarks import parity as benchmark
from benchmarks.parity_settings import OPTIMISERS, Data, schedule, torch_reference
from benchmarks.planted_differences import Kind, Planted
from gradcheck_kit.side_by_side.scene import twin_of
from gradcheck_kit.side_by_side.training import ParityReport, train_parity
from gradcheck_kit.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2]
DATA = parity_settings.synthetic(examples=250, tests=50, side=20)

# One optimiser of each kind: the one in which least else hides it.
SLICE = {name: kind.on[len(name) % len(kind.on)] for name, kind in kinds_of_difference.KINDS.items()}


@pytest.mark.parametrize("name", SLICE)
def test_a_planted_difference_is_seen_in_time_where_it_is_and_why(name: str) -> None:
    row = benchmark.row(kinds_of_difference.KINDS[name], SLICE[name], DATA)
    assert row.in_time, row
    assert row.placed, row
    assert row.named, row


def test_the_table_has_forty_kinds_and_asks_for_the_cause_of_thirty() -> None:
    asked = [kind for kind in kinds_of_difference.KINDS.values() if kind.cause is not None]
    assert len(kinds_of_difference.KINDS) >= 40
    assert len(asked) >= 30
    assert {optimiser for kind in kinds_of_difference.KINDS.values() for optimiser in kind.on} == set(OPTIMISERS)


@pytest.mark.parametrize("rewrite", benign_rewrites.REWRITES, ids=lambda rewrite: rewrite.name)
@pytest.mark.parametrize("optimiser", ["SGD", "Nesterov", "RMSProp", "AdamW"])
def test_a_rewrite_that_only_rounds_otherwise_raises_no_alarm(rewrite: Any, optimiser: str) -> None:
    plan = schedule(DATA, "MLP")
    reference = torch_reference(DATA.inputs.shape[1], "MLP", OPTIMISERS[optimiser])
    report = train_parity(reference, rewrite.candidate(optimiser, DATA, plan), plan, DATA.batch)
    assert report.divergence is None, report
    assert report.worst_of_law < 1


def planted(name: str, optimiser: str = "SGD", data: Data = DATA) -> ParityReport:
    kind: Kind = kinds_of_difference.KINDS[name]
    plan = schedule(data, kind.network)
    reference = torch_reference(data.inputs.shape[1], "MLP", OPTIMISERS[optimiser])
    return train_parity(reference, kind.candidate(optimiser, data, plan), plan, data.batch, name="a run")


def test_the_report_says_when_where_and_why() -> None:
    told = str(planted("one column of dW1 times 1.001"))
    assert told.splitlines()[0] == "FAIL: candidate beside torch, a run in float64: another computation"
    assert "at step 1 (epoch 1, batch 1)" in told
    assert "gradients, 0.W:" in told
    assert "gradient-part: only 0.W[:, 7] is off, by the factor 1.001" in told
    assert "fact   torch: training loss" in told


def test_a_cause_that_two_explain_is_decided_by_the_step_after() -> None:
    """At Adam's first step an uncorrected mean is a tenth of the learning rate."""
    divergence = planted("the mean uncorrected", "Adam").divergence
    assert divergence is not None
    assert divergence.cause == "bias-correction"
    assert "learning-rate would too, but does not explain the step after" in divergence.evidence


def test_a_formula_that_would_have_shown_a_step_earlier_is_not_the_cause() -> None:
    """A velocity that is lost at step 4 makes the step of SGD without momentum, but steps 2 and 3 had momentum."""
    divergence = planted("the optimiser's state forgotten at step 4", "momentum").divergence
    assert divergence is not None
    assert divergence.cause == "state-lost"


class Bare:
    """Only what a trainee must have."""

    def __init__(self, inner: Planted) -> None:
        self.name, self.dtype, self.device = inner.name, inner.dtype, inner.device
        self.load, self.parameters = inner.load, inner.parameters
        self.loss_and_gradients, self.step = inner.loss_and_gradients, inner.step


def bare(name: str, optimiser: str = "SGD") -> tuple[ParityReport, ParityReport]:
    """The candidate without offers beside torch; and beside it, that both are."""
    plan = schedule(DATA, "MLP")
    candidate = kinds_of_difference.KINDS[name].candidate
    reference = torch_reference(DATA.inputs.shape[1], "MLP", OPTIMISERS[optimiser])
    plain = benign_rewrites.REWRITES[0].candidate(optimiser, DATA, plan)
    one = train_parity(reference, Bare(candidate(optimiser, DATA, plan)), plan, DATA.batch)
    other = train_parity(Bare(plain), Bare(candidate(optimiser, DATA, plan)), plan, DATA.batch)
    return one, other


def test_without_offers_the_step_is_told_and_what_could_not_be_looked_at() -> None:
    for report in bare("lr times 3"):
        assert report.verdict is Verdict.FAIL
        assert report.divergence is not None
        assert report.divergence.step == 1
        assert report.divergence.stage == "parameters"


def test_a_trainee_without_accuracy_has_none_and_nothing_else_is_lost() -> None:
    plan = schedule(DATA, "MLP")
    reference = torch_reference(DATA.inputs.shape[1], "MLP", OPTIMISERS["SGD"])
    candidate = Bare(benign_rewrites.REWRITES[0].candidate("SGD", DATA, plan))
    report = train_parity(reference, candidate, plan, DATA.batch, test=DATA.test)
    assert np.isnan(report.candidate.test_accuracy).all()
    assert not np.isnan(report.reference.test_accuracy).any()
    assert report.divergence is None


def test_a_training_that_diverges_on_both_sides_says_so() -> None:
    plan = schedule(DATA, "MLP")
    numbers = {"kind": "SGD", "lr": 1e200}
    reference = torch_reference(DATA.inputs.shape[1], "MLP", numbers)
    with np.errstate(all="ignore"):
        report = train_parity(
            reference, Kind("", "", None, both=numbers).candidate("SGD", DATA, plan), plan, DATA.batch
        )
    assert not report.verdict
    assert report.divergence is not None
    assert report.divergence.cause == "diverged"
    assert "smaller learning rate" in report.divergence.evidence


@pytest.mark.parametrize("name", ["labels smoothed", "a gradient with noise of 1e-9"])
def test_a_difference_that_no_hypothesis_reproduces_has_no_cause(name: str) -> None:
    divergence = planted(name).divergence
    assert divergence is not None
    assert divergence.cause is None
    assert "no usual cause" in divergence.evidence


# ---------------------------------------------------------------- nothing of the user's is touched


def test_the_accuracy_is_that_of_evaluation_and_every_module_keeps_its_mode() -> None:
    reference = torch_reference(16, "MLP", OPTIMISERS["SGD"])
    reference._module.append(torch.nn.Dropout(0.9))
    reference._module[0].eval()
    scores = {reference.accuracy(np.ones((50, 16)), np.arange(50) % 10) for _ in range(5)}
    assert len(scores) == 1
    assert [module.training for module in reference._module.modules()][:3] == [True, False, True]


def test_looking_at_a_difference_leaves_the_module_and_the_random_stream_alone() -> None:
    plan = schedule(DATA, "MLP")
    reference = torch_reference(DATA.inputs.shape[1], "MLP", OPTIMISERS["Adam"])
    candidate = kinds_of_difference.KINDS["lr times 3"].candidate("Adam", DATA, plan)
    torch.manual_seed(4)
    before = torch.random.get_rng_state()
    assert train_parity(reference, candidate, plan, DATA.batch, shadows=1, repeat=True).divergence is not None
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(not leaf._forward_hooks for leaf in reference._module.modules())
    assert reference._module.training


def test_what_the_reference_trains_does_not_depend_on_whether_a_difference_was_looked_at() -> None:
    plan = schedule(DATA, "MLP")
    ends = []
    for name in ("NumPy for torch", "lr times 3"):
        reference = torch_reference(DATA.inputs.shape[1], "MLP", OPTIMISERS["Adam"])
        kinds: dict[str, Any] = {r.name: r for r in benign_rewrites.REWRITES} | kinds_of_difference.KINDS
        train_parity(reference, kinds[name].candidate("Adam", DATA, plan), plan, DATA.batch)
        ends.append({n: p.copy() for n, p in reference.parameters().items()})
    assert all(np.array_equal(ends[0][n], ends[1][n]) for n in ends[0])


# ---------------------------------------------------------------- shadows and repeatability


class Drifting(Planted):
    """Rounds a hundred times more coarsely than float64, by numbers that depend on the batch's row order."""

    def spoil(self, grads: dict[str, Any]) -> None:
        generator = np.random.default_rng([zlib.crc32(self.activations()["inputs"].tobytes()), self.at])
        for gradient in grads.values():
            gradient[...] *= 1 + 3e-12 * generator.normal(size=gradient.shape)


def drifting(shadows: int) -> ParityReport:
    plan = schedule(DATA, "MLP")
    sides = [Kind("", "", None, trainee=Drifting).candidate("SGD", DATA, plan) for _ in range(2)]
    sides[1].at = 1000  # another stream
    return train_parity(sides[0], sides[1], plan, DATA.batch, shadows=shadows)


def test_a_shadow_measures_the_constant_of_a_trainee_that_drifts_more_than_ours() -> None:
    assert drifting(shadows=0).divergence is not None
    assert drifting(shadows=1).divergence is None


def test_a_shadow_that_is_far_off_is_no_measure_and_is_noted() -> None:
    plan = schedule(DATA, "dropout")
    sides = [parity_settings.numpy_reference(DATA.inputs.shape[1], "dropout", OPTIMISERS["SGD"]) for _ in range(2)]
    report = train_parity(sides[0], sides[1], plan, DATA.batch, shadows=1)
    assert report.divergence is None
    assert report.worst_of_law == 0
    assert any("random or chaotic" in note for note in report.notes)


class Scattering(Planted):
    """Draws from a stream that copies share."""

    stream = np.random.default_rng(0)

    def spoil(self, grads: dict[str, Any]) -> None:
        grads["0.b"] *= 1 + 1e-3 * Scattering.stream.random()


def test_what_is_not_deterministic_is_noted_by_name() -> None:
    plan = schedule(DATA, "MLP")
    reference = torch_reference(DATA.inputs.shape[1], "MLP", OPTIMISERS["SGD"])
    scattering = Kind("", "", None, trainee=Scattering).candidate("SGD", DATA, plan)
    notes = train_parity(reference, scattering, plan, DATA.batch, repeat=True).notes
    assert len(notes) == 1
    assert "candidate is not deterministic" in notes[0]
    assert "the gradient of 0.b" in notes[0]
    assert "0.W" not in notes[0]


def test_a_copy_of_a_torch_trainee_shares_nothing() -> None:
    reference = torch_reference(16, "MLP", OPTIMISERS["Adam"])
    twin = twin_of(reference)
    assert twin is not None
    before = {n: p.copy() for n, p in reference.parameters().items()}
    twin.loss_and_gradients(np.ones((3, 16)), np.array([0, 1, 2]))
    twin.step()
    assert all(np.array_equal(before[n], p) for n, p in reference.parameters().items())
    assert any(not np.array_equal(before[n], p) for n, p in twin.parameters().items())


# ---------------------------------------------------------------- the page's own code


PAGE = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run_page(change: tuple[str, str] = ("", "")) -> gk.Verdict:
    found: dict[str, Any] = {"__name__": "page"}
    exec("\n".join(BLOCKS).replace(*change), found)
    report: ParityReport = found["report"]
    return report.verdict


def test_the_pair_of_the_page_passes_and_a_learning_rate_a_millionth_off_fails(capsys: Any) -> None:
    assert run_page() is Verdict.PASS
    assert run_page(("Logistic(lr=0.1)", "Logistic(lr=0.1 * (1 + 1e-6))")) is Verdict.FAIL
    told = capsys.readouterr().out
    shown = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[0].splitlines()
    assert "PASS: by hand beside torch" in told
    assert shown[0] in told
    assert "learning-rate: the step of W, b is 1.000001 × the reference's" in shown[3]
    assert "learning-rate: the step of W, b is 1.000001 × the reference's" in told


def test_the_page_s_trainee_has_forty_lines_and_its_comparison_fewer_than_ten() -> None:
    trainee = [line for line in BLOCKS[0].splitlines() if line.strip()]
    compared = [line for line in BLOCKS[1].splitlines() if line.strip() and "import" not in line]
    assert len(trainee) <= 40
    assert len(compared) < 10


def test_every_cause_that_the_benchmark_asks_for_is_on_the_page() -> None:
    named = set(re.findall(r"`([a-z-]+)`", PAGE))
    assert {kind.cause for kind in kinds_of_difference.KINDS.values() if kind.cause} <= named

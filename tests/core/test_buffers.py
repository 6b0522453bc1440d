"""What a step keeps beside the parameters, such as running statistics, is compared as they are."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gradcheck_kit.side_by_side.buffers import furthest, not_compared
from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.trainee import Trainee
from gradcheck_kit.side_by_side.training import train_parity
from gradcheck_kit.verdict import Verdict
from reference_impls.layers import Affine, BatchNorm1d, ReLU, SoftmaxWithLoss
from reference_impls.networks.network import Network
from reference_impls.optimizers import SGD

EXAMPLES = 130
LABELS = np.arange(EXAMPLES) % 3
INPUTS = np.random.default_rng(0).normal(size=(EXAMPLES, 6)) + 1.5 * np.eye(3, 6)[LABELS]
RATE = 0.1


class ByHand(nn.Module):
    """Batch norm with running statistics as textbooks have them: any momentum, a variance of any divisor."""

    def __init__(self, momentum: float = 0.1, lost: int = 1, start: float = 1.0, *, kept: bool = True) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(9)), nn.Parameter(torch.zeros(9))
        self.momentum, self.lost = momentum, lost
        if kept:
            self.register_buffer("running_mean", torch.zeros(9))
            self.register_buffer("running_var", torch.full((9,), start))
            self.register_buffer("num_batches_tracked", torch.tensor(7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, centred = x.mean(0), x - x.mean(0)
        var = (centred * centred).mean(0)
        if "running_mean" in self._buffers:
            with torch.no_grad():
                wanted = {"running_mean": mean, "running_var": var * len(x) / (len(x) - self.lost)}
                for name, statistic in wanted.items():
                    getattr(self, name).mul_(1 - self.momentum).add_(self.momentum * statistic)
        return centred * (self.weight / torch.sqrt(var + 1e-5)) + self.bias


def module(norm: nn.Module) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(6, 9, bias=False), norm, nn.ReLU(), nn.Linear(9, 3)).double()


def torch_side(norm: nn.Module) -> TorchTrainee:
    made = module(norm)
    return TorchTrainee("torch", made, torch.optim.SGD(made.parameters(), lr=RATE), nn.functional.cross_entropy)


def trained(reference: Trainee, candidate: Trainee, **options: Any) -> ParityReport:
    start = {name: p.detach().numpy().copy() for name, p in module(nn.BatchNorm1d(9)).named_parameters()}
    plan = Schedule(start, EXAMPLES, 20, 4, seed=0)
    return train_parity(reference, candidate, plan, lambda i: (INPUTS[i], LABELS[i]), **options)


def test_right_running_statistics_pass_whatever_they_round() -> None:
    report = trained(torch_side(nn.BatchNorm1d(9)), torch_side(ByHand()))
    assert report.verdict is Verdict.PASS, report
    assert not report.notes


# What is wrong, its step, and the buffer it is seen in.
WRONG: dict[str, tuple[nn.Module, int, set[str]]] = {
    "another momentum": (ByHand(momentum=0.5), 1, {"1.running_mean", "1.running_var"}),
    "a momentum off by a millionth": (ByHand(momentum=0.1 * (1 + 1e-6)), 1, {"1.running_mean", "1.running_var"}),
    "a variance divided by all": (ByHand(lost=0), 1, {"1.running_var"}),
    "another start": (ByHand(start=0.0), 0, {"1.running_var"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_running_statistics_are_another_computation(name: str) -> None:
    norm, step, buffers = WRONG[name]
    report = trained(torch_side(nn.BatchNorm1d(9)), torch_side(norm), test=(INPUTS, LABELS))
    assert report.verdict is Verdict.FAIL
    assert report.divergence is not None
    assert (report.divergence.step, report.divergence.stage) == (step, "buffers")
    assert report.divergence.what in buffers
    assert report.max_distance < 1e-13, "nothing but the buffers differs"
    assert "running mean or variance" in report.divergence.evidence


def test_buffers_that_one_side_alone_offers_are_named_in_a_note() -> None:
    report = trained(torch_side(nn.BatchNorm1d(9)), torch_side(ByHand(kept=False)))
    assert report.verdict is Verdict.PASS
    assert [
        note for note in report.notes if "buffers were not compared: 1.running_mean, 1.running_var of torch" in note
    ]
    sides = torch_side(ByHand(kept=False)), torch_side(ByHand(kept=False))
    assert not_compared(sides) is None


@pytest.mark.parametrize("momentum", [0.1, 0.2])
def test_a_reference_network_is_compared_with_torch_by_the_number_of_its_layer(momentum: float) -> None:
    g = np.random.default_rng(0)
    norm = BatchNorm1d(np.ones(9), np.zeros(9), momentum=momentum)
    layers = [Affine(g.normal(size=(6, 9)), np.zeros(9)), norm, ReLU(), Affine(g.normal(size=(9, 3)), np.zeros(3))]
    network = Network(layers, SoftmaxWithLoss())
    layout = {"0.W": ("0.weight", True), "0.b": ("0.bias", False), "1.gamma": ("1.weight", False)}
    layout |= {"1.beta": ("1.bias", False), "2.W": ("3.weight", True), "2.b": ("3.bias", False)}
    made = nn.Sequential(nn.Linear(6, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 3)).double()
    optimizer = torch.optim.SGD(made.parameters(), lr=RATE)
    reference = TorchTrainee("torch", made, optimizer, nn.functional.cross_entropy, layout)
    plan = Schedule({name: p.copy() for name, p in network.params.items()}, EXAMPLES, 20, 4, seed=0)
    candidate = NumPyTrainee("NumPy", network, lambda params: SGD(params, lr=RATE))
    report = train_parity(reference, candidate, plan, lambda i: (INPUTS[i], LABELS[i]))
    assert report.verdict is (Verdict.PASS if momentum == 0.1 else Verdict.FAIL), report
    assert not report.notes


def test_a_mask_of_infinities_is_equal_to_itself_and_each_module_has_its_own_norm() -> None:
    mask = np.array([0.0, -np.inf, np.nan])
    one = {"a.mask": mask, "b.large": np.full(2, 1e9), "c.small": np.ones(2), "alone": np.ones(3)}
    assert furthest(one, {**one, "alone": np.ones(4)}, {}) == ("", 0.0)
    norms: dict[str, float] = {}
    assert furthest(one, {**one, "c.small": np.full(2, 1.5)}, norms) == ("c.small", pytest.approx(0.5))
    assert norms["b"] == pytest.approx(2**0.5 * 1e9)
    assert furthest({"b.large": np.zeros(2)}, {"b.large": np.ones(2)}, norms).apart == pytest.approx(1e-9)
    assert furthest(one, {**one, "a.mask": np.zeros(3)}, {}).apart > 1

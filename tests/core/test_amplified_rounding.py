"""A step that makes a thousand times more of the rounding before it is no difference; one of its own is."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.training import train_parity
from gradcheck_kit.verdict import Verdict

EXAMPLES, BATCH, EPOCHS = 120, 20, 2
LAYOUT = {
    "0.weight": ("first.weight", False),
    "0.bias": ("first.bias", False),
    "2.weight": ("last.weight", False),
    "2.bias": ("last.bias", False),
}
OPTIMISERS: dict[str, Any] = {
    "momentum": lambda params, lr: torch.optim.SGD(params, lr=lr, momentum=0.9),
    "Adam": lambda params, lr: torch.optim.Adam(params, lr=lr),
    "RMSProp": lambda params, lr: torch.optim.RMSprop(params, lr=lr),
}


class Reordered(nn.Module):
    """The same network with its sums in another order."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.first, self.last = network[0], network[2]

    def forward(self, x: Any) -> Any:
        hidden = torch.tanh(x.flip(1) @ self.first.weight.flip(1).T + self.first.bias)
        return hidden.flip(1) @ self.last.weight.flip(1).T + self.last.bias


class Slower(TorchTrainee):
    """From a step on its learning rate is a thousandth less."""

    since = math.inf
    made = 0

    def step(self) -> None:
        self.made += 1
        if self.made == self.since:
            for group in self._optimizer.param_groups:
                group["lr"] *= 1 - 1e-3
        super().step()


def trained(kind: str, rate: float, seed: int, since: float = math.inf, shadows: int | None = None) -> ParityReport:
    """A torch MLP beside the same with other sums."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(EXAMPLES, 8))
    labels = (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)
    networks = []
    for _ in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            networks.append(nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3)).double())
    other, loss = Reordered(networks[1]), nn.functional.cross_entropy
    reference = TorchTrainee("torch", networks[0], OPTIMISERS[kind](networks[0].parameters(), rate), loss)
    candidate = Slower("reordered", other, OPTIMISERS[kind](other.parameters(), rate), loss, LAYOUT)
    candidate.since = since
    schedule = Schedule(reference.parameters(), EXAMPLES, BATCH, EPOCHS, seed)
    return train_parity(reference, candidate, schedule, lambda i: (x[i], labels[i]), shadows=shadows)


CASES = list(itertools.product(OPTIMISERS, (100.0, 1e4), range(3)))


@pytest.mark.parametrize(("kind", "rate", "seed"), CASES)
def test_two_right_programs_at_a_large_learning_rate_are_no_fail(kind: str, rate: float, seed: int) -> None:
    report = trained(kind, rate, seed)
    assert report.verdict is Verdict.INCONCLUSIVE, report
    assert report.divergence is None


def test_the_cases_are_such_that_the_law_of_our_own_networks_is_left() -> None:
    reports = [trained(*case, shadows=0) for case in CASES]
    assert sum(report.verdict is Verdict.FAIL for report in reports) > len(CASES) // 2


def test_a_step_that_was_asked_is_noted() -> None:
    notes = [note for case in CASES for note in trained(*case).notes]
    assert any("makes much of the rounding before it" in note for note in notes)


@pytest.mark.parametrize("since", [1, 2, 8])
@pytest.mark.parametrize("kind", OPTIMISERS)
def test_a_difference_at_such_a_rate_is_still_one_on_its_step(kind: str, since: int) -> None:
    for rate in (10.0, 1e4):
        report = trained(kind, rate, 0, since)
        assert report.verdict is Verdict.FAIL, report
        assert report.divergence is not None
        assert report.divergence.step == since
        assert report.divergence.cause in ("learning-rate", None)  # none where what a momentum keeps has drifted

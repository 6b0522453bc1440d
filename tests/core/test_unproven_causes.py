"""A cause is named where it is the only one of its kind that fits; what only looks alike has none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gradcheck_kit.side_by_side.divergence import Divergence
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.training import train_parity
from gradcheck_kit.verdict import Verdict

EXAMPLES, FEATURES = 60, 6
GENERATOR = np.random.default_rng(3)
X = GENERATOR.normal(size=(EXAMPLES, FEATURES))
LABELS = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)
CROSS_ENTROPY = nn.functional.cross_entropy


class Scaled(nn.Linear):
    """Its input times a constant that was rounded to float32."""

    def forward(self, x: Any) -> Any:
        return super().forward(x * (float(np.float32(0.1)) / 0.1))


class DividedByOneLess(nn.BatchNorm1d):
    """Normalises by the unbiased variance."""

    def forward(self, x: Any) -> Any:
        deviation = torch.sqrt(x.var(0, unbiased=True) + self.eps)
        return (x - x.mean(0)) / deviation * self.weight + self.bias


class Clipping(TorchTrainee):
    """Clips by the norm of all gradients together."""

    def loss_and_gradients(self, inputs: Any, labels: Any) -> float:
        loss = super().loss_and_gradients(inputs, labels)
        torch.nn.utils.clip_grad_norm_(self._module.parameters(), 0.05)
        return loss


@dataclass(frozen=True)
class Case:
    """What the candidate has in place of the reference's."""

    cause: str | None
    stage: str
    linear: Callable[[], nn.Module] = lambda: nn.Linear(FEATURES, 9)
    norm: Callable[[], nn.Module] | None = None
    loss: Callable[[Any, Any], Any] = CROSS_ENTROPY
    trainee: type[TorchTrainee] = TorchTrainee


CASES = {
    "labels sorted": Case(None, "loss", loss=lambda out, y: CROSS_ENTROPY(out, y.sort().values)),
    "labels rolled": Case(None, "loss", loss=lambda out, y: CROSS_ENTROPY(out, y.roll(1))),
    "a constant in float32": Case(None, "activations", linear=lambda: Scaled(FEATURES, 9)),
    "another eps": Case(None, "activations", norm=lambda: nn.BatchNorm1d(9, eps=1e-3)),
    "the unbiased variance": Case(None, "activations", norm=lambda: DividedByOneLess(9)),
    "batch norm in evaluation": Case("batch-norm-mode", "activations", norm=lambda: nn.BatchNorm1d(9).eval()),
    "clipped by the norm": Case("clipped", "gradients", trainee=Clipping),
}


def found(case: Case) -> Divergence:
    """Where the two parted."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        norm = nn.Identity() if case.norm is None else nn.BatchNorm1d(9)
        network = nn.Sequential(nn.Linear(FEATURES, 9), norm, nn.ReLU(), nn.Linear(9, 3)).double()
    own = nn.Identity() if case.norm is None else case.norm()
    other = nn.Sequential(case.linear(), own, nn.ReLU(), nn.Linear(9, 3)).double()
    other.load_state_dict(network.state_dict())
    sides = [
        kind(name, module, torch.optim.SGD(module.parameters(), lr=0.1), loss)
        for kind, name, module, loss in (
            (TorchTrainee, "right", network, CROSS_ENTROPY),
            (case.trainee, "other", other, case.loss),
        )
    ]
    schedule = Schedule(sides[0].parameters(), EXAMPLES, 20, 2, 0)
    report = train_parity(*sides, schedule, lambda i: (X[i], LABELS[i]))
    assert report.verdict is Verdict.FAIL
    assert report.divergence is not None
    return report.divergence


@pytest.mark.parametrize("name", CASES)
def test_the_cause_is_named_where_it_is_one_and_no_other_that_looks_alike(name: str) -> None:
    case = CASES[name]
    divergence = found(case)
    assert (divergence.step, divergence.stage, divergence.cause) == (1, case.stage, case.cause)

"""A cause that was learnt from one step is told where the next step bears it out: every torch optimiser beside each."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn, optim

from gradcheck_kit.side_by_side.divergence import Divergence
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.trainee import Trainee
from gradcheck_kit.side_by_side.training import train_parity

Parameters = Iterable[nn.Parameter]
Make = Callable[..., optim.Optimizer]

EXAMPLES, FEATURES = 60, 6
GENERATOR = np.random.default_rng(3)
X = GENERATOR.normal(size=(EXAMPLES, FEATURES))
LABELS = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)

OPTIMISERS: dict[str, Make] = {
    "SGD": lambda p, **more: optim.SGD(p, lr=0.05, **more),
    "momentum": lambda p, **more: optim.SGD(p, lr=0.05, momentum=0.9, **more),
    "Nesterov": lambda p, **more: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, **more),
    "RMSprop": lambda p, **more: optim.RMSprop(p, lr=0.01, **more),
    "Adam": lambda p, **more: optim.Adam(p, lr=0.01, **more),
    "AdamW": lambda p, **more: optim.AdamW(p, lr=0.01, **more),
    "NAdam": lambda p, **more: optim.NAdam(p, lr=0.01, **more),
    "RAdam": lambda p, **more: optim.RAdam(p, lr=0.01, **more),
    "Adamax": lambda p, **more: optim.Adamax(p, lr=0.01, **more),
    "Adagrad": lambda p, **more: optim.Adagrad(p, lr=0.01, **more),
    "Adadelta": lambda p, **more: optim.Adadelta(p, lr=1.0, **more),
    "Rprop": lambda p, **more: optim.Rprop(p, lr=0.01, **more),
    "ASGD": lambda p, **more: optim.ASGD(p, lr=0.05, **more),
}
# (reference, candidate) → what the one has and the other has not; all others differ in more than one thing.
TRUE = {
    ("SGD", "momentum"): "momentum",
    ("SGD", "Nesterov"): "nesterov",
    ("momentum", "SGD"): "momentum",
    ("momentum", "Nesterov"): "nesterov",
    ("Nesterov", "SGD"): "momentum",
    ("Nesterov", "momentum"): "nesterov",
    ("Adam", "AdamW"): "weight-decay",
    ("AdamW", "Adam"): "weight-decay-missing",
}


class Bare:
    """Only what a trainee must have."""

    def __init__(self, inner: TorchTrainee) -> None:
        self.name, self.dtype, self.device = inner.name, inner.dtype, inner.device
        self.load, self.parameters = inner.load, inner.parameters
        self.loss_and_gradients, self.step = inner.loss_and_gradients, inner.step


class Decaying(TorchTrainee):
    """Its learning rate shrinks before every step, with no scheduler in sight."""

    def step(self) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] *= 0.9
        super().step()


class Spiking(TorchTrainee):
    """The third step alone is three times as long."""

    made = 0

    def step(self) -> None:
        self.made += 1
        group = self._optimizer.param_groups[0]
        kept = group["lr"]
        group["lr"] = 3 * kept if self.made == 3 else kept
        super().step()
        group["lr"] = kept


def side(name: str, make: Make, kind: type[TorchTrainee] = TorchTrainee) -> TorchTrainee:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(FEATURES, 9), nn.Tanh(), nn.Linear(9, 3)).double()
    return kind(name, module, make(module.parameters()), nn.functional.cross_entropy)


def parted(reference: Trainee, candidate: Trainee, batch_size: int = 20, epochs: int = 1) -> Divergence | None:
    start = {name: np.array(values) for name, values in reference.parameters().items()}
    plan = Schedule(start, EXAMPLES, batch_size, epochs, 0)
    return train_parity(reference, candidate, plan, lambda i: (X[i], LABELS[i])).divergence


def cause_of(reference: Trainee, candidate: Trainee, **plan: int) -> Divergence:
    found = parted(reference, candidate, **plan)
    assert found is not None
    return found


@pytest.mark.parametrize("reference", OPTIMISERS)
def test_beside_every_other_optimiser_a_cause_is_told_only_where_it_is_the_difference(reference: str) -> None:
    for candidate, make in OPTIMISERS.items():
        divergence = parted(side("right", OPTIMISERS[reference]), side("other", make))
        if candidate == reference:
            assert divergence is None
            continue
        assert divergence is not None
        assert divergence.cause == TRUE.get((reference, candidate)), (candidate, divergence)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_that_maximizes_goes_up_the_gradient_and_has_no_other_learning_rate(name: str) -> None:
    candidate = side("uphill", lambda p: OPTIMISERS[name](p, maximize=True))
    divergence = cause_of(side("right", OPTIMISERS[name]), candidate)
    assert divergence.cause == "maximize"
    assert "but so does" not in divergence.evidence


LEARNING_RATES: dict[str, tuple[Make, type[TorchTrainee], str]] = {
    "twice as large": (lambda p: optim.Adam(p, lr=0.02), TorchTrainee, "is 2 × the reference's"),
    "smaller in every step": (OPTIMISERS["Adam"], Decaying, "in the step after, 0.81"),
    "once three times as large": (OPTIMISERS["Adam"], Spiking, "3 × the reference's; that leaves"),
}


@pytest.mark.parametrize("name", LEARNING_RATES)
def test_a_learning_rate_is_told_that_is_other_in_every_step_or_in_one(name: str) -> None:
    make, kind, words = LEARNING_RATES[name]
    divergence = cause_of(side("right", OPTIMISERS["Adam"]), side("other", make, kind), epochs=2)
    assert divergence.cause == "learning-rate"
    assert words in divergence.evidence
    assert ("the step after is right" in divergence.evidence) == (kind is Spiking)


def test_of_a_candidate_that_tells_only_its_parameters_the_next_step_is_asked_too() -> None:
    adam = OPTIMISERS["Adam"]
    assert cause_of(side("right", adam), Bare(side("other", OPTIMISERS["NAdam"]))).cause is None
    assert cause_of(side("right", adam), Bare(side("other", lambda p: optim.Adam(p, lr=0.02)))).cause == "learning-rate"


def test_a_cause_that_no_other_step_could_test_is_told_as_such() -> None:
    adam, sgd = OPTIMISERS["Adam"], OPTIMISERS["SGD"]
    in_one_step = cause_of(side("right", adam), side("other", OPTIMISERS["NAdam"]), batch_size=EXAMPLES)
    bare = cause_of(Bare(side("right", sgd)), Bare(side("other", lambda p: optim.SGD(p, lr=0.06))))
    tested = cause_of(side("right", sgd), side("other", lambda p: optim.SGD(p, lr=0.06)))
    told = ["no other step has tested it" in found.evidence for found in (in_one_step, bare, tested)]
    assert told == [True, True, False]


# ---------------------------------------------------------------- decay of some tensors alone


def without_biases(parameters: Parameters) -> list[dict[str, Any]]:
    held = list(parameters)
    free = {"params": [p for p in held if p.ndim == 1], "weight_decay": 0.0}
    return [{"params": [p for p in held if p.ndim > 1]}, free]


@pytest.mark.parametrize("name", ["AdamW", "SGD", "momentum", "Adam", "NAdam", "RMSprop"])
def test_decay_of_the_biases_that_the_other_side_leaves_out_is_named_on_either_side(name: str) -> None:
    def whole(p: Any) -> optim.Optimizer:
        return OPTIMISERS[name](p, weight_decay=0.01)

    def weights(p: Any) -> optim.Optimizer:
        return whole(without_biases(p))

    for reference, candidate, cause in (
        (weights, whole, "weight-decay"),
        (whole, weights, "weight-decay-missing"),
    ):
        divergence = cause_of(side("right", reference), side("other", candidate))
        assert divergence.cause == cause
        assert "only 0.bias, 2.bias" in divergence.evidence

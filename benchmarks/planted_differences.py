"""The differences that the parity benchmark plants, each where a port goes wrong, and what must be said of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from benchmarks.parity_settings import BATCH_SIZE, NETWORKS, OPTIMISERS, Data, Params, Values
from benchmarks.textbook_optimizers import Textbook
from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from gradcheck_kit.side_by_side.schedule import Schedule

ONCE = 5  # the step of a difference that is there once only
EVERY = tuple(OPTIMISERS)


class Planted(NumPyTrainee):
    """A right trainee but for what its hooks change; `at` counts the steps from 1."""

    data: Data
    plan: Schedule

    def __init__(self, network: Any, optimizer: Callable[[Params], Any], data: Data, plan: Schedule) -> None:
        super().__init__("candidate", network, optimizer)
        self.data, self.plan = data, plan
        self.at = 0
        self.earlier: Params = {}

    def loss_and_gradients(self, inputs: Values, labels: Values) -> float:
        self.at += 1
        loss = super().loss_and_gradients(*self.batch(inputs, labels))
        true = {name: gradient.copy() for name, gradient in self.grads.items()}
        self.spoil(self.grads)
        self.earlier = true
        return self.told(loss)

    def step(self) -> None:
        before = {name: p.copy() for name, p in self.params.items()}
        super().step()
        self.after(self.params, before)

    @property
    def params(self) -> Params:
        held: Params = self._network.params
        return held

    @property
    def grads(self) -> Params:
        held: Params = self._network.grads
        return held

    @property
    def last_of_epoch(self) -> bool:
        return self.at % self.plan.steps_per_epoch == 0

    def batch(self, inputs: Values, labels: Values) -> tuple[Values, Values]:
        return inputs, labels

    def spoil(self, grads: Params) -> None: ...

    def told(self, loss: float) -> float:
        return loss

    def after(self, params: Params, before: Params) -> None: ...


# ---------------------------------------------------------------- other batches


class NextBatch(Planted):
    def batch(self, inputs: Values, labels: Values) -> tuple[Values, Values]:
        indices = self.plan.batch_of(self.at + 1)
        return (inputs, labels) if indices is None else self.data.batch(indices)


class OtherOrderInSecondEpoch(Planted):
    def batch(self, inputs: Values, labels: Values) -> tuple[Values, Values]:
        if self.at <= self.plan.steps_per_epoch:
            return inputs, labels
        place = (self.at - 1) % self.plan.steps_per_epoch
        order = np.random.default_rng(99).permutation(len(self.data.labels))
        return self.data.batch(order[place * BATCH_SIZE : (place + 1) * BATCH_SIZE])


class SameOrderInEveryEpoch(Planted):
    def batch(self, inputs: Values, labels: Values) -> tuple[Values, Values]:
        indices = self.plan.batch_of((self.at - 1) % self.plan.steps_per_epoch + 1)
        assert indices is not None
        return self.data.batch(indices)


class LastBatchFilledUp(Planted):
    def batch(self, inputs: Values, labels: Values) -> tuple[Values, Values]:
        more = BATCH_SIZE - len(labels)
        return np.concatenate([inputs, self.data.inputs[:more]]), np.concatenate([labels, self.data.labels[:more]])


class LabelsRolled(Planted):
    def batch(self, inputs: Values, labels: Values) -> tuple[Values, Values]:
        return inputs, np.roll(labels, 1)


class OneWrongLabel(Planted):
    def batch(self, inputs: Values, labels: Values) -> tuple[Values, Values]:
        if self.at == ONCE:
            labels = labels.copy()
            labels[3] = (labels[3] + 1) % 10
        return inputs, labels


class ImagesTransposed(Planted):
    def batch(self, inputs: Values, labels: Values) -> tuple[Values, Values]:
        side = round(inputs.shape[1] ** 0.5)
        return inputs.reshape(-1, side, side).transpose(0, 2, 1).reshape(inputs.shape), labels


def scaled(change: Callable[[Values, Data], Values]) -> type[Planted]:
    """Inputs made otherwise."""

    class Scaled(Planted):
        def batch(self, inputs: Values, labels: Values) -> tuple[Values, Values]:
            return change(inputs, self.data), labels

    return Scaled


# ---------------------------------------------------------------- other gradients and losses


def gradients(change: Callable[[Planted, Params], None]) -> type[Planted]:
    """Gradients changed in place."""

    class Changed(Planted):
        def spoil(self, grads: Params) -> None:
            change(self, grads)

    return Changed


def times(factor: Callable[[Planted], float], *names: str) -> type[Planted]:
    """Gradients (all, or those named) times a factor."""

    def change(planted: Planted, grads: Params) -> None:
        for name in names or grads:
            grads[name] *= factor(planted)

    return gradients(change)


def _size(planted: Planted) -> int:
    return len(planted.activations()["labels"])


def _accumulated(planted: Planted, grads: Params) -> None:
    for name, earlier in planted.earlier.items():
        grads[name] += earlier


def _stale(planted: Planted, grads: Params) -> None:
    for name, earlier in planted.earlier.items():
        grads[name][...] = earlier


def _column(planted: Planted, grads: Params) -> None:
    grads["0.W"][:, 7] *= 1.001


def _one_element_once(planted: Planted, grads: Params) -> None:
    if planted.at == ONCE:
        grads["1.W"][2, 3] += 1e-6


def _through(kind: torch.dtype) -> Callable[[Planted, Params], None]:
    def change(planted: Planted, grads: Params) -> None:
        for gradient in grads.values():
            gradient[...] = torch.tensor(gradient).to(kind).double().numpy()

    return change


def _transposed(planted: Planted, grads: Params) -> None:
    grads["1.W"][...] = grads["1.W"].T.copy()


def _exchanged(planted: Planted, grads: Params) -> None:
    grads["0.b"][...], grads["1.b"][...] = grads["1.b"].copy(), grads["0.b"].copy()


def _decayed(planted: Planted, grads: Params) -> None:
    for name, gradient in grads.items():
        gradient[...] += 1e-4 * planted.params[name]


def _clipped_by_norm(planted: Planted, grads: Params) -> None:
    norm = np.sqrt(sum(np.sum(g**2) for g in grads.values()))
    for gradient in grads.values():
        gradient[...] *= min(1.0, 0.25 / norm)


def _clipped_by_value(planted: Planted, grads: Params) -> None:
    for gradient in grads.values():
        np.clip(gradient, -0.01, 0.01, out=gradient)


def _noisy(planted: Planted, grads: Params) -> None:
    grads["2.W"] *= 1 + 1e-9 * np.random.default_rng(planted.at).normal(size=grads["2.W"].shape)


def _without_last_example(planted: Planted, grads: Params) -> None:
    seen = planted.activations()
    planted._network.loss(seen["inputs"][:-1], seen["labels"][:-1])
    planted._network.backward()


class LossSummed(Planted):
    def spoil(self, grads: Params) -> None:
        for gradient in grads.values():
            gradient[...] *= _size(self)

    def told(self, loss: float) -> float:
        return loss * _size(self)


class LossALittleOff(Planted):
    def told(self, loss: float) -> float:
        return loss * (1 + 1e-9)


class LossWithPenalty(Planted):
    def spoil(self, grads: Params) -> None:
        self.penalty = 5e-5 * sum(float(np.sum(self.params[n] ** 2)) for n in grads if n.endswith("W"))
        for name in grads:
            if name.endswith("W"):
                grads[name] += 1e-4 * self.params[name]

    def told(self, loss: float) -> float:
        return loss + self.penalty


class LossNaNOnce(Planted):
    def told(self, loss: float) -> float:
        return float("nan") if self.at == ONCE else loss


# ---------------------------------------------------------------- other updates


def parameters(change: Callable[[Planted, Params, Params], None]) -> type[Planted]:
    """Parameters changed in place after the step."""

    class Changed(Planted):
        def after(self, params: Params, before: Params) -> None:
            change(self, params, before)

    return Changed


def _bias_stays(planted: Planted, params: Params, before: Params) -> None:
    params["1.b"][...] = before["1.b"]


def _kept_in(kind: torch.dtype) -> Callable[[Planted, Params, Params], None]:
    def change(planted: Planted, params: Params, before: Params) -> None:
        for p in params.values():
            p[...] = torch.tensor(p).to(kind).double().numpy()

    return change


def _slower_after_an_epoch(planted: Planted, params: Params, before: Params) -> None:
    if planted.at > planted.plan.steps_per_epoch:
        for name, p in params.items():
            p[...] = before[name] + 0.1 * (p - before[name])


def _state_in_float32(planted: Planted, params: Params, before: Params) -> None:
    for own in planted._optimizer.kept.values():
        for array in own.values():
            array[...] = array.astype(np.float32)


# ---------------------------------------------------------------- the table


@dataclass(frozen=True)
class Kind:
    """A planted difference and what must be said of it.

    Attributes:
        name: in words.
        stage, tensors, cause: what the report must name; no tensors: any; cause None: none is asked for.
        on: the optimisers it is planted in.
        trainee: the candidate.
        network: which is trained.
        rebuilt: what is done to the candidate's network before the run.
        mistakes, numbers: of the candidate's optimiser.
        both: hyperparameters of both sides.
        acts: the first step at which it acts, from the steps of an epoch.
    """

    name: str
    stage: str
    cause: str | None
    tensors: tuple[str, ...] = ()
    on: tuple[str, ...] = EVERY
    trainee: type[Planted] = Planted
    network: str = "MLP"
    rebuilt: Callable[[Any], None] = lambda network: None
    mistakes: frozenset[str] = frozenset()
    numbers: dict[str, Any] = field(default_factory=dict)
    both: dict[str, Any] = field(default_factory=dict)
    acts: Callable[[int], int] = lambda epoch: 1

    def candidate(self, optimiser: str, data: Data, plan: Schedule) -> Planted:
        """A fresh trainee with the difference."""
        network = NETWORKS[self.network](data.inputs.shape[1])
        self.rebuilt(network)
        given = {**OPTIMISERS[optimiser], **self.both}
        given = {key: value(given) if callable(value) else value for key, value in {**given, **self.numbers}.items()}

        def optimizer(params: Params) -> Textbook:
            return Textbook(params, mistakes=self.mistakes, **given)

        return self.trainee(network, optimizer, data, plan)


def _second(epoch: int) -> int:
    return 2


def _once(epoch: int) -> int:
    return ONCE


def _end_of_epoch(epoch: int) -> int:
    return epoch


def _second_epoch(epoch: int) -> int:
    return epoch + 1


def mistake(*names: str) -> frozenset[str]:
    return frozenset(names)

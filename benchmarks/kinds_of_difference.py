"""The table of planted differences: sixty-odd kinds, by the stage at which each must be found."""

from typing import Any

import numpy as np
import torch

from benchmarks import planted_differences as plant
from benchmarks.planted_differences import Kind, mistake
from reference_impls.layers import Affine, MaxPool2d, ReLU, SoftmaxWithLoss
from reference_impls.layers.layer import Array


class WithoutBias(Affine):
    def forward(self, x: Array) -> Array:
        out: Array = super().forward(x) - self.params["b"]
        return out


class Transposed(Affine):
    def forward(self, x: Array) -> Array:
        super().forward(x)
        out: Array = x @ self.params["W"].T + self.params["b"]
        return out


class InFloat32(Affine):
    def forward(self, x: Array) -> Array:
        return super().forward(x).astype(np.float32).astype(np.float64)


class Leaky(ReLU):
    def forward(self, x: Array) -> Array:
        super().forward(x)
        return np.where(x > 0, x, 0.01 * x)


class AllTies(MaxPool2d):
    """Every element that is the largest of its window gets the gradient."""

    def forward(self, x: Array) -> Array:
        self.seen = x
        return super().forward(x)

    def backward(self, cotangent: Array) -> Array:
        largest = np.repeat(np.repeat(super().forward(self.seen), 2, axis=2), 2, axis=3)
        return np.where(self.seen == largest, np.repeat(np.repeat(cotangent, 2, axis=2), 2, axis=3), 0.0)


class Smoothed(SoftmaxWithLoss):
    def forward(self, logits: Array, labels: Array) -> Any:
        return super().forward(logits, 0.9 * np.eye(logits.shape[1])[labels] + 0.1 / logits.shape[1])


def _as(number: int, kind: type) -> Any:
    def rebuild(network: Any) -> None:
        network.layers[number].__class__ = kind

    return rebuild


def _smoothed(network: Any) -> None:
    network._loss_layer = Smoothed()


def _evaluating(network: Any) -> None:
    network.eval()


def _another_stream(network: Any) -> None:
    network.layers[2].rng = np.random.default_rng(6)


MOMENTUM = ("momentum", "Nesterov")
ADAPTIVE = ("RMSProp", "Adam", "AdamW")
ADAMS = ("Adam", "AdamW")
FEW = ("SGD", "Adam")
DECAY = {"weight_decay": 0.01}

BATCHES = [
    Kind("the next step's batch", "batch", "batch-order", ("inputs",), trainee=plant.NextBatch),
    Kind(
        "another order from the second epoch on",
        "batch",
        "batch-order",
        ("inputs",),
        trainee=plant.OtherOrderInSecondEpoch,
        acts=plant._second_epoch,
    ),
    Kind(
        "every epoch in the first one's order",
        "batch",
        "batch-order",
        ("inputs",),
        on=FEW,
        trainee=plant.SameOrderInEveryEpoch,
        acts=plant._second_epoch,
    ),
    Kind(
        "the last batch filled up to full size",
        "batch",
        "batch-size",
        ("inputs",),
        on=FEW,
        trainee=plant.LastBatchFilledUp,
        acts=plant._end_of_epoch,
    ),
    Kind("labels rolled by a row", "batch", "labels-shifted", ("labels",), on=FEW, trainee=plant.LabelsRolled),
    Kind(
        "one wrong label in one batch",
        "batch",
        "wrong-label",
        ("labels",),
        trainee=plant.OneWrongLabel,
        acts=plant._once,
    ),
    Kind(
        "pixels divided by 256",
        "batch",
        "normalisation",
        ("inputs",),
        trainee=plant.scaled(lambda x, data: x * (255 / 256)),
    ),
    Kind(
        "pixels standardised",
        "batch",
        "normalisation",
        ("inputs",),
        trainee=plant.scaled(lambda x, data: (x - 0.1307) / 0.3081),
    ),
    Kind(
        "the mean image subtracted",
        "batch",
        "normalisation",
        ("inputs",),
        on=FEW,
        trainee=plant.scaled(lambda x, data: x - data.inputs.mean(axis=0)),
    ),
    Kind(
        "pixels through float32",
        "batch",
        "lower-precision",
        ("inputs",),
        on=FEW,
        trainee=plant.scaled(lambda x, data: x.astype(np.float32).astype(np.float64)),
    ),
    Kind("images transposed", "batch", "transposed-input", ("inputs",), on=FEW, trainee=plant.ImagesTransposed),
]

FORWARD = [
    Kind(
        "a bias left out of the forward",
        "activations",
        "bias-missing",
        ("0 WithoutBias",),
        rebuilt=_as(0, WithoutBias),
        acts=plant._second,
    ),
    Kind("a weight transposed", "activations", "transposed-weight", ("2 Transposed",), rebuilt=_as(2, Transposed)),
    Kind("a layer in float32", "activations", "lower-precision", ("2 InFloat32",), rebuilt=_as(2, InFloat32)),
    Kind("a leaky ReLU", "activations", "leaky-slope", ("1 Leaky",), on=FEW, rebuilt=_as(1, Leaky)),
    Kind(
        "dropout as in evaluation",
        "activations",
        "dropout-mode",
        ("2 Dropout",),
        network="dropout",
        rebuilt=_evaluating,
    ),
    Kind(
        "dropout from another stream",
        "activations",
        "dropout-mask",
        ("2 Dropout",),
        on=FEW,
        network="dropout",
        rebuilt=_another_stream,
    ),
    Kind(
        "batch norm as in evaluation",
        "activations",
        "batch-norm-mode",
        ("1 BatchNorm1d",),
        network="batch norm",
        rebuilt=_evaluating,
    ),
]

LOSSES = [
    Kind("the loss summed", "loss", "missing-mean", trainee=plant.LossSummed),
    Kind("the loss a billionth off", "loss", "loss-value", on=FEW, trainee=plant.LossALittleOff),
    Kind("an L2 penalty in the loss", "loss", "weight-decay", on=FEW, trainee=plant.LossWithPenalty),
    Kind("labels smoothed", "loss", None, on=FEW, rebuilt=_smoothed),
    Kind("a loss that is NaN once", "loss", "not-finite", on=FEW, trainee=plant.LossNaNOnce, acts=plant._once),
]

GRADIENTS = [
    Kind("1/N missing in the gradients", "gradients", "missing-mean", trainee=plant.times(plant._size)),
    Kind("1/N twice in the gradients", "gradients", "extra-mean", trainee=plant.times(lambda p: 1 / plant._size(p))),
    Kind(
        "the partial batch divided by the full size",
        "gradients",
        "partial-batch",
        trainee=plant.times(lambda p: plant._size(p) / plant.BATCH_SIZE),
        acts=plant._end_of_epoch,
    ),
    Kind(
        "one column of dW1 times 1.001",
        "gradients",
        "gradient-part",
        ("0.W",),
        trainee=plant.gradients(plant._column),
    ),
    Kind(
        "one element once, by 1e-6",
        "gradients",
        "gradient-part",
        ("1.W",),
        trainee=plant.gradients(plant._one_element_once),
        acts=plant._once,
    ),
    Kind(
        "gradients through bfloat16",
        "gradients",
        "lower-precision",
        trainee=plant.gradients(plant._through(torch.bfloat16)),
    ),
    Kind(
        "gradients through float32",
        "gradients",
        "lower-precision",
        trainee=plant.gradients(plant._through(torch.float32)),
    ),
    Kind(
        "gradients not zeroed",
        "gradients",
        "gradients-accumulated",
        trainee=plant.gradients(plant._accumulated),
        acts=plant._second,
    ),
    Kind(
        "the gradients of the step before",
        "gradients",
        "stale-gradients",
        trainee=plant.gradients(plant._stale),
        acts=plant._second,
    ),
    Kind("no gradient of a bias", "gradients", "never-moves", ("0.b",), trainee=plant.times(lambda p: 0.0, "0.b")),
    Kind(
        "a gradient transposed",
        "gradients",
        "transposed-gradient",
        ("1.W",),
        trainee=plant.gradients(plant._transposed),
    ),
    Kind("two gradients exchanged", "gradients", "exchanged-gradients", trainee=plant.gradients(plant._exchanged)),
    Kind("a sign turned", "gradients", "sign-flip", ("2.b",), on=FEW, trainee=plant.times(lambda p: -1.0, "2.b")),
    Kind("decay added to the gradients", "gradients", "weight-decay", trainee=plant.gradients(plant._decayed)),
    Kind("clipped to a norm", "gradients", "clipped", on=FEW, trainee=plant.gradients(plant._clipped_by_norm)),
    Kind("clipped by value", "gradients", "clipped", on=FEW, trainee=plant.gradients(plant._clipped_by_value)),
    Kind(
        "the last example left out of the backward",
        "gradients",
        "example-dropped",
        on=FEW,
        trainee=plant.gradients(plant._without_last_example),
    ),
    Kind("a gradient with noise of 1e-9", "gradients", None, ("2.W",), on=FEW, trainee=plant.gradients(plant._noisy)),
    Kind(
        "max-pool gives its gradient to all ties",
        "gradients",
        None,
        ("0.W", "0.b"),
        network="convolutional",
        rebuilt=_as(2, AllTies),
    ),
]

UPDATES = [
    Kind("lr times 1 + 1e-6", "update", "learning-rate", numbers={"lr": lambda n: n["lr"] * (1 + 1e-6)}),
    Kind("lr times 3", "update", "learning-rate", numbers={"lr": lambda n: n["lr"] * 3}),
    Kind(
        "lr a tenth from the second epoch on",
        "update",
        "learning-rate",
        trainee=plant.parameters(plant._slower_after_an_epoch),
        acts=plant._second_epoch,
    ),
    Kind("a bias that stays", "update", "never-moves", ("1.b",), trainee=plant.parameters(plant._bias_stays)),
    Kind(
        "parameters kept in float32",
        "update",
        "lower-precision",
        trainee=plant.parameters(plant._kept_in(torch.float32)),
    ),
    Kind(
        "parameters kept in bfloat16",
        "update",
        "lower-precision",
        on=FEW,
        trainee=plant.parameters(plant._kept_in(torch.bfloat16)),
    ),
    Kind(
        "momentum dampened",
        "update",
        "dampening",
        on=("momentum",),
        mistakes=mistake("dampened"),
        acts=plant._second,
    ),
    Kind(
        "a running mean for momentum", "update", "dampening", on=("momentum",), mistakes=mistake("first step dampened")
    ),
    Kind("momentum 0.99", "update", "momentum", on=("momentum",), numbers={"momentum": 0.99}, acts=plant._second),
    Kind("momentum for Nesterov", "update", "nesterov", on=("Nesterov",), mistakes=mistake("other Nesterov")),
    Kind(
        "Nesterov for momentum",
        "update",
        "nesterov",
        on=("momentum",),
        mistakes=mistake("other Nesterov"),
    ),
    Kind(
        "Nesterov that looks ahead twice", "update", "nesterov", on=("Nesterov",), mistakes=mistake("looks ahead twice")
    ),
    Kind(
        "Nesterov from the velocity",
        "update",
        "nesterov",
        on=("Nesterov",),
        mistakes=mistake("looks ahead from the velocity"),
        acts=plant._second,
    ),
    Kind("eps inside the root", "update", "eps-place", on=ADAPTIVE, mistakes=mistake("eps inside")),
    Kind("eps before the correction", "update", "eps-place", on=ADAMS, mistakes=mistake("eps before correction")),
    Kind("eps 1e-7", "update", "eps", on=ADAPTIVE, numbers={"eps": 1e-7}),
    Kind(
        "no bias correction",
        "update",
        "bias-correction",
        on=ADAMS,
        mistakes=mistake("mean uncorrected", "square uncorrected"),
    ),
    Kind("the mean uncorrected", "update", "bias-correction", on=ADAMS, mistakes=mistake("mean uncorrected")),
    Kind("the square uncorrected", "update", "bias-correction", on=ADAMS, mistakes=mistake("square uncorrected")),
    Kind("RMSProp with correction", "update", "bias-correction", on=("RMSProp",), mistakes=mistake("correction")),
    Kind("Adam counts from two", "update", "step-count", on=ADAMS, mistakes=mistake("counts from two")),
    Kind("beta2 0.99", "state", "betas", on=ADAMS, numbers={"betas": (0.9, 0.99)}, acts=plant._second),
    Kind("alpha 0.9", "update", "alpha", on=("RMSProp",), numbers={"alpha": 0.9}),
    Kind(
        "decay beside the step for in the gradient",
        "update",
        "weight-decay-decoupled",
        on=("Adam",),
        both=DECAY,
        numbers={"kind": "AdamW"},
    ),
    Kind(
        "decay in the gradient for beside the step",
        "update",
        "weight-decay-coupled",
        on=("AdamW",),
        numbers={"kind": "Adam"},
    ),
    Kind("no weight decay", "update", "weight-decay-missing", both=DECAY, mistakes=mistake("no decay")),
    Kind(
        "biases not decayed",
        "update",
        "weight-decay-missing",
        ("0.b", "1.b", "2.b"),
        on=("SGD", "momentum", "AdamW"),
        both=DECAY,
        mistakes=mistake("no decay of biases"),
        acts=plant._second,
    ),
    Kind(
        "the optimiser's state forgotten at step 4",
        "update",
        "state-lost",
        on=(*MOMENTUM, *ADAPTIVE),
        mistakes=mistake("state forgotten"),
        acts=lambda epoch: 4,
    ),
    Kind(
        "the optimiser's state in float32",
        "state",
        "lower-precision",
        on=("momentum", *ADAPTIVE),
        trainee=plant.parameters(plant._state_in_float32),
        acts=plant._second,
    ),
]

KINDS = {kind.name: kind for kind in [*BATCHES, *FORWARD, *LOSSES, *GRADIENTS, *UPDATES]}

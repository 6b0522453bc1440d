"""Every reference layer and network as `gk.explore` is given it: what to draw, by the names of its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

import gradcheck_kit as gk
from reference_impls.layers import (
    Add,
    Affine,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    BCELoss,
    BCEWithLogitsLoss,
    Conv2d,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool2d,
    MSELoss,
    Mul,
    ReLU,
    Sigmoid,
    Softmax,
    SoftmaxWithLoss,
    Tanh,
)
from reference_impls.networks import MLP, SimpleNet, XORNet
from tests.cases.case import Array

UNIT = (0.0, 1.0)


@dataclass(frozen=True)
class Searched:
    """One search over a right layer.

    Attributes:
        name: the class, and which variant of it.
        of: the class.
        target: the class itself, an object of it, or a factory.
        axes: what `gk.explore` is given by keyword.
    """

    name: str
    of: type
    target: Any
    axes: Mapping[str, Any]


def _class(of: type, **axes: Any) -> Searched:
    return Searched(of.__name__, of, of, axes)


def _evaluated(gamma: Array, beta: Array) -> BatchNorm1d:
    layer = BatchNorm1d(gamma, beta).train(False)
    layer.buffers["running_var"][...] = 2.0
    return layer


def _losses(reduction: Literal["mean", "sum"]) -> list[Searched]:
    logits, inside, fixed = ("n", "m"), gk.axes("n", within=UNIT), gk.axes("n", within=UNIT, fixed=True)
    smoothed = SoftmaxWithLoss(reduction, label_smoothing=0.25)
    kinds: list[tuple[str, Any, dict[str, Any]]] = [
        ("SoftmaxWithLoss", SoftmaxWithLoss(reduction), {"logits": logits, "labels": gk.axes("n", below="m")}),
        ("SoftmaxWithLoss, soft labels", smoothed, {"logits": logits, "labels": gk.axes("n", "m", fixed=True)}),
        ("MSELoss", MSELoss(reduction), {"prediction": logits, "target": gk.axes("n", "m", fixed=True)}),
        ("BCELoss", BCELoss(reduction), {"probability": inside, "target": fixed}),
        ("BCEWithLogitsLoss", BCEWithLogitsLoss(reduction), {"logits": ("n",), "target": fixed}),
    ]
    return [Searched(f"{name}, {reduction}", type(loss), loss, axes) for name, loss, axes in kinds]


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


SEARCHED: tuple[Searched, ...] = (
    _class(Add, x=("n", 3), y=(3,)),
    _class(Mul, x=("n", "m"), y=("m",)),
    _class(ReLU, x=("n", 3)),
    _class(LeakyReLU, x=("n", 3), slope=0.3),
    _class(Sigmoid, x=("n", 2)),
    _class(Tanh, x=("n", 2)),
    _class(Dropout, x=("n", 3), p=0.25, rng=_rng()),
    _class(Affine, x=("n", 3), W=(3, "m"), b=("m",)),
    _class(Flatten, x=("n", 2, "m")),
    _class(Embedding, W=("m", 2), indices=gk.axes("n", below="m")),
    _class(Softmax, x=("n", "m")),
    _class(LogSoftmax, x=("n", "m")),
    _class(Conv2d, x=("n", 2, 4, 4), W=("m", 2, 3, 3), b=("m",), padding=1, stride=2),
    _class(MaxPool2d, x=("n", 1, 4, 3), kernel=2),
    _class(AvgPool2d, x=("n", 1, 4, 3), kernel=3, padding=1),
    _class(BatchNorm1d, x=("n", "m"), gamma=("m",), beta=("m",)),
    Searched("BatchNorm1d, in evaluation", BatchNorm1d, _evaluated, {"x": ("n", "m"), "gamma": ("m",), "beta": ("m",)}),
    _class(BatchNorm2d, x=("n", 2, 2, 3), gamma=(2,), beta=(2,)),
    _class(LayerNorm, x=("n", "m"), gamma=("m",), beta=("m",)),
    *_losses("mean"),
    *_losses("sum"),
    Searched("MLP of 1 affine layer", MLP, MLP([3, 2], _rng()), {"x": ("n", 3)}),
    Searched("MLP of 2 affine layers", MLP, MLP([3, 4, 2], _rng()), {"x": ("n", 3)}),
    Searched("MLP of 3 affine layers", MLP, MLP([2, 4, 3, 2], _rng()), {"x": ("n", 2)}),
    Searched("SimpleNet", SimpleNet, SimpleNet(_rng()), {"x": ("n", 10)}),
    Searched("XORNet, sigmoid", XORNet, XORNet(_rng(), hidden="sigmoid"), {"x": ("n", 2)}),
    Searched("XORNet, relu", XORNet, XORNet(_rng(), hidden="relu"), {"x": ("n", 2)}),
)

"""Every reference layer and network as `gk.explore` is given it: what to draw, by the names of its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

import gradcheck_kit as gk
from reference_impls import layers, networks
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


def _evaluated(gamma: Array, beta: Array) -> layers.BatchNorm1d:
    layer = layers.BatchNorm1d(gamma, beta).train(False)
    layer.buffers["running_var"][...] = 2.0
    return layer


def _losses(reduction: Literal["mean", "sum"]) -> list[Searched]:
    logits, inside, fixed = ("n", "m"), gk.axes("n", within=UNIT), gk.axes("n", within=UNIT, fixed=True)
    smoothed = layers.SoftmaxWithLoss(reduction, label_smoothing=0.25)
    kinds: list[tuple[str, Any, dict[str, Any]]] = [
        ("SoftmaxWithLoss", layers.SoftmaxWithLoss(reduction), {"logits": logits, "labels": gk.axes("n", below="m")}),
        ("SoftmaxWithLoss, soft labels", smoothed, {"logits": logits, "labels": gk.axes("n", "m", fixed=True)}),
        ("MSELoss", layers.MSELoss(reduction), {"prediction": logits, "target": gk.axes("n", "m", fixed=True)}),
        ("BCELoss", layers.BCELoss(reduction), {"probability": inside, "target": fixed}),
        ("BCEWithLogitsLoss", layers.BCEWithLogitsLoss(reduction), {"logits": ("n",), "target": fixed}),
    ]
    return [Searched(f"{name}, {reduction}", type(loss), loss, axes) for name, loss, axes in kinds]


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


SEARCHED: tuple[Searched, ...] = (
    _class(layers.Add, x=("n", 3), y=(3,)),
    _class(layers.Mul, x=("n", "m"), y=("m",)),
    _class(layers.ReLU, x=("n", 3)),
    _class(layers.LeakyReLU, x=("n", 3), slope=0.3),
    _class(layers.Sigmoid, x=("n", 2)),
    _class(layers.Tanh, x=("n", 2)),
    _class(layers.Dropout, x=("n", 3), p=0.25, rng=_rng()),
    _class(layers.Affine, x=("n", 3), W=(3, "m"), b=("m",)),
    _class(layers.Flatten, x=("n", 2, "m")),
    _class(layers.Embedding, W=("m", 2), indices=gk.axes("n", below="m")),
    _class(layers.Softmax, x=("n", "m")),
    _class(layers.LogSoftmax, x=("n", "m")),
    _class(layers.Conv2d, x=("n", 2, 4, 4), W=("m", 2, 3, 3), b=("m",), padding=1, stride=2),
    _class(layers.MaxPool2d, x=("n", 1, 4, 3), kernel=2),
    _class(layers.AvgPool2d, x=("n", 1, 4, 3), kernel=3, padding=1),
    _class(layers.BatchNorm1d, x=("n", "m"), gamma=("m",), beta=("m",)),
    Searched(
        "BatchNorm1d, in evaluation", layers.BatchNorm1d, _evaluated, {"x": ("n", "m"), "gamma": ("m",), "beta": ("m",)}
    ),
    _class(layers.BatchNorm2d, x=("n", 2, 2, 3), gamma=(2,), beta=(2,)),
    _class(layers.LayerNorm, x=("n", "m"), gamma=("m",), beta=("m",)),
    *_losses("mean"),
    *_losses("sum"),
    Searched("MLP of 1 affine layer", networks.MLP, networks.MLP([3, 2], _rng()), {"x": ("n", 3)}),
    Searched("MLP of 2 affine layers", networks.MLP, networks.MLP([3, 4, 2], _rng()), {"x": ("n", 3)}),
    Searched("MLP of 3 affine layers", networks.MLP, networks.MLP([2, 4, 3, 2], _rng()), {"x": ("n", 2)}),
    Searched("SimpleNet", networks.SimpleNet, networks.SimpleNet(_rng()), {"x": ("n", 10)}),
    Searched("XORNet, sigmoid", networks.XORNet, networks.XORNet(_rng(), hidden="sigmoid"), {"x": ("n", 2)}),
    Searched("XORNet, relu", networks.XORNet, networks.XORNet(_rng(), hidden="relu"), {"x": ("n", 2)}),
)

"""For each reference layer the same function in torch, whose gradient is autograd's."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gradcheck_kit.adapters import build
from gradcheck_kit.cli.catalogue import DROPOUT, RUNNING_MEAN, RUNNING_VAR
from gradcheck_kit.subject import Subject

Point = Mapping[str, Tensor]


def _affine(point: Point) -> Tensor:
    return functional.linear(point["x"].flatten(1), point["W"].T, point["b"])


def _chain(activation: Callable[[Tensor], Tensor]) -> Callable[[Point], Tensor]:
    """Affine layers "0.W", "0.b", "1.W", … with an activation between them."""

    def run(point: Point) -> Tensor:
        x = point["x"]
        depth = sum(name.endswith(".W") for name in point)
        for i in range(depth):
            x = functional.linear(activation(x) if i else x, point[f"{i}.W"].T, point[f"{i}.b"])
        return x

    return run


def _lenet(point: Point) -> Tensor:
    """Of 28×28 images."""
    x = point["x"]
    for i, padding in enumerate((2, 0)):
        x = functional.conv2d(x, point[f"{i}.W"], point[f"{i}.b"], padding=padding)
        x = functional.max_pool2d(functional.relu(x), 2)
    affine = {name: values for name, values in point.items() if name[0] in "234"}
    return _chain(functional.relu)({"x": x.flatten(1), **{f"{int(n[0]) - 2}{n[1:]}": v for n, v in affine.items()}})


def _dropout(point: Point) -> Tensor:
    """torch draws other numbers than NumPy, so the mask is drawn here; the scaling is torch's."""
    p, seed = DROPOUT
    dropped = np.random.default_rng(seed).random(point["x"].shape) < p
    return point["x"].masked_fill(torch.tensor(dropped, device=point["x"].device), 0.0) / (1 - p)


def _batch_norm(point: Point) -> Tensor:
    return functional.batch_norm(point["x"], None, None, point["gamma"], point["beta"], training=True)


def _batch_norm_in_evaluation(point: Point) -> Tensor:
    x = point["x"]
    mean, var = (torch.tensor(values, dtype=x.dtype, device=x.device) for values in (RUNNING_MEAN, RUNNING_VAR))
    return functional.batch_norm(x, mean, var, point["gamma"], point["beta"], training=False)


TWINS: Mapping[str, Callable[[Point], Tensor]] = {
    "Add": lambda p: p["x"] + p["y"],
    "Mul": lambda p: p["x"] * p["y"],
    "ReLU": lambda p: functional.relu(p["x"]),
    "LeakyReLU": lambda p: functional.leaky_relu(p["x"], 0.1),
    "Sigmoid": lambda p: torch.sigmoid(p["x"]),
    "Tanh": lambda p: torch.tanh(p["x"]),
    "Dropout": _dropout,
    "Affine": _affine,
    "Flatten": lambda p: p["x"].flatten(1) if p["x"].ndim > 1 else p["x"].reshape(-1, 1),
    "Embedding": lambda p: functional.embedding(p["indices"], p["W"]),
    "Softmax": lambda p: torch.softmax(p["x"], -1),
    "LogSoftmax": lambda p: torch.log_softmax(p["x"], -1),
    "Conv2d": lambda p: functional.conv2d(p["x"], p["W"], p["b"], stride=2, padding=(1, 2), dilation=(2, 1), groups=2),
    "MaxPool2d": lambda p: functional.max_pool2d(p["x"], 3, stride=2, padding=1),
    "AvgPool2d": lambda p: functional.avg_pool2d(p["x"], 3, stride=2, padding=1),
    "BatchNorm1d": _batch_norm,
    "BatchNorm2d": _batch_norm,
    "BatchNorm2d (evaluation)": _batch_norm_in_evaluation,
    "LayerNorm": lambda p: functional.layer_norm(p["x"], p["gamma"].shape, p["gamma"], p["beta"]),
    "SoftmaxWithLoss": lambda p: functional.cross_entropy(p["logits"], p["labels"]),
    "SoftmaxWithLoss (soft labels)": lambda p: functional.cross_entropy(p["logits"], p["labels"], reduction="sum"),
    "SoftmaxWithLoss (label smoothing)": lambda p: functional.cross_entropy(
        p["logits"], p["labels"], label_smoothing=0.1
    ),
    "MSELoss": lambda p: functional.mse_loss(p["prediction"], p["target"]),
    "BCELoss": lambda p: functional.binary_cross_entropy(p["probability"], p["target"]),
    "BCEWithLogitsLoss": lambda p: functional.binary_cross_entropy_with_logits(p["logits"], p["target"]),
    "MLP": _chain(functional.relu),
    "SimpleNet": _chain(functional.relu),
    "XORNet": lambda p: torch.sigmoid(_chain(torch.sigmoid)(p)),
    "LeNet": _lenet,
}


def twin_of(candidate: Subject, device: str = "cpu", twin: Callable[[Point], Tensor] | None = None) -> Subject:
    """The torch twin of a reference layer's subject at the same point, on a device.

    Args:
        candidate: a NumPy subject, named as in `TWINS` unless `twin` is given.
        device: "cpu", "cuda", "cuda:1", …
        twin: the torch function, from tensors by the candidate's input names.
    """
    function = twin or TWINS[candidate.name]
    names = list(candidate.point)
    tensors = [torch.tensor(candidate.point[name], device=device) for name in names]
    call = lambda *values: function(dict(zip(names, values, strict=True)))  # noqa: E731
    return build.module(call, *tensors, names=names, name=f"torch {device}").restricted_to(candidate.differentiable)

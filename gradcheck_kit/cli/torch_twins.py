"""For each reference layer the same function in torch, whose gradient is autograd's."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from gradcheck_kit.adapters import build
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


TWINS: Mapping[str, Callable[[Point], Tensor]] = {
    "Add": lambda p: p["x"] + p["y"],
    "Mul": lambda p: p["x"] * p["y"],
    "ReLU": lambda p: functional.relu(p["x"]),
    "Sigmoid": lambda p: torch.sigmoid(p["x"]),
    "Affine": _affine,
    "SoftmaxWithLoss": lambda p: functional.cross_entropy(p["logits"], p["labels"]),
    "SoftmaxWithLoss (soft labels)": lambda p: functional.cross_entropy(p["logits"], p["labels"], reduction="sum"),
    "MSELoss": lambda p: functional.mse_loss(p["prediction"], p["target"]),
    "BCELoss": lambda p: functional.binary_cross_entropy(p["probability"], p["target"]),
    "MLP": _chain(functional.relu),
    "XORNet": lambda p: torch.sigmoid(_chain(torch.sigmoid)(p)),
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

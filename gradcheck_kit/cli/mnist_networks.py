"""The networks and optimisers that are trained on MNIST, by hand in NumPy and again in torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from gradcheck_kit.side_by_side.torch_trainee import Layout
from reference_impls.networks import MLP, LeNet
from reference_impls.networks.classifier import Classifier
from reference_impls.optimizers import SGD, Adam, AdamW, RMSProp

SIZES = (784, 128, 10)

DType = type[np.floating[Any]]


@dataclass(frozen=True)
class Model:
    """One network on both sides.

    Attributes:
        title: what reports call it.
        image: the shape of one example.
        ours: generator and dtype → the NumPy network.
        theirs: torch's.
        layout: our parameter names → torch's; nn.Linear keeps its weight as (out, in), the transpose of ours.
    """

    title: str
    image: tuple[int, ...]
    ours: Callable[[np.random.Generator, DType], Classifier]
    theirs: Callable[[], nn.Sequential]
    layout: Layout


@dataclass(frozen=True)
class Optimizer:
    """One update formula on both sides, with the numbers beside the learning rate."""

    title: str
    ours: Callable[..., Any]
    theirs: Callable[..., torch.optim.Optimizer]
    lr: float
    numbers: dict[str, Any]


def _mlp() -> nn.Sequential:
    inputs, hidden, classes = SIZES
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes))


def _lenet() -> nn.Sequential:
    """LeCun et al. (1998), as `reference_impls.networks.LeNet` has it."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def _layout(module: nn.Sequential) -> Layout:
    """Our layers are numbered by those with parameters, those of nn.Sequential by all."""
    found: dict[str, tuple[str, bool]] = {}
    with_parameters = [(place, layer) for place, layer in enumerate(module) if [*layer.parameters()]]
    for number, (place, layer) in enumerate(with_parameters):
        found[f"{number}.W"] = (f"{place}.weight", isinstance(layer, nn.Linear))
        found[f"{number}.b"] = (f"{place}.bias", False)
    return found


MODELS = {
    "mlp": Model(
        "-".join(map(str, SIZES)),
        (784,),
        lambda generator, dtype: MLP(list(SIZES), generator, dtype=dtype),
        _mlp,
        _layout(_mlp()),
    ),
    "lenet": Model(
        "LeNet", (1, 28, 28), lambda generator, dtype: LeNet(generator, dtype=dtype), _lenet, _layout(_lenet())
    ),
}

HEAVY_BALL = {"momentum": 0.9}
OPTIMIZERS = {
    "sgd": Optimizer("SGD", SGD, torch.optim.SGD, 0.1, {}),
    "momentum": Optimizer("SGD with momentum", SGD, torch.optim.SGD, 0.05, HEAVY_BALL),
    "nesterov": Optimizer("SGD with Nesterov's momentum", SGD, torch.optim.SGD, 0.05, {**HEAVY_BALL, "nesterov": True}),
    "rmsprop": Optimizer("RMSProp", RMSProp, torch.optim.RMSprop, 1e-3, {}),
    "adam": Optimizer("Adam", Adam, torch.optim.Adam, 1e-3, {}),
    "adamw": Optimizer("AdamW", AdamW, torch.optim.AdamW, 1e-3, {"weight_decay": 0.01}),
}

# Test accuracy that right programs reach: (network, optimiser, learning rate) → epochs → share; batches of 100.
BARS = {
    ("mlp", "sgd", 0.1): {1: 0.91, 5: 0.954, 10: 0.967, 20: 0.973},
    ("mlp", "adam", 1e-3): {1: 0.932, 5: 0.968, 10: 0.973},
}

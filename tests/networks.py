"""One table of the networks: how each is made, its torch twin, and a batch for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from reference_impls.networks import MLP, LeNet, SimpleNet, XORNet
from reference_impls.networks.network import Network

Array = npt.NDArray[Any]
Rng = np.random.Generator


@dataclass(frozen=True)
class Twin:
    """A network beside torch's of the same layers and loss.

    Attributes:
        ours: generator, dtype → the network.
        theirs: the torch modules, in order.
        batch: generator, rows → inputs and targets, float64 or integers.
        loss: torch's loss of output and targets.
    """

    ours: Callable[[Rng, Any], Network]
    theirs: Callable[[], list[nn.Module]]
    batch: Callable[[Rng, int], tuple[Array, Array]]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = nn.functional.cross_entropy

    def module(self, dtype: Any) -> nn.Sequential:
        return nn.Sequential(*self.theirs()).to(torch.float64 if dtype is np.float64 else torch.float32)


def rows(features: int, classes: int) -> Callable[[Rng, int], tuple[Array, Array]]:
    return lambda g, n: (g.normal(size=(n, features)), g.integers(0, classes, n))


def images(size: int) -> Callable[[Rng, int], tuple[Array, Array]]:
    return lambda g, n: (g.uniform(size=(n, 1, size, size)), g.integers(0, 10, n))


def lenet_modules(padding: int) -> list[nn.Module]:
    return [
        nn.Conv2d(1, 6, 5, padding=padding),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    ]


NETWORKS = {
    "LeNet 28": Twin(lambda g, d: LeNet(g, dtype=d), lambda: lenet_modules(2), images(28)),
    "LeNet 32": Twin(lambda g, d: LeNet(g, image_size=32, dtype=d), lambda: lenet_modules(0), images(32)),
    "MLP 784-128-10": Twin(
        lambda g, d: MLP([784, 128, 10], g, dtype=d),
        lambda: [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)],
        rows(784, 10),
    ),
    "SimpleNet": Twin(
        lambda g, d: SimpleNet(g, dtype=d), lambda: [nn.Linear(10, 50), nn.ReLU(), nn.Linear(50, 2)], rows(10, 2)
    ),
    "XORNet": Twin(
        lambda g, d: XORNet(g, hidden="sigmoid", loss="bce", dtype=d),
        lambda: [nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 1), nn.Sigmoid()],
        lambda g, n: (g.normal(size=(n, 2)), g.integers(0, 2, (n, 1)).astype(float)),
        nn.functional.binary_cross_entropy,
    ),
}


def tensor(array: Array, dtype: Any) -> torch.Tensor:
    """Floats in the dtype, integers as they are."""
    return torch.tensor(array.astype(dtype) if array.dtype.kind == "f" else array)

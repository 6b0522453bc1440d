"""What the parity benchmark trains: the data, the networks and the optimisers, in torch and in NumPy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from gradcheck_kit.side_by_side.schedule import Indices, Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.subject import UsageError
from reference_impls.datasets import mnist
from reference_impls.layers import Affine, BatchNorm1d, Conv2d, Dropout, Flatten, MaxPool2d, ReLU
from reference_impls.networks import MLP
from reference_impls.networks.classifier import Classifier
from reference_impls.optimizers import SGD, Adam, AdamW, RMSProp

Values = npt.NDArray[Any]
Params = dict[str, Values]

BATCH_SIZE = 100
EPOCHS = 3
HIDDEN = 32
CLASSES = 10


@dataclass(frozen=True)
class Data:
    """Rows of pixels between 0 and 1, and labels; so many examples that the last batch of an epoch is partial."""

    name: str
    inputs: Values
    labels: Values
    test: tuple[Values, Values]

    def batch(self, indices: Indices) -> tuple[Values, Values]:
        return self.inputs[indices], self.labels[indices]


def some_of_mnist(examples: int = 1950, tests: int = 1000) -> Data:
    """The first examples of the real data."""
    try:
        data = mnist.load()
    except (mnist.MNISTUnavailable, mnist.MNISTCorrupt) as error:
        raise UsageError(f"{error}; or pass --synthetic") from None
    inputs, scored = (
        held.reshape(len(held), -1).astype(np.float64) / 255.0
        for held in (data.train_images[:examples], data.test_images[:tests])
    )
    labels = data.train_labels[:examples].astype(np.int64)
    test = scored, data.test_labels[:tests].astype(np.int64)
    return Data(f"the first {examples:,} examples of MNIST", inputs, labels, test)


def synthetic(examples: int = 450, tests: int = 200, side: int = 28) -> Data:
    """Images of that size: one smooth blob for each class, with noise, in a frame of exact zeros."""
    generator = np.random.default_rng(3)
    blobs = generator.normal(size=(CLASSES, side * side))
    labels = generator.integers(0, CLASSES, examples + tests)
    noisy = blobs[labels] + 2.0 * generator.normal(size=(examples + tests, side * side))
    inside = np.zeros((side, side))
    frame = side // 3
    inside[frame:-frame, frame:-frame] = 1.0
    pixels = np.round(np.clip(noisy / 6.0 + 0.2, 0.0, 1.0) * inside.ravel() * 255.0) / 255.0
    test = pixels[examples:], labels[examples:]
    return Data(f"{examples} synthetic images of {side}×{side}", pixels[:examples], labels[:examples], test)


# ---------------------------------------------------------------- optimisers

OPTIMISERS: dict[str, dict[str, Any]] = {
    "SGD": {"kind": "SGD", "lr": 0.1},
    "momentum": {"kind": "SGD", "lr": 0.05, "momentum": 0.9},
    "Nesterov": {"kind": "SGD", "lr": 0.05, "momentum": 0.9, "nesterov": True},
    "RMSProp": {"kind": "RMSProp", "lr": 1e-3},
    "Adam": {"kind": "Adam", "lr": 1e-3},
    "AdamW": {"kind": "AdamW", "lr": 1e-3, "weight_decay": 0.01},
}
OURS: dict[str, Any] = {"SGD": SGD, "RMSProp": RMSProp, "Adam": Adam, "AdamW": AdamW}
THEIRS: dict[str, Any] = {
    "SGD": torch.optim.SGD,
    "RMSProp": torch.optim.RMSprop,
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
}


def ours(numbers: dict[str, Any]) -> Callable[[Params], Any]:
    """The NumPy optimiser with these numbers."""
    given = {key: value for key, value in numbers.items() if key != "kind"}
    return lambda params: OURS[numbers["kind"]](params, **given)


def theirs(module: nn.Module, numbers: dict[str, Any]) -> torch.optim.Optimizer:
    """torch's."""
    given = {key: value for key, value in numbers.items() if key != "kind"}
    optimizer: torch.optim.Optimizer = THEIRS[numbers["kind"]](module.parameters(), **given)
    return optimizer


# ---------------------------------------------------------------- networks


def mlp(pixels: int) -> MLP:
    """Two hidden layers of one size, so that a weight may be transposed unnoticed by its shape."""
    return MLP([pixels, HIDDEN, HIDDEN, CLASSES], np.random.default_rng(0))


def convolutional(pixels: int) -> Classifier:
    """A convolution, a pool behind it, and an affine layer; for images as (batch, 1, rows, columns)."""
    side = round(pixels**0.5)
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(4, 1, 5, 5)) * 0.3
    features = 4 * ((side - 4) // 2) ** 2
    last = Affine(generator.normal(size=(features, CLASSES)) * 0.05, np.zeros(CLASSES))
    return Classifier([Conv2d(kernel, np.full(4, 0.1)), ReLU(), MaxPool2d(2), Flatten(), last])


def with_dropout(pixels: int) -> Classifier:
    """Dropout behind the hidden layer."""
    one, other = _two_layers(pixels)
    return Classifier([one, ReLU(), Dropout(0.2, np.random.default_rng(5)), other])


def with_batch_norm(pixels: int) -> Classifier:
    """Batch norm before the ReLU."""
    one, other = _two_layers(pixels)
    return Classifier([one, BatchNorm1d(np.ones(HIDDEN), np.zeros(HIDDEN)), ReLU(), other])


def _two_layers(pixels: int) -> tuple[Affine, Affine]:
    generator = np.random.default_rng(0)
    shapes = ((pixels, HIDDEN), (HIDDEN, CLASSES))
    one, other = (Affine(generator.normal(size=s) * (2 / s[0]) ** 0.5, np.zeros(s[1])) for s in shapes)
    return one, other


NETWORKS: dict[str, Callable[[int], Classifier]] = {
    "MLP": mlp,
    "convolutional": convolutional,
    "dropout": with_dropout,
    "batch norm": with_batch_norm,
}


def schedule(data: Data, network: str, seed: int = 0, epochs: int = EPOCHS) -> Schedule:
    """The network's own start, and orders drawn from the seed."""
    generator = np.random.default_rng([seed, 7])
    start = NETWORKS[network](data.inputs.shape[1]).params
    parameters = {name: p + 0.01 * seed * generator.normal(size=p.shape) for name, p in start.items()}
    return Schedule(parameters, len(data.labels), BATCH_SIZE, epochs, seed)


def torch_reference(pixels: int, network: str, numbers: dict[str, Any]) -> TorchTrainee:
    """autograd's gradients and torch's optimiser, of the two networks that have no randomness of their own."""
    if network == "convolutional":
        side = round(pixels**0.5)
        features = 4 * ((side - 4) // 2) ** 2
        stages = [nn.Unflatten(1, (1, side, side)), nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        module = nn.Sequential(*stages, nn.Linear(features, CLASSES)).double()
        layout = {"0.W": ("1.weight", False), "0.b": ("1.bias", False), "1.W": ("5.weight", True)}
        layout["1.b"] = ("5.bias", False)
    else:
        sizes = [(pixels, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, CLASSES)]
        linear = [nn.Linear(*size) for size in sizes]
        module = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2]).double()
        layout = {f"{i}.W": (f"{2 * i}.weight", True) for i in range(3)}
        layout |= {f"{i}.b": (f"{2 * i}.bias", False) for i in range(3)}
    return TorchTrainee("torch", module, theirs(module, numbers), nn.functional.cross_entropy, layout)


def numpy_reference(pixels: int, network: str, numbers: dict[str, Any]) -> NumPyTrainee:
    """The reference implementation, where both sides must draw the same random numbers."""
    return NumPyTrainee("reference", NETWORKS[network](pixels), ours(numbers))

"""The parity run of `verify`: the hand-written MLP beside the same torch model, on the full MNIST."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from gradcheck_kit.side_by_side.schedule import Indices, Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.training import ParityReport, Progress, train_parity
from gradcheck_kit.subject import UsageError
from reference_impls.datasets import mnist
from reference_impls.networks import MLP
from reference_impls.optimizers import SGD

SIZES = (784, 128, 10)
BATCH_SIZE = 100
LEARNING_RATE = 0.1
TITLE = f"MNIST {'-'.join(map(str, SIZES))}, batch {BATCH_SIZE}, SGD {LEARNING_RATE}"

# nn.Linear keeps its weight as (out, in); the layers of nn.Sequential are numbered with the ReLU between.
LAYOUT = {"0.W": ("0.weight", True), "0.b": ("0.bias", False), "1.W": ("2.weight", True), "1.b": ("2.bias", False)}


def load(directory: Path | None, progress: mnist.Progress | None = None) -> mnist.MNIST:
    """The data, or a usage error that says how to supply it."""
    try:
        return mnist.load(directory, progress=progress)
    except (mnist.MNISTUnavailable, mnist.MNISTCorrupt) as error:
        raise UsageError(str(error)) from None


def schedule(seed: int, epochs: int, examples: int) -> Schedule:
    """He-initialised weights and the order of the batches."""
    start = MLP(list(SIZES), np.random.default_rng(seed))
    parameters = {name: values.astype(np.float64) for name, values in start.params.items()}
    return Schedule(parameters, examples, BATCH_SIZE, epochs, seed)


def run(
    data: mnist.MNIST,
    plan: Schedule,
    dtype: type[np.floating[Any]],
    device: str,
    progress: Callable[[Progress], None] | None = None,
) -> ParityReport:
    """Train both in one dtype, torch on `device`, and compare them at every step."""
    network = MLP(list(SIZES), np.random.default_rng(0), dtype=dtype)
    candidate = NumPyTrainee("NumPy", network, lambda params: SGD(params, LEARNING_RATE))

    def batch(indices: Indices) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        return _scaled(data.train_images[indices], dtype), data.train_labels[indices].astype(np.int64)

    test = _scaled(data.test_images, dtype), data.test_labels.astype(np.int64)
    return train_parity(_torch_side(dtype, device), candidate, plan, batch, test=test, name=TITLE, progress=progress)


def _torch_side(dtype: type[np.floating[Any]], device: str) -> TorchTrainee:
    inputs, hidden, classes = SIZES
    module = torch.nn.Sequential(torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes))
    module = module.to(device=device, dtype=getattr(torch, dtype.__name__))
    optimizer = torch.optim.SGD(module.parameters(), lr=LEARNING_RATE)
    return TorchTrainee(f"torch {device}", module, optimizer, torch.nn.functional.cross_entropy, LAYOUT)


def _scaled(images: npt.NDArray[np.uint8], dtype: type[np.floating[Any]]) -> npt.NDArray[Any]:
    """Images as rows of numbers between 0 and 1."""
    pixels: npt.NDArray[Any] = images.reshape(len(images), -1).astype(dtype) / dtype(255)
    return pixels

"""A training run on the full MNIST: a hand-written NumPy network beside the same one in torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gradcheck_kit.adapters.torch_library import full_precision, tensor_float32
from gradcheck_kit.cli.mnist_networks import BARS, MODELS, OPTIMIZERS, DType
from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from gradcheck_kit.side_by_side.schedule import Indices, Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.training import TrainingRun
from gradcheck_kit.subject import UsageError
from reference_impls.datasets import mnist

BATCH_SIZE = 100


@dataclass(frozen=True)
class Setting:
    """What is trained, and how; `device` is torch's. `lr` left out is the optimiser's usual one.

    `precision` is what torch may round its products to: "tf32" on CUDA, or "bfloat16" by autocast.
    """

    model: str = "mlp"
    optimizer: str = "sgd"
    lr: float | None = None
    batch_size: int = BATCH_SIZE
    dtype: str = "float64"
    device: str = "cpu"
    precision: str | None = None

    @property
    def learning_rate(self) -> float:
        return OPTIMIZERS[self.optimizer].lr if self.lr is None else self.lr

    @property
    def title(self) -> str:
        model, optimizer = MODELS[self.model].title, OPTIMIZERS[self.optimizer].title
        return f"MNIST {model}, batch {self.batch_size}, {optimizer} {self.learning_rate:g}"

    def bar(self, epochs: int) -> float | None:
        """The test accuracy that a right program reaches after so many epochs; None where that was not measured."""
        known = BARS.get((self.model, self.optimizer, self.learning_rate), {}) if self.batch_size == BATCH_SIZE else {}
        return max((share for after, share in known.items() if after <= epochs), default=None)


def load(directory: Path | None, progress: mnist.Progress | None = None) -> mnist.MNIST:
    """The data, or a usage error that says how to supply it."""
    try:
        return mnist.load(directory, progress=progress)
    except (mnist.MNISTUnavailable, mnist.MNISTCorrupt) as error:
        raise UsageError(str(error)) from None


def schedule(setting: Setting, seed: int, epochs: int, examples: int) -> Schedule:
    """He-initialised weights and the order of the batches; the same for every dtype and device."""
    start = MODELS[setting.model].ours(np.random.default_rng(seed), np.float64)
    parameters = {name: values.astype(np.float64) for name, values in start.params.items()}
    return Schedule(parameters, examples, setting.batch_size, epochs, seed)


def training(data: mnist.MNIST, plan: Schedule, setting: Setting, *, repeat: bool = False) -> TrainingRun:
    """Both sides at the start of the plan, torch the reference."""
    image, dtype = MODELS[setting.model].image, getattr(np, setting.dtype)

    def batch(indices: Indices) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        return _scaled(data.train_images[indices], image, dtype), data.train_labels[indices].astype(np.int64)

    test = _scaled(data.test_images, image, dtype), data.test_labels.astype(np.int64)
    sides = _torch_side(setting), _numpy_side(setting, dtype)
    return TrainingRun(*sides, plan, batch, test=test, repeat=repeat, precision=setting.precision)


@contextmanager
def comparable_torch(precision: str | None = None) -> Iterator[None]:
    """One thread, since two on skinny matrix products only wait for one another, and TF32 only where asked for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tensor_float32() if precision == "tf32" else full_precision():
            yield
    finally:
        torch.set_num_threads(threads)


def _numpy_side(setting: Setting, dtype: DType) -> NumPyTrainee:
    network = MODELS[setting.model].ours(np.random.default_rng(0), dtype)
    optimizer = OPTIMIZERS[setting.optimizer]
    return NumPyTrainee("NumPy", network, lambda p: optimizer.ours(p, lr=setting.learning_rate, **optimizer.numbers))


def _torch_side(setting: Setting) -> TorchTrainee:
    model, optimizer = MODELS[setting.model], OPTIMIZERS[setting.optimizer]
    module = model.theirs().to(device=setting.device, dtype=getattr(torch, setting.dtype))
    made = optimizer.theirs(module.parameters(), lr=setting.learning_rate, **optimizer.numbers)
    name = f"torch {setting.device}"
    autocast = torch.bfloat16 if setting.precision == "bfloat16" else None
    return TorchTrainee(name, module, made, torch.nn.functional.cross_entropy, model.layout, autocast)


def _scaled(images: npt.NDArray[np.uint8], image: tuple[int, ...], dtype: DType) -> npt.NDArray[Any]:
    """Numbers between 0 and 1, every example in the shape `image`."""
    pixels: npt.NDArray[Any] = images.reshape(len(images), *image).astype(dtype) / dtype(255)
    return pixels

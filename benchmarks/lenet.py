"""One epoch of MNIST with the NumPy LeNet and the same one in torch eager, side by side. `python -m benchmarks.lenet`.

Both start from the same weights, see the same batches, and take turns step by step on one thread, so that what else the
machine does meets both. Torch's tensors are prepared beforehand; a step is forward, loss, backward and Adam.
"""

# ruff: noqa: E402 - the number of threads is set before the imports that read it
import os

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from reference_impls.datasets import mnist
from reference_impls.networks import LeNet
from reference_impls.optimizers import Adam
from tests.networks import lenet_modules

BATCH = 100
MOST_TIMES_TORCH = 4.0
LEAST_ACCURACY = 0.96

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass
class Side:
    """One of the two, with what its steps took and lost."""

    name: str
    step: Callable[[npt.NDArray[np.intp]], float]
    accuracy: Callable[[], float]
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def take(self, batch: npt.NDArray[np.intp]) -> None:
        started = time.perf_counter()
        loss = self.step(batch)
        self.seconds.append(time.perf_counter() - started)
        self.losses.append(loss)


def scaled(images: npt.NDArray[np.uint8]) -> Images:
    """Images (n, 1, 28, 28) of numbers between 0 and 1."""
    return (images[:, np.newaxis] / np.float32(255)).astype(np.float32)


def numpy_side(network: LeNet, train: tuple[Images, Labels], test: tuple[Images, Labels]) -> Side:
    optimizer = Adam(network.params)

    def step(batch: npt.NDArray[np.intp]) -> float:
        loss = network.loss(train[0][batch], train[1][batch])
        network.backward()
        optimizer.step(network.grads)
        return float(loss)

    return Side("NumPy", step, lambda: network.accuracy(*test))


def twin(network: LeNet) -> nn.Sequential:
    """The same network in torch, with the same weights."""
    module = nn.Sequential(*lenet_modules(padding=2))
    module.load_state_dict({name: torch.from_numpy(array) for name, array in network.state_dict().items()})
    return module


def torch_side(module: nn.Sequential, train: tuple[Images, Labels], test: tuple[Images, Labels]) -> Side:
    (x, labels), (x_test, labels_test) = (tuple(map(torch.from_numpy, pair)) for pair in (train, test))
    optimizer = torch.optim.Adam(module.parameters())

    def step(batch: npt.NDArray[np.intp]) -> float:
        indices = torch.from_numpy(batch)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(x[indices]), labels[indices])
        loss.backward()
        optimizer.step()
        return loss.item()

    def accuracy() -> float:
        with torch.no_grad():
            return float((module(x_test).argmax(1) == labels_test).double().mean())

    return Side("torch", step, accuracy)


def run(data: mnist.MNIST, examples: int, seed: int) -> tuple[Side, Side]:
    """Train both for one epoch of the first `examples` images."""
    rng = np.random.default_rng(seed)
    train = scaled(data.train_images[:examples]), data.train_labels[:examples].astype(np.int64)
    test = scaled(data.test_images), data.test_labels.astype(np.int64)
    network = LeNet(rng, dtype=np.float32)
    theirs, ours = torch_side(twin(network), train, test), numpy_side(network, train, test)
    order = rng.permutation(examples)
    for start in range(0, examples, BATCH):
        for side in (ours, theirs) if start // BATCH % 2 else (theirs, ours):
            side.take(order[start : start + BATCH])
    return ours, theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sides = run(mnist.load(), options.examples, options.seed)
    ours, theirs = sides
    accuracies = [side.accuracy() for side in sides]
    print(
        f"LeNet, MNIST, {options.examples:,} examples, batch {BATCH}, Adam, float32, one thread, seed {options.seed}\n"
    )
    print("side    seconds  ms a step (median)  first loss  last 50 losses  test accuracy")
    for side, accuracy in zip(sides, accuracies, strict=True):
        median, last = np.median(side.seconds) * 1e3, np.mean(side.losses[-50:])
        print(
            f"{side.name:6}  {sum(side.seconds):7.1f}  {median:18.2f}  {side.losses[0]:10.6f}  {last:14.4f}  "
            f"{accuracy:13.2%}"
        )
    whole = sum(ours.seconds) / sum(theirs.seconds)
    medians = np.median(ours.seconds) / np.median(theirs.seconds)
    print(f"\nNumPy takes {whole:.2f} times torch's time (medians of a step: {medians:.2f})")
    print(f"at most {MOST_TIMES_TORCH:g} times: {'yes' if whole <= MOST_TIMES_TORCH else 'no'}")
    print(f"test accuracy at least {LEAST_ACCURACY:.0%}: {'yes' if accuracies[0] >= LEAST_ACCURACY else 'no'}")


if __name__ == "__main__":
    main()

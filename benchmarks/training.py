"""How fast do our networks train beside torch's and JAX's, on one thread? `python -m benchmarks.training`.

Every trainer makes SGD steps on the same batches of MNIST in float32, from the same weights, with gradients that are
there to be read after the backward. They take turns, some steps each, forwards and backwards through the list, and in
every round a large matrix product is timed too. What is printed are medians, and ratios of times taken in one round.
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
import torch

from benchmarks.machine import measured_here
from benchmarks.trainers import BATCH, TRAINERS, NotRunnableError, Step, Task, tasks
from reference_impls.datasets import mnist

EAGER, FAST = "torch eager, preloaded", "NumPy, fast"  # all whose names begin so
WARM_UP = 20
PRODUCT = 768  # rows and columns of the matrices whose product gives the machine's rate
AGREEMENT = 1e-4  # of the losses of the first and the last warm-up step, relative: float32, and no ReLU but a few flips


@dataclass
class Timing:
    """A trainer and the seconds a step took, in each round."""

    step: Step
    taken: int = 0
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def turn(self, steps: int) -> float:
        started = time.perf_counter()
        for i in range(self.taken, self.taken + steps):
            self.losses.append(self.step(i))
        self.taken += steps
        return (time.perf_counter() - started) / steps


def products() -> list[Callable[[], object]]:
    """A matrix product in float32, by NumPy's BLAS and by torch's."""
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(PRODUCT, PRODUCT)).astype(np.float32) for _ in "ab")
    out = np.empty_like(a)
    tensors = [torch.from_numpy(array) for array in (a, b, np.empty_like(a))]
    return [lambda: np.matmul(a, b, out=out), lambda: torch.mm(*tensors[:2], out=tensors[2])]


def rate_of(product: Callable[[], object]) -> float:
    """Multiplications and additions a second."""
    started = time.perf_counter()
    product()
    return 2 * PRODUCT**3 / (time.perf_counter() - started)


def measure(task: Task, rounds: int) -> tuple[dict[str, Timing], dict[str, str], float]:
    """Timings by trainer, the reasons of those left out, and the machine's rate: the median of the better BLAS."""
    timings: dict[str, Timing] = {}
    left_out: dict[str, str] = {}
    for name, trainer in TRAINERS.items():
        try:
            timings[name] = Timing(trainer(task))
        except NotRunnableError as reason:
            left_out[name] = str(reason)
    for timing in timings.values():
        timing.turn(WARM_UP)
    they_compute_the_same(timings)
    blas = products()
    rates: list[list[float]] = [[] for _ in blas]
    for i in range(rounds):
        for timing in list(timings.values())[:: -1 if i % 2 else 1]:
            timing.seconds.append(timing.turn(task.steps))
        for product, measured in zip(blas, rates, strict=True):
            measured.append(rate_of(product))
    return timings, left_out, max(float(np.median(measured)) for measured in rates)


def they_compute_the_same(timings: dict[str, Timing]) -> None:
    """RuntimeError unless every trainer's first and last loss so far are those of torch eager, up to rounding."""
    expected = timings[EAGER].losses
    for name, timing in timings.items():
        for i in (0, -1):
            if not abs(timing.losses[i] - expected[i]) <= AGREEMENT * abs(expected[i]):
                raise RuntimeError(f"{name} loses {timing.losses[i]} at step {i % WARM_UP}, {EAGER} {expected[i]}")


def times_eager(timing: Timing, eager: Timing) -> tuple[float, float, float]:
    """How many times as fast as torch eager: the quartiles and the median of the ratios of each round."""
    low, middle, high = np.quantile(np.divide(eager.seconds, timing.seconds), (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def print_table(task: Task, timings: dict[str, Timing], left_out: dict[str, str], rate: float) -> None:
    print(f"\n## {task.title}\n")
    print(
        f"{task.operations / 1e6:.2f} million multiplications and additions an example. The machine's rate, of a "
        f"product of {PRODUCT}×{PRODUCT} matrices, is {rate / 1e9:.0f} thousand million a second. What is left out "
        "because a pixel is dark is counted as if it were done.\n"
    )
    print("| trainer | examples/s | times torch eager (quartiles) | of the machine's rate |")
    print("|---|---|---|---|")
    for name, timing in timings.items():
        low, middle, high = times_eager(timing, timings[EAGER])
        examples = BATCH / float(np.median(timing.seconds))
        ratio = "1" if name == EAGER else f"{middle:.2f} ({low:.2f}–{high:.2f})"
        print(f"| {name} | {examples:,.0f} | {ratio} | {examples * task.operations / rate:.0%} |")
    for name, reason in left_out.items():
        print(f"| {name} | left out: {reason} | | |")
    reached = max(times_eager(timing, timings[EAGER])[1] for name, timing in timings.items() if name.startswith(FAST))
    print(f"\nAt least {task.goal:g} times torch eager: {'yes' if reached >= task.goal else 'no'}, {reached:.2f}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="turns of every trainer")
    parser.add_argument("--examples", type=int, default=60_000)
    parser.add_argument("--only", default="", help="a part of the title of the networks to train")
    options = parser.parse_args()
    torch.set_num_threads(1)
    # JAX takes as many threads as its process may run on cores, and no variable says otherwise.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    data = mnist.load()
    order = np.random.default_rng(0).permutation(len(data.train_images))[: options.examples]
    x = (data.train_images[order] / np.float32(255)).astype(np.float32)
    print("# How fast the networks train\n")
    print(f"`python -m benchmarks.training --rounds {options.rounds}`: one thread, float32, batch {BATCH}, SGD.")
    print(measured_here())
    for task in tasks(x, data.train_labels[order].astype(np.int64)):
        if options.only in task.title:
            print_table(task, *measure(task, options.rounds))


if __name__ == "__main__":
    main()

"""Training parity on the full MNIST: every optimiser, several starts, float64 and float32, NumPy beside torch.

    python -m benchmarks.parity_full [--network mlp|lenet] [--dtype float64|float32] [--optimiser NAME]
                                     [--seeds N] [--epochs N] [--device cpu|cuda] [--json FILE]

The MLP is 784-128-10 with batches of 100, by default 3 seeds and 5 epochs; LeNet one seed and one epoch. A run passes
where D/‖W‖ is within the law after every step; in float32 the branches are replayed and the ledger is counted.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.machine import measured_here
from benchmarks.parity_settings import OPTIMISERS, ours, theirs
from gradcheck_kit.side_by_side.numpy_trainee import NumPyTrainee
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import Layout, TorchTrainee
from gradcheck_kit.side_by_side.training import ParityReport, train_parity
from gradcheck_kit.verdict import Verdict
from reference_impls.datasets import mnist
from reference_impls.networks import MLP, LeNet

BATCH_SIZE = 100


def numpy_network(network: str, seed: int, dtype: Any) -> Any:
    """The reference implementation at a start of its own."""
    generator = np.random.default_rng(seed)
    return MLP([784, 128, 10], generator, dtype=dtype) if network == "mlp" else LeNet(generator, dtype=dtype)


def torch_module(network: str) -> tuple[nn.Module, Layout]:
    """The same in torch, and where its parameters are."""
    if network == "mlp":
        stages: list[nn.Module] = [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)]
    else:
        stages = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        stages += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        stages += [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    places = [(i, isinstance(s, nn.Linear)) for i, s in enumerate(stages) if isinstance(s, nn.Linear | nn.Conv2d)]
    layout: dict[str, tuple[str, bool]] = {}
    for number, (place, linear) in enumerate(places):
        layout |= {f"{number}.W": (f"{place}.weight", linear), f"{number}.b": (f"{place}.bias", False)}
    return nn.Sequential(*stages), layout


def run(data: mnist.MNIST, optimiser: str, seed: int, options: argparse.Namespace) -> ParityReport:
    """One pair."""
    dtype = np.dtype(options.dtype).type
    numbers = OPTIMISERS[optimiser]
    network = numpy_network(options.network, seed, dtype)
    start = {n: p.astype(np.float64) for n, p in network.params.items()}
    module, layout = torch_module(options.network)
    module = module.to(device=options.device, dtype=getattr(torch, options.dtype))
    loss = nn.functional.cross_entropy
    reference = TorchTrainee(f"torch {options.device}", module, theirs(module, numbers), loss, layout)
    candidate = NumPyTrainee("NumPy", network, ours(numbers))

    def inputs(images: Any) -> Any:
        shape = (-1, 784) if options.network == "mlp" else (-1, 1, 28, 28)
        return images.reshape(shape).astype(dtype) / dtype(255)

    def batch(indices: Any) -> tuple[Any, Any]:
        return inputs(data.train_images[indices]), data.train_labels[indices].astype(np.int64)

    plan = Schedule(start, len(data.train_labels), BATCH_SIZE, options.epochs, seed)
    test = inputs(data.test_images), data.test_labels.astype(np.int64)
    return train_parity(reference, candidate, plan, batch, test=test, name=f"{options.network} {optimiser}")


COLUMNS = (
    "| network | optimiser | dtype | seed | verdict | of the law | D/‖W‖ | decisions turned | accuracy | seconds |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=("mlp", "lenet"), default="mlp")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--optimiser", choices=OPTIMISERS)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seeds, epochs = (3, 5) if options.network == "mlp" else (1, 1)
    options.seeds, options.epochs = options.seeds or seeds, options.epochs or epochs
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.backends.cuda.matmul.allow_tf32 = False
    data = mnist.load()
    print(
        f"{measured_here()}\nFull MNIST, batches of {BATCH_SIZE}, {options.epochs} epochs.\n\n{COLUMNS}\n|{'---|' * 10}"
    )
    told = [
        _told(data, optimiser, seed, options)
        for optimiser in ([options.optimiser] if options.optimiser else OPTIMISERS)
        for seed in range(options.seeds)
    ]
    passed = sum(one["verdict"] == Verdict.PASS.value for one in told)
    print(f"\n{passed} of {len(told)} the same computation")
    if options.json:
        options.json.write_text(json.dumps(told, indent=1), encoding="utf-8")


def _told(data: mnist.MNIST, optimiser: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Run one pair and print its row."""
    started = time.perf_counter()
    report = run(data, optimiser, seed, options)
    turned = f"{len(report.ledger)} of {report.decisions:,}" if report.replayed else "–"
    print(
        f"| {options.network} | {optimiser} | {report.dtype} | {seed} | {report.verdict.value} | "
        f"{report.worst_of_law:.2f} | {report.max_distance:.1e} | {turned}, {len(report.misjudged)} beyond | "
        f"{report.candidate.test_accuracy[-1]:.2%} | {time.perf_counter() - started:.0f} |",
        flush=True,
    )
    if report.divergence is not None:
        print(report)
    return report.to_dict()


if __name__ == "__main__":
    main()

"""`gradcheck-kit verify`: the layer table, then the parity run, then one verdict."""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

try:
    import torch

    from gradcheck_kit.render.console import Screen
except ImportError as error:
    from gradcheck_kit.subject import UsageError

    raise UsageError(f"verify needs {error.name}: pip install 'gradcheck-kit[all]'") from None

from gradcheck_kit.cli import layer_rows, mnist_run
from gradcheck_kit.cli.exit_codes import EXIT_CODES
from gradcheck_kit.cli.layer_rows import Row
from gradcheck_kit.provenance import environment_now
from gradcheck_kit.report import SCHEMA
from gradcheck_kit.side_by_side.training import ParityReport
from gradcheck_kit.subject import UsageError
from gradcheck_kit.verdict import Verdict, overall

NO_CUDA = "no CUDA device"


@dataclass
class Results:
    """All that `verify` found out."""

    seed: int
    rows: list[Row] = field(default_factory=list)
    parity: list[ParityReport] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """Of every layer, and of the float64 training runs; float32 training is reported beside."""
        layers = [row.verdict for row in self.rows if row.verdict is not None]
        return overall([*layers, *(report.verdict for report in self.binding)])

    @property
    def binding(self) -> list[ParityReport]:
        return [report for report in self.parity if report.dtype == "float64"]

    def to_dict(self) -> dict[str, Any]:
        """The JSON report."""
        beside = [report.to_dict() for report in self.parity[1:]]
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.value,
            "seed": self.seed,
            "environment": environment_now(),
            "subjects": [row.to_dict() for row in self.rows if row.verdict is not None],
            "parity": {**self.parity[0].to_dict(), "beside": beside} if self.parity else None,
            "not_run": self.not_run,
        }


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns its exit code."""
    devices, no_cuda = _devices(options.device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two threads on skinny matrix products only wait for one another
    try:
        results = _results(options, devices, no_cuda, Screen())
    finally:
        torch.set_num_threads(threads)
    if options.json:
        _write(options.json, json.dumps(results.to_dict(), indent=2, allow_nan=False) + "\n")
    return EXIT_CODES[results.verdict]


def _results(options: argparse.Namespace, devices: list[str], no_cuda: str | None, screen: Screen) -> Results:
    results = Results(options.seed)
    with screen.working("checking the reference layers"):
        for row in layer_rows.rows(options.seed, devices, no_cuda):
            results.rows.append(row)
            if row.verdict is None:
                results.not_run.append(f"{row.name} beside {row.oracle} on {row.device}: {row.not_run}")
    screen.layer_table(results.rows)
    if options.no_mnist:
        results.not_run.append("MNIST parity: --no-mnist")
    else:
        _train(options, devices, no_cuda, screen, results)
    screen.verdict(results.verdict, results.not_run)
    return results


def _train(
    options: argparse.Namespace, devices: list[str], no_cuda: str | None, screen: Screen, results: Results
) -> None:
    """The parity runs: float64 on every device, which the verdict rests on, and float32 beside."""
    with screen.downloading() as progress:
        data = mnist_run.load(options.mnist_dir, progress)
    plan = mnist_run.schedule(options.seed, options.epochs, len(data.train_labels))
    screen.training_title(mnist_run.TITLE, plan)
    for dtype in (np.float64, np.float32):
        for device in devices:
            with screen.training(f"{dtype.__name__} {device}", plan) as advance:
                results.parity.append(mnist_run.run(data, plan, dtype, device, advance))
            screen.training_result(results.parity[-1])
    if no_cuda is not None:
        results.not_run.append(f"MNIST parity beside torch on cuda: {no_cuda}")
    if options.plot:
        from gradcheck_kit.render.plot import plot_parity

        plot_parity(results.parity[0], options.plot)
        screen.wrote(options.plot)


def _devices(wanted: str) -> tuple[list[str], str | None]:
    """torch's devices to compare with, and why there is no CUDA device among them (None if there is one)."""
    present = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if wanted == "auto":
        return ["cpu", *present], None if present else NO_CUDA
    if wanted == "cpu":
        return ["cpu"], "--device cpu"
    if wanted == "cuda" and present:
        return present, None
    if wanted in present:
        return [wanted], None
    raise UsageError(f"--device {wanted}: there is {', '.join(['cpu', *present])}; pass one of these, or auto")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"cannot write {path}: {problem.strerror}") from None

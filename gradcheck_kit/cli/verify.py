"""`gradcheck-kit verify`: the layer table, then the parity run, then one verdict."""

import argparse
from dataclasses import dataclass, field
from typing import Any

try:
    import torch

    from gradcheck_kit.render.console import Screen
except ImportError as error:
    from gradcheck_kit.subject import UsageError

    raise UsageError(f"verify needs {error.name}: pip install 'gradcheck-kit[all]'") from None

from gradcheck_kit.cli import formats, layer_rows, mnist_run
from gradcheck_kit.cli.devices import devices_of
from gradcheck_kit.cli.exit_codes import EXIT_CODES
from gradcheck_kit.cli.layer_rows import Row
from gradcheck_kit.cli.mnist_run import Setting
from gradcheck_kit.provenance import environment_now
from gradcheck_kit.report import SCHEMA, as_json
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
    with mnist_run.comparable_torch():
        results = _results(options, devices, no_cuda, Screen())
    if options.json:
        formats.write(options.json, as_json(results.to_dict()))
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
    plan = mnist_run.schedule(Setting(), options.seed, options.epochs, len(data.train_labels))
    screen.training_title(Setting().title, plan)
    for dtype in ("float64", "float32"):
        for device in devices:
            setting = Setting(dtype=dtype, device=device)
            run = mnist_run.training(data, plan, setting)
            with screen.training(f"{dtype} {device}", plan, ("torch", "NumPy")) as advance:
                while not run.done:
                    run.epoch(advance)
            results.parity.append(run.report(setting.title))
            screen.training_result(results.parity[-1])
    if no_cuda is not None:
        results.not_run.append(f"MNIST parity beside torch on cuda: {no_cuda}")
    if options.plot:
        from gradcheck_kit.render.plot import plot_parity

        plot_parity(results.parity[0], options.plot)
        screen.wrote(options.plot)


def _devices(wanted: str) -> tuple[list[str], str | None]:
    """torch's devices to compare with, and why there is no CUDA device among them (None if there is one)."""
    _, *present = devices_of(torch)
    if wanted == "auto":
        return ["cpu", *present], None if present else NO_CUDA
    if wanted == "cpu":
        return ["cpu"], "--device cpu"
    if wanted == "cuda" and present:
        return present, None
    if wanted in present:
        return [wanted], None
    raise UsageError(f"--device {wanted}: there is {', '.join(['cpu', *present])}; pass one of these, or auto")

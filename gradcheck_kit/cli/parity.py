"""`gradcheck-kit parity`: two implementations trained side by side, kept after every epoch, and one verdict."""

import argparse
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

try:
    from gradcheck_kit.render.console import Screen
except ImportError as error:
    from gradcheck_kit.subject import UsageError

    raise UsageError(f"parity needs {error.name}: pip install 'gradcheck-kit[all]'") from None

from gradcheck_kit.cli import formats
from gradcheck_kit.cli.checkpoint_file import CheckpointFile, default_directory
from gradcheck_kit.cli.exit_codes import EXIT_CODES
from gradcheck_kit.cli.pair import imported_pair, told_as_usage
from gradcheck_kit.cli.parity_options import DEFAULTS, with_defaults
from gradcheck_kit.provenance import environment_now
from gradcheck_kit.report import SCHEMA, as_json
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.training import ParityReport, TrainingRun
from gradcheck_kit.subject import UsageError


@dataclass(frozen=True)
class Job:
    """What is to be trained.

    Attributes:
        name: what the report calls it.
        where: dtype and device, for the progress.
        run: at its start.
        sides: the names of reference and candidate.
        settings: all that decides what is computed.
        bar: the test accuracy that a right program reaches; None where that is not known.
        not_kept: why no checkpoint can be taken; None if it can.
    """

    name: str
    where: str
    plan: Schedule
    run: TrainingRun
    sides: tuple[str, str]
    settings: dict[str, Any]
    bar: float | None = None
    not_kept: str | None = None


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns its exit code."""
    screen = Screen()
    with _job(options, screen) as job:
        file = _checkpoint(job, options, screen)
        _train(job, file, screen)
        report = job.run.report(job.name)
        screen.parity_result(report, job.bar)
        if options.json:
            formats.write(options.json, as_json(_results(job, report)))
        if options.html:
            from gradcheck_kit.render.html_parity import page

            formats.write(options.html, page(report, job.settings, environment_now(), job.bar))
            screen.wrote(options.html)
        if options.plot:
            from gradcheck_kit.render.plot import plot_parity

            plot_parity(report, options.plot)
            screen.wrote(options.plot)
        if file is not None and options.checkpoint is None:
            file.remove()
    return EXIT_CODES[report.verdict]


# ---------------------------------------------------------------- what is trained


@contextmanager
def _job(options: argparse.Namespace, screen: Screen) -> Iterator[Job]:
    typed = {name: getattr(options, name) for name in DEFAULTS}
    if options.sides == ["mnist"]:
        with _of_mnist(options, with_defaults(typed), screen) as job:
            yield job
        return
    with imported_pair(options.sides, typed) as pair:
        with told_as_usage():
            made = pair.training(options.precision)
            first = pair.batch(next(pair.schedule.epoch(0)))
            not_kept = pair.not_kept
        settings = {
            "sides": " ".join(options.sides),
            "schedule": pair.schedule.fingerprint,
            "code": pair.sources,
            "precision": options.precision,
            "first batch": hashlib.sha256(b"".join(np.asarray(part).tobytes() for part in first)).hexdigest(),
        }
        names = (pair.reference.name, pair.candidate.name)
        name, where = " beside ".join(reversed(options.sides)), f"{made.digits.words(names)} {pair.reference.device}"
        yield Job(name, where, pair.schedule, made, names, settings, not_kept=not_kept)


@contextmanager
def _of_mnist(options: argparse.Namespace, numbers: dict[str, int], screen: Screen) -> Iterator[Job]:
    try:
        from gradcheck_kit.cli import mnist_run
    except ImportError as error:
        raise UsageError(f"parity mnist needs {error.name}: pip install 'gradcheck-kit[all]'") from None
    from gradcheck_kit.cli.devices import expect_device

    setting = mnist_run.Setting(
        options.model or "mlp",
        options.optimizer or "sgd",
        options.lr,
        numbers["batch"],
        options.dtype or ("float32" if options.precision else "float64"),
        expect_device(options.device or "cpu"),
        options.precision,
    )
    with screen.downloading() as progress:
        data = mnist_run.load(options.mnist_dir, progress)
    plan = mnist_run.schedule(setting, numbers["seed"], numbers["epochs"], len(data.train_labels))
    settings = {
        "sides": "mnist",
        "model": setting.model,
        "optimizer": setting.optimizer,
        "lr": setting.learning_rate,
        "dtype": setting.dtype,
        "precision": setting.precision,
        "device": setting.device,
        **numbers,
        "schedule": plan.fingerprint,
    }
    with mnist_run.comparable_torch(setting.precision):
        made = mnist_run.training(data, plan, setting, repeat=True)
        sides = (f"torch {setting.device}", "NumPy")
        where = f"{made.digits.words(sides)} {setting.device}"
        yield Job(setting.title, where, plan, made, sides, settings, setting.bar(numbers["epochs"]))


# ---------------------------------------------------------------- training, kept after every epoch


def _checkpoint(job: Job, options: argparse.Namespace, screen: Screen) -> CheckpointFile | None:
    """Where the run is kept, after it has gone on from there where that was asked for; None if it cannot be."""
    if job.not_kept is not None:
        if options.resume or options.checkpoint:
            raise UsageError(f"--resume, --checkpoint: {job.not_kept}")
        screen.note(f"no checkpoints: {job.not_kept}")
        return None
    file = CheckpointFile(
        options.checkpoint or default_directory({**job.settings, "folder": str(Path.cwd())}), job.settings
    )
    file.expect_room()
    snapshot = file.load()
    if not options.resume:
        if snapshot is not None:
            screen.note(f"{file.path} is of the same run; --resume would go on with it, this begins again")
        return file
    if snapshot is None:
        screen.note("no epoch of this run was completed yet, so it begins at the start")
    else:
        job.run.restore(snapshot)
        screen.note(f"going on after epoch {job.run.epochs_done} of {job.plan.epochs}, from {file.path}")
    return file


def _train(job: Job, file: CheckpointFile | None, screen: Screen) -> None:
    screen.training_title(job.name, job.plan)
    try:
        with screen.training(job.where, job.plan, job.sides) as advance:
            while not job.run.done:
                with told_as_usage():
                    job.run.epoch(advance)
                if file is not None:
                    file.save(job.run.snapshot())
    except KeyboardInterrupt:
        if file is not None and file.path.exists():
            screen.note(f"{file.path} has the completed epochs; the same command with --resume goes on")
        raise


def _results(job: Job, report: ParityReport) -> dict[str, Any]:
    """The JSON report; `trace` is equal where two runs were, at every step and to the last bit."""
    steps = [report.losses, report.drift, report.allowed, report.loss_allowed, *report.tensor_drift.values()]
    return {
        "schema": SCHEMA,
        "seed": report.schedule["seed"],
        "environment": environment_now(),
        "settings": job.settings,
        **report.to_dict(),
        "trace": hashlib.sha256(b"".join(np.ascontiguousarray(a, "<f8").tobytes() for a in steps)).hexdigest(),
        "accuracy_bar": None if job.bar is None else {"bar": job.bar, "reached": report.accuracy_reached >= job.bar},
    }

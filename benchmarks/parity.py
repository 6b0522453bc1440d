"""Does training parity see every difference, say where and why, and stay silent about rounding?

    python -m benchmarks.parity [--synthetic] [--kind WORD] [--optimiser NAME] [--json FILE]

Each kind of planted difference is trained beside a right program (torch, or the reference implementation where both
draw random numbers) in float64. It must be seen on the step at which it acts or the next, with stage, tensor and cause.
Beside stands what `torch.testing.assert_close` on every step's loss would have seen, and "accuracy within 0.5 points".
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.benign_rewrites import REWRITES, SEEDS
from benchmarks.kinds_of_difference import KINDS
from benchmarks.machine import measured_here
from benchmarks.parity_settings import (
    OPTIMISERS,
    Data,
    numpy_reference,
    schedule,
    some_of_mnist,
    synthetic,
    torch_reference,
)
from benchmarks.planted_differences import Kind
from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.training import train_parity
from gradcheck_kit.verdict import Verdict

POINTS = 0.005


@dataclass(frozen=True)
class Row:
    """One planted difference with one optimiser, and what was seen of it.

    `step` is that of the report, `loss_step` that of the first loss which assert_close refuses; None for never.
    """

    kind: str
    optimiser: str
    acts: int
    step: int | None
    stage: str | None
    tensor: str | None
    cause: str | None
    evidence: str
    loss_step: int | None
    accuracy_apart: float

    @property
    def in_time(self) -> bool:
        return self.step is not None and self.acts <= self.step <= self.acts + 1

    @property
    def placed(self) -> bool:
        wanted = KINDS[self.kind]
        return self.stage == wanted.stage and (not wanted.tensors or self.tensor in wanted.tensors)

    @property
    def named(self) -> bool:
        """Whether the cause is the planted one; of a kind that asks for none, any will do."""
        return KINDS[self.kind].cause in (None, self.cause)

    @property
    def same_accuracy(self) -> bool:
        return self.accuracy_apart <= POINTS


def row(kind: Kind, optimiser: str, data: Data) -> Row:
    """Train the kind's candidate beside a right program."""
    plan = schedule(data, kind.network)
    numbers = {**OPTIMISERS[optimiser], **kind.both}
    reference = torch_reference if kind.network in ("MLP", "convolutional") else numpy_reference
    side = reference(data.inputs.shape[1], kind.network, numbers)
    candidate = kind.candidate(optimiser, data, plan)
    if kind.network == "convolutional":
        candidate = _images(candidate)
    with np.errstate(all="ignore"):
        report = train_parity(side, candidate, plan, data.batch, test=data.test, name=kind.name)
    first = report.divergence
    scores = report.reference.test_accuracy[-1], report.candidate.test_accuracy[-1]
    return Row(
        kind.name,
        optimiser,
        kind.acts(plan.steps_per_epoch),
        first and first.step,
        first and first.stage,
        first and first.tensor,
        first and first.cause,
        first.evidence if first else "",
        _refused(report),
        abs(scores[0] - scores[1]),
    )


def _images(candidate: Any) -> Any:
    """The NumPy network takes images where torch's module unflattens rows."""
    forward, evaluated = candidate._network.forward, candidate._network._evaluated

    def as_images(x: Any) -> Any:
        side = round(x.shape[1] ** 0.5)
        return x.reshape(-1, 1, side, side)

    candidate._network.forward = lambda x: forward(as_images(x))
    candidate._network._evaluated = lambda x: evaluated(as_images(x))
    return candidate


def _refused(report: ParityReport) -> int | None:
    """The first step at which assert_close refuses the loss, with its own tolerances for float64."""
    for step, (reference, candidate) in enumerate(report.losses, 1):
        try:
            torch.testing.assert_close(torch.tensor(candidate), torch.tensor(reference))
        except AssertionError:
            return step
    return None


def rows(data: Data, word: str = "", only: str | None = None) -> Iterator[Row]:
    """Every kind whose name has the word, with each of its optimisers."""
    for kind in KINDS.values():
        for optimiser in kind.on:
            if word in kind.name and only in (None, optimiser):
                yield row(kind, optimiser, data)


def rewrites(data: Data, only: str | None = None) -> Iterator[tuple[str, str, int, ParityReport]]:
    """Every benign rewrite with each optimiser and seed."""
    for rewrite in REWRITES:
        for optimiser in OPTIMISERS:
            for seed in SEEDS:
                if only in (None, optimiser):
                    plan = schedule(data, "MLP", seed)
                    reference = torch_reference(data.inputs.shape[1], "MLP", OPTIMISERS[optimiser])
                    candidate = rewrite.candidate(optimiser, data, plan)
                    yield rewrite.name, optimiser, seed, train_parity(reference, candidate, plan, data.batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--synthetic", action="store_true", help="synthetic images in place of MNIST's first 1,950")
    parser.add_argument("--kind", default="", help="only the kinds whose name has this word")
    parser.add_argument("--optimiser", choices=OPTIMISERS, help="only this one")
    parser.add_argument("--json", type=Path, help="write every row to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = synthetic() if options.synthetic else some_of_mnist()
    print(f"{measured_here()}\n{data.name}, float64.\n")
    seen = list(_told(rows(data, options.kind, options.optimiser)))
    _summary(seen)
    alarms = _benign(data, options.optimiser) if not options.kind else []
    if options.json:
        told = {"rows": [asdict(r) for r in seen], "alarms": alarms}
        options.json.write_text(json.dumps(told, indent=1), encoding="utf-8")


COLUMNS = "| kind | optimiser | acts | seen | stage | tensor | cause | assert_close on loss | accuracy within 0.5 |"


def _told(seen: Iterator[Row]) -> Iterator[Row]:
    print(f"{COLUMNS}\n|{'---|' * 9}")
    for r in seen:
        marks = ("" if r.in_time else " (late)", "" if r.placed else " (!)", "" if r.named else " (!)")
        loss = "never" if r.loss_step is None else f"step {r.loss_step}"
        print(
            f"| {r.kind} | {r.optimiser} | {r.acts} | {r.step}{marks[0]} | {r.stage} | {r.tensor}{marks[1]} | "
            f"{r.cause or '–'}{marks[2]} | {loss} | {'passes' if r.same_accuracy else 'fails'} |",
            flush=True,
        )
        yield r


def _summary(seen: list[Row]) -> None:
    kinds = {r.kind for r in seen}
    right = {k for k in kinds if KINDS[k].cause and all(r.named for r in seen if r.kind == k)}
    print(f"\n{len(seen)} runs of {len(kinds)} kinds, seen on the step they act or the next: {_of(seen, 'in_time')}")
    print(f"stage and tensor as planted: {_of(seen, 'placed')}; cause as planted: {_of(seen, 'named')}")
    print(f"kinds with the right cause in every run: {len(right)}")
    early = sum(r.loss_step is not None and r.loss_step <= r.acts + 1 for r in seen)
    never = sum(r.loss_step is None for r in seen)
    print(f"assert_close on the loss: as early in {early}, never in {never}")
    print(f'"accuracy within 0.5 points" passes {_of(seen, "same_accuracy")}')


def _of(seen: list[Row], fact: str) -> str:
    return f"{sum(getattr(r, fact) for r in seen)} of {len(seen)}"


def _benign(data: Data, only: str | None) -> list[str]:
    alarms, worst, number = [], 0.0, 0
    for name, optimiser, seed, report in rewrites(data, only):
        number += 1
        worst = max(worst, report.worst_of_law)
        if report.verdict is not Verdict.PASS:
            alarms.append(f"{name}, {optimiser}, seed {seed}: {report.divergence}")
    print(f"\n{number} benign rewrites: {len(alarms)} alarms; at most {worst:.2f} of the law")
    print("\n".join(alarms))
    return alarms


if __name__ == "__main__":
    main()

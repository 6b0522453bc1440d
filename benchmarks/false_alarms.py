"""Is a right float32 gradient ever called wrong, and a wrong one ever not? `python -m benchmarks.false_alarms > …`.

Every layer of `reference_impls`, and torch's own layers, losses and functions, each at a random point for each seed:
its right gradient, and the same 1 % too large (at even seeds in everything, at odd ones in one input). Each is judged
beside its forward in float64, the default, and in float32 alone.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

import gradcheck_kit as gk
from benchmarks.machine import measured_here
from benchmarks.workers import in_workers
from gradcheck_kit.cli.catalogue import CATALOGUE, Entry
from tests.mutants import RIGHT, RIGHT_IN_FLOAT32_ALONE, Right
from tests.mutants.overstated import overstated, overstated_torch

FACTOR = 1.01
REFERENCES: Mapping[str, str | None] = {"beside float64": None, "float32 alone": "native"}
DEFAULT = "beside float64"
RIGHT_ONE, WRONG_ONE = "right", "1 % too large"
DEMANDED = {RIGHT_ONE: "PASS", WRONG_ONE: "FAIL"}
VERDICTS = ("PASS", "INCONCLUSIVE", "FAIL")
BLOCK = 25  # seeds of one subject at a time
SHARE = 10  # of the seeds, one in so many is asked of more than the right gradient beside float64: a FAIL is located
QUESTION = "directional"  # the others are asked of the same rows by the tests


@dataclass(frozen=True)
class Asked:
    """A subject's name, and what it is at a seed: right, and wrong by the factor."""

    name: str
    right: Callable[[int], gk.Subject]
    wrong: Callable[[int], gk.Subject]


def _of_reference_impls(entry: Entry) -> Asked:
    def right(seed: int) -> gk.Subject:
        return entry.subject(np.random.default_rng(seed), np.float32)

    return Asked(f"reference_impls {entry.name}", right, lambda seed: overstated(right(seed), seed, FACTOR))


def _of_torch(row: Right) -> Asked:
    return Asked(
        f"torch {row.name}",
        lambda seed: row.subject(seed, torch.float32),
        lambda seed: overstated_torch(row, seed, torch.float32, FACTOR),
    )


SUBJECTS: tuple[Asked, ...] = (
    *map(_of_reference_impls, CATALOGUE),
    *map(_of_torch, (*RIGHT, *RIGHT_IN_FLOAT32_ALONE)),
)

Column = tuple[str, str]
COLUMNS: tuple[Column, ...] = tuple((gradient, beside) for beside in REFERENCES for gradient in DEMANDED)


@dataclass
class Tally:
    """Verdicts by column, and each that is not what it should be: (seed, gradient, beside what, verdict, cause)."""

    verdicts: Counter[tuple[Column, str]] = field(default_factory=Counter)
    notable: list[tuple[int, str, str, str, str]] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.verdicts += other.verdicts
        self.notable += other.notable

    def ask(self, subject: gk.Subject, seed: int, gradient: str, beside: str) -> None:
        report = gk.examine(subject, seed=seed, reference=REFERENCES[beside], questions=QUESTION)
        verdict = report.verdict.value
        self.verdicts[(gradient, beside), verdict] += 1
        if verdict != DEMANDED[gradient]:
            causes = {finding.cause or finding.question for finding in report.findings if not finding.verdict}
            if gradient == WRONG_ONE and all(finding.analytic == 0.0 for finding in report.findings):
                causes = {f"rightly: the gradient is zero there, and so is {FACTOR} times it"}
            self.notable.append((seed, gradient, beside, verdict, ", ".join(sorted(causes))))


def of_block(task: tuple[int, int, int]) -> tuple[int, Tally]:
    """One subject at the seeds from `first` up to, not including, `last`."""
    number, first, last = task
    tally = Tally()
    for seed in range(first, last):
        for beside in REFERENCES:
            often = beside == DEFAULT
            if often or seed // 2 % SHARE == 0:
                tally.ask(SUBJECTS[number].right(seed), seed, RIGHT_ONE, beside)
            if seed // 2 % SHARE == 0:  # two in a row: at even seeds another gradient is wrong than at odd ones
                tally.ask(SUBJECTS[number].wrong(seed), seed, WRONG_ONE, beside)
    return number, tally


def table(tallies: Mapping[int, Tally]) -> Iterator[str]:
    """PASS / INCONCLUSIVE / FAIL by subject; a last row counts all of them."""
    yield "| subject | " + " | ".join(f"{gradient}, {beside}" for gradient, beside in COLUMNS) + " |"
    yield "|---" * (1 + len(COLUMNS)) + "|"
    overall = Tally()
    for number in sorted(tallies):
        overall.add(tallies[number])
        yield f"| {SUBJECTS[number].name} | {_cells(tallies[number])} |"
    yield f"| **all** | {_cells(overall)} |"


def _cells(tally: Tally) -> str:
    return " | ".join(" / ".join(str(tally.verdicts[column, v]) for v in VERDICTS) for column in COLUMNS)


def notable(tallies: Mapping[int, Tally]) -> Iterator[str]:
    """What is not as it should be, by subject, column, verdict and cause, with the first seeds."""
    for number in sorted(tallies):
        seeds: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for seed, *what in sorted(tallies[number].notable):
            seeds[tuple(what)].append(seed)
        for (gradient, beside, verdict, cause), at in seeds.items():
            shown = ", ".join(map(str, at[:5])) + (", …" if len(at) > 5 else "")
            yield f"- {SUBJECTS[number].name}, {gradient}, {beside}: {verdict} ({cause}) × {len(at)}, seeds {shown}"


def in_float64() -> Iterator[str]:
    """What a check says in float64 of the rows that are in the table for float32 only."""
    for row in RIGHT_IN_FLOAT32_ALONE:
        report = gk.examine(row.subject(0), seed=0)
        said = [line.strip() for finding in report.findings for line in finding.message.splitlines()]
        yield f"- torch {row.name}: {report.verdict.value}; {said[-1]}"


PAGE = """# False alarms and misses in float32

`python -m benchmarks.false_alarms --seeds {seeds} --first {first} > docs/false_alarms.md`

{where}

{count} subjects at {seeds} random points each, and at a {share}th of them where it is not the right gradient beside
float64. The numerical question alone is asked. A cell is PASS / INCONCLUSIVE / FAIL. *Right* is autograd's own gradient
or that of the reference layer, and must never be FAIL; *1 % too large* has that factor planted in its backward, at even
seeds in every gradient, at odd ones in that of one input, and must be FAIL. *Beside float64* is the default: the
forward is differentiated in float64; *float32 alone* differentiates the float32 forward.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="random points of each subject")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    end = options.first + options.seeds
    tasks = [
        (number, first, min(first + BLOCK, end))
        for first in range(options.first, end, BLOCK)
        for number in range(len(SUBJECTS))
    ]
    where, count = measured_here(), len(SUBJECTS)
    print(PAGE.format(seeds=options.seeds, first=options.first, where=where, count=count, share=SHARE))
    tallies: dict[int, Tally] = defaultdict(Tally)
    for number, tally in in_workers(of_block, tasks, options.processes):
        tallies[number].add(tally)
    print("\n".join(table(tallies)))
    print("\nNot as it should be:\n")
    print("\n".join(notable(tallies)) or "- nothing")
    print("\nLeft out in float64, where torch itself is not right to the last places:\n")
    print("\n".join(in_float64()))


if __name__ == "__main__":
    main()

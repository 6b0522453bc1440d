"""A ReLU network 50 → 500 → 500 → 500: no false alarm, every planted bug found? `python -m benchmarks.relu_network`.

The right gradient is asked at every point, in float32 and in float64. A bug costs more, since it is located: each is
asked at its share of the points, so that all bugs together are asked at as many, half of them in each precision.
"""

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

import gradcheck_kit as gk
from benchmarks.machine import measured_here
from benchmarks.workers import in_workers
from tests.mutants.relu_network import NETWORK_BUGS, WIDTHS, DType, relu_network

DTYPES: Mapping[str, DType] = {"float32": np.float32, "float64": np.float64}
NONE = "none: the right gradient"
BUGS = {NONE: None} | {bug.name: bug for bug in NETWORK_BUGS}
VERDICTS = ("PASS", "INCONCLUSIVE", "FAIL")
BLOCK = 5  # points at a time
PER_BUG_POINT = 4  # points of the right gradient to one of a bug, which is located
QUESTION = "directional"

Row = tuple[str, str]  # the bug's name, the dtype's


@dataclass
class Tally:
    """Verdicts, evaluations, and the seeds at which the verdict was not what it should be."""

    verdicts: Counter[str] = field(default_factory=Counter)
    forward: list[int] = field(default_factory=list)
    notable: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.verdicts += other.verdicts
        self.forward += other.forward
        self.notable += other.notable


def of_block(task: tuple[str, str, tuple[int, ...]]) -> tuple[Row, Tally]:
    """One bug, or none, in one precision, at the points of these seeds."""
    bug, dtype, seeds = task
    tally = Tally()
    for seed in seeds:
        network = relu_network(np.random.default_rng(seed), DTYPES[dtype], BUGS[bug])
        report = gk.examine(network, seed=seed, questions=QUESTION if bug == NONE else None)
        verdict = report.verdict.value
        tally.verdicts[verdict] += 1
        tally.forward.append(report.cost.forward)
        if verdict != ("PASS" if bug == NONE else "FAIL"):
            tally.notable.append((seed, verdict))
    return (bug, dtype), tally


def tasks(points: int) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """The right gradient at every point in both precisions, every bug at its share of them, in turns."""
    share = math.ceil(points / PER_BUG_POINT / len(NETWORK_BUGS))
    for number, bug in enumerate(BUGS):
        for turn, dtype in enumerate(DTYPES):
            everywhere = range(points)
            own = range((number - 1) * share + turn, number * share, len(DTYPES))
            seeds = everywhere if bug == NONE else own
            for first in range(0, len(seeds), BLOCK):
                yield bug, dtype, tuple(seeds[first : first + BLOCK])


def table(tallies: Mapping[Row, Tally]) -> Iterator[str]:
    yield "| planted bug | precision | points | PASS | INCONCLUSIVE | FAIL | evaluations median, max |"
    yield "|---|---|---|---|---|---|---|"
    for bug in BUGS:
        for dtype in DTYPES:
            if (bug, dtype) in tallies:
                t = tallies[bug, dtype]
                counts = " | ".join(str(t.verdicts[v]) for v in VERDICTS)
                cost = f"{np.median(t.forward):.0f}, {max(t.forward)}"
                yield f"| {bug} | {dtype} | {len(t.forward)} | {counts} | {cost} |"


PAGE = """# A ReLU network, {widths}

`python -m benchmarks.relu_network --points {points} > docs/relu_network.md`

{where}

Four rows of normal inputs, He-normal weights, {count:,} parameters, a hand-written backward in NumPy; every point
has its own weights and inputs. Every bug sits in one layer, drawn with the point. The right gradient is asked at all
{points} points in each precision, float32 beside its forward in float64, as is the default; the {bugs} bugs share a
quarter as many points, half of them in each. Of the right gradient the numerical question alone is asked, of a bug all.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1000, help="random points of the right gradient")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    count = sum((n + 1) * m for n, m in pairwise(WIDTHS))
    widths, where = " → ".join(map(str, WIDTHS)), measured_here()
    print(PAGE.format(widths=widths, points=options.points, where=where, count=count, bugs=len(NETWORK_BUGS)))
    tallies: dict[Row, Tally] = defaultdict(Tally)
    for row, tally in in_workers(of_block, list(tasks(options.points)), options.processes):
        tallies[row].add(tally)
    print("\n".join(table(tallies)))
    print("\nNot as it should be:\n")
    lines = [f"- {bug}, {dtype}: {v}, seed {s}" for (bug, dtype), t in tallies.items() for s, v in sorted(t.notable)]
    print("\n".join(lines) or "- nothing")


if __name__ == "__main__":
    main()

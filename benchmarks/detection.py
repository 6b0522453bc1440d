"""Which bugs are caught, which right gradients flagged? `python -m benchmarks.detection > docs/detection.md`.

Every mutant of `tests.mutants` beside the code that it was made from, and every right layer, loss and function there
and in `reference_impls`; asked of gradcheck_kit, torch's gradcheck, JAX's check_grads and the textbooks' difference.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import gradcheck_kit as gk
from benchmarks import detection_page
from benchmarks.checkers import CHECKERS, FLAGGED, UNDECIDED, Answer, Case, installed
from benchmarks.kept import Kept
from benchmarks.passed_by_torch import verdicts
from benchmarks.workers import in_workers
from gradcheck_kit.cli.catalogue import CATALOGUE, Entry
from tests.mutants import MUTANTS, RIGHT, Mutant, Right

BLOCK = 10  # seeds of one right subject at a time
CAUGHT, MISSED, BOTH, CANNOT = "caught", "missed", "flags the right one too", "cannot be asked"
FALSE_ALARM = "false alarm"


@dataclass(frozen=True)
class RightSubject:
    """A right gradient: its name, and the case at a seed and in a dtype."""

    name: str
    case: Callable[[int, str], Case]


@dataclass(frozen=True)
class Outcome:
    """What a checker made of one row at one seed: one of the words above, passed or undecided, and why."""

    row: str
    checker: str
    seed: int
    dtype: str
    outcome: str
    why: str


Task = tuple[str, int, Sequence[int], str]
"""MUTANT or RIGHT_ONE, the row's number, the seeds, the dtype."""
MUTANT, RIGHT_ONE = "mutant", "right"


def _of_reference_impls(entry: Entry) -> RightSubject:
    def case(seed: int, dtype: str) -> Case:
        return Case(lambda: entry.subject(np.random.default_rng(seed), getattr(np, dtype)), None, seed)

    return RightSubject(f"reference_impls {entry.name}", case)


def _of_torch(right: Right) -> RightSubject:
    def case(seed: int, dtype: str) -> Case:
        import torch

        form = getattr(torch, dtype)
        return Case(lambda: right.subject(seed, form), lambda: right.at(seed, form), seed)

    return RightSubject(f"torch {right.name}", case)


RIGHT_SUBJECTS = (*map(_of_reference_impls, CATALOGUE), *map(_of_torch, RIGHT))


def case_of(mutant: Mutant, seed: int, wrong: bool) -> Case:
    """The mutant, or the code that it was made from, at the point of this seed."""
    build: Callable[[np.random.Generator], gk.Subject] = mutant.wrong if wrong else mutant.right
    target = None
    if mutant.targets is not None:
        target = partial(_drawn, mutant.targets[wrong], seed)
    return Case(lambda: build(np.random.default_rng(seed)), target, seed)


def _drawn(at: Callable[[np.random.Generator], Any], seed: int) -> Any:
    return at(np.random.default_rng(seed))


def of_mutant(mutant: Mutant, seed: int) -> Iterator[Outcome]:
    """Caught is a mutant that is flagged where the code that it was made from is not."""
    for checker in installed():
        right, wrong = (checker.answer(case_of(mutant, seed, spoilt)) for spoilt in (False, True))
        outcome, why = _judged(right, wrong)
        yield Outcome(mutant.name, checker.name, seed, "", outcome, why)


def _judged(right: Answer, wrong: Answer) -> tuple[str, str]:
    if right.raised:
        return CANNOT, right.why
    if right.said == FLAGGED:
        return BOTH, right.why
    if wrong.said == FLAGGED:
        return CAUGHT, wrong.why
    return (UNDECIDED if UNDECIDED in (right.said, wrong.said) else MISSED), wrong.why


def of_right(subject: RightSubject, seed: int, dtype: str) -> Iterator[Outcome]:
    """In less than float64 ours alone is asked: the others are made for float64."""
    for checker in installed():
        if dtype == "float64" or checker is CHECKERS[0]:
            answer = checker.answer(subject.case(seed, dtype))
            outcome = CANNOT if answer.raised else FALSE_ALARM if answer.said == FLAGGED else answer.said
            yield Outcome(subject.name, checker.name, seed, dtype, outcome, answer.why)


def of_task(task: Task) -> tuple[str, list[Outcome]]:
    kind, number, seeds, dtype = task
    if kind == MUTANT:
        return kind, [found for seed in seeds for found in of_mutant(MUTANTS[number], seed)]
    return kind, [found for seed in seeds for found in of_right(RIGHT_SUBJECTS[number], seed, dtype)]


def _with_its_task(task: Task) -> tuple[Task, list[Outcome]]:
    return task, of_task(task)[1]


def tasks(mutants: Sequence[int], right: Sequence[int], mutant_seeds: int, seeds: int) -> list[Task]:
    """Every row at its seeds; right ones in blocks of seeds, in float64 and in float32."""
    blocks = [range(first, min(first + BLOCK, seeds)) for first in range(0, seeds, BLOCK)]
    return [
        *((MUTANT, number, range(mutant_seeds), "") for number in mutants),
        *((RIGHT_ONE, n, block, dtype) for block in blocks for dtype in ("float64", "float32") for n in right),
    ]


def measured(work: Sequence[Task], processes: int, kept: Kept) -> dict[str, list[Outcome]]:
    """All outcomes by kind, in the order of the tables; those that are kept from an earlier run are not asked again."""
    keys = {task: json.dumps([task[0], task[1], [*task[2]], task[3]]) for task in work}
    pending = [task for task in work if keys[task] not in kept.known]
    for task, outcomes in in_workers(_with_its_task, pending, processes):
        kept.add(keys[task], [asdict(one) for one in outcomes])
    found: dict[str, list[Outcome]] = defaultdict(list)
    for task, key in keys.items():
        found[task[0]] += [Outcome(**one) for one in kept.known.get(key, [])]  # none where the run was stopped
    place = {name: i for i, name in enumerate([m.name for m in MUTANTS] + [r.name for r in RIGHT_SUBJECTS])}
    for outcomes in found.values():
        outcomes.sort(key=lambda one: (place[one.row], one.dtype, one.seed))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutant-seeds", type=int, default=3, help="random points of each mutant")
    parser.add_argument("--seeds", type=int, default=50, help="random points of each right subject")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--keep", type=Path, help="a file to keep answers in: the same call goes on where it was stopped"
    )
    options = parser.parse_args()
    for checker in CHECKERS:
        if checker.absent:
            print(f"{checker.name} is left out: {checker.absent}", file=sys.stderr)
    everything = tasks(range(len(MUTANTS)), range(len(RIGHT_SUBJECTS)), options.mutant_seeds, options.seeds)
    found = measured(everything, options.processes, Kept(options.keep))
    print(
        "\n".join(detection_page.page(found[MUTANT], found[RIGHT_ONE], options.mutant_seeds, options.seeds, verdicts()))
    )


if __name__ == "__main__":
    main()

"""How small an error does a check see? `python -m benchmarks.power > docs/power.md`.

First a table of subtle errors, each with its right gradient, beside torch's gradcheck on the same functions at the same
points. Then the errors that a passed check excludes, against what was caught.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.machine import measured_here
from benchmarks.workers import in_workers
from gradcheck_kit.verdict import Verdict
from tests.mutants.subtle import SUBTLE, Spoil, Subtle, normal, one_times, times

SLOW_IS_FOR = 1_000  # torch's slow mode holds n × n Jacobians: beyond this it is asked at one draw only
SIZES = (10, 1_000, 100_000)
PARTS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
ONE_ELEMENT, WHOLE = "one element", "the whole"
SPOILT: Mapping[str, Callable[[float], Spoil]] = {ONE_ELEMENT: one_times, WHOLE: times}


# ---------------------------------------------------------------- subtle errors, beside torch


def torch_passes(case: Subtle, seed: int, spoilt: bool, fast: bool) -> bool:
    """torch's verdict on the same function, gradient and point, with its default eps, atol and rtol."""

    class Elementwise(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return torch.from_numpy(case.f(x.detach().numpy()))

        @staticmethod
        def backward(ctx: Any, u: Tensor) -> Tensor:  # type: ignore[override]
            (x,) = ctx.saved_tensors
            return torch.from_numpy(case.vjp(u.numpy(), x.detach().numpy(), spoilt))

    x = torch.from_numpy(case.draw(np.random.default_rng(seed))).requires_grad_()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return bool(torch.autograd.gradcheck(Elementwise.apply, (x,), raise_exception=False, fast_mode=fast))


@dataclass
class Tally:
    """How often a checker caught the wrong gradient and passed the right one, of how many."""

    caught: int = 0
    passed: int = 0
    draws: int = 0

    def add(self, caught: bool, passed: bool) -> None:
        self.caught, self.passed, self.draws = self.caught + caught, self.passed + passed, self.draws + 1

    def __str__(self) -> str:
        return f"{self.caught} of {self.draws} | {self.passed} of {self.draws}"


def of_subtle(task: tuple[str, int]) -> tuple[str, list[Tally]]:
    """One case: ours, torch's default, torch's fast mode."""
    name, draws = task
    case = SUBTLE[name]
    ours, slow, fast = Tally(), Tally(), Tally()
    size = len(case.draw(np.random.default_rng(0)))
    for seed in range(draws):
        wrong, right = (case.examine(seed, spoilt).verdict for spoilt in (True, False))
        ours.add(wrong is Verdict.FAIL, right is Verdict.PASS)
        for tally, mode in ((slow, False), (fast, True)):
            if mode or size <= SLOW_IS_FOR or seed == 0:
                passes = (torch_passes(case, seed, spoilt, mode) for spoilt in (True, False))
                tally.add(not next(passes), next(passes))
    return name, [ours, slow, fast]


def subtle_table(found: Mapping[str, list[Tally]]) -> Iterator[str]:
    checkers = "gradcheck_kit", "torch gradcheck", "torch gradcheck, fast_mode"
    yield "| the wrong gradient | " + " | ".join(f"{checker}: caught | passed" for checker in checkers) + " |"
    yield "|---|---|---|---|---|---|---|"
    for name in SUBTLE:
        yield f"| {name} | " + " | ".join(map(str, found[name])) + " |"


# ---------------------------------------------------------------- what a passed check excludes


@dataclass(frozen=True)
class Excluded:
    """Errors in sin's gradient of n elements that are a part of what the check at the same point excludes.

    Attributes:
        errors: the relative error at each point.
        verdicts: how often each verdict was given.
        slipped: how often a check passed although its own resolution says that it excludes such an error.
    """

    n: int
    where: str
    part: float
    errors: tuple[float, ...]
    verdicts: Counter[str]
    slipped: int


def excluded(n: int, where: str, resolution: float) -> float:
    """The relative error that a check of this resolution excludes: in an element of root-mean-square size, or overall.

    A strike needs a discrepancy of three bounds. One element of n stands out of the projection by |vᵢ| ÷ ‖v‖ ≥ 0.65
    ÷ √n, |vᵢ| being within [1/2, 1]: 3 ÷ 0.65 = 4.6. An error of everything adds up along the probe that has the
    gradient's signs; 3 bounds are 3 resolutions at most.
    """
    return 4.6 * resolution * np.sqrt(n) if where == ONE_ELEMENT else 3.0 * resolution


def _resolution(reported: float | None) -> float:
    if reported is None:
        raise RuntimeError("a check of sin did not report its resolution")
    return reported


def of_size(task: tuple[int, int]) -> list[Excluded]:
    """Every part of what is excluded, in one element and in the whole."""
    n, draws = task
    right = Subtle(np.sin, np.cos, normal(n), times(1.0))
    resolutions = [_resolution(right.examine(seed, spoilt=False).resolution) for seed in range(draws)]
    return [_part(n, where, part, resolutions) for where in SPOILT for part in PARTS]


def _part(n: int, where: str, part: float, resolutions: Sequence[float]) -> Excluded:
    verdicts: Counter[str] = Counter()
    errors, slipped = [part * excluded(n, where, resolution) for resolution in resolutions], 0
    for seed, r in enumerate(errors):
        report = Subtle(np.sin, np.cos, normal(n), SPOILT[where](1.0 + r)).examine(seed, spoilt=True)
        verdicts[report.verdict.value] += 1
        slipped += bool(report) and r >= excluded(n, where, _resolution(report.resolution))
    return Excluded(n, where, part, tuple(errors), verdicts, slipped)


def excluded_table(found: list[Excluded], where: str) -> Iterator[str]:
    yield "| r ÷ what is excluded | " + " | ".join(f"n = {n:,}: median r | caught" for n in SIZES) + " |"
    yield "|---" * (1 + 2 * len(SIZES)) + "|"
    for part in PARTS:
        cells = []
        for n in SIZES:
            (one,) = (e for e in found if (e.n, e.where, e.part) == (n, where, part))
            cells.append(f"{np.median(one.errors):.1e} | {_fraction(one.verdicts)}")
        yield f"| {part:g} | " + " | ".join(cells) + " |"


def _fraction(verdicts: Counter[str]) -> str:
    draws = sum(verdicts.values())
    undecided = verdicts["INCONCLUSIVE"] / draws
    return f"{verdicts['FAIL'] / draws:.2f}" + (f" (+ {undecided:.2f} undecided)" if undecided else "")


# ---------------------------------------------------------------- the page

SUBTLE_TEXT = """# How small an error is seen

`python -m benchmarks.power --draws {draws} > docs/power.md`

{where}

## Caught in float64 without any option

Each case at {draws} random points; torch's slow mode, which builds the Jacobian, at one point where it has 10⁸ entries.
Both are called with their defaults, on the same function and the same hand-written gradient. *Caught* counts the wrong
gradients that were called wrong, *passed* the right ones that were called right.
"""
EXCLUDED_TEXT = """
## What a passed check excludes

A report's *resolution* ρ is relative to the size of the gradient along the probe. A check that passed excludes

- in one element of n, of the gradient's root-mean-square size: a relative error r ≥ 4.6·ρ·√n (in a smaller element as
  much more as it is smaller);
- in all elements alike: r ≥ 3·ρ. That is cautious: the probe with the gradient's signs adds the errors up.

That is: such an error does not pass. It is FAIL where other steps, with bounds of their own, say the same, and
INCONCLUSIVE otherwise. Below it an error may still be caught, and often is. Measured on sin at {draws} normal points;
at each, ρ is what the check of the right gradient reports, and r a part of what it excludes:
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=100, help="random points of each case")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    print(SUBTLE_TEXT.format(draws=options.draws, where=measured_here()))
    tasks = [(name, options.draws) for name in SUBTLE]
    print("\n".join(subtle_table(dict(in_workers(of_subtle, tasks, options.processes)))))
    print(EXCLUDED_TEXT.format(draws=options.draws))
    sizes = [(n, options.draws) for n in reversed(SIZES)]
    found = [one for of_one in in_workers(of_size, sizes, options.processes) for one in of_one]
    for where in SPOILT:
        print(f"An error of r in {where}:\n")
        print("\n".join(excluded_table(found, where)) + "\n")
    slipped, checks = sum(one.slipped for one in found), len(found) * options.draws
    print(f"Checks that passed an error which their own report excludes: {slipped} of {checks:,}.")


if __name__ == "__main__":
    main()

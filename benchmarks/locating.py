"""What it costs to name the wrong elements of a gradient. `python -m benchmarks.locating > docs/locating.md`.

A matrix of weights whose gradient is wrong by 1e-3 in 1, 10 or 100 elements drawn at random. First whole checks of a
single wrong element, then the search alone, as it is by default and where it may spend more (`--effort`).
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import gradcheck_kit as gk
from benchmarks.machine import measured_here
from gradcheck_kit.checks.directional import LOOKS
from gradcheck_kit.checks.place import Places
from gradcheck_kit.checks.rounds import Round
from gradcheck_kit.locate import EFFORT, Location, OfInput, locate
from gradcheck_kit.preparation import prepared
from gradcheck_kit.provenance import Budget, Meter
from gradcheck_kit.subject import Subject

RELATIVE = 1e-3
LIMIT = 200  # forward evaluations in which a whole check must find and name one wrong element
HEAD = """# What it costs to name the wrong elements

`python -m benchmarks.locating > docs/locating.md`

{where}
The counts do not depend on the machine; seconds stand where it was idle.

The gradient of a square matrix in float64 is wrong by a factor 1.001 in elements drawn at random. Elements strewn at
random are the worst case of the search: a wrong row, column or tail costs about as much as a few elements.

## A whole check of one wrong element

`gk.examine` from start to end, in at most {limit} forward evaluations: it is found, and named by its index.

| elements | seed | verdict | forward | VJP | named | wrong is | under {limit} | seconds |
|---|---|---|---|---|---|---|---|---|"""
SEARCH = """
## The search alone

After the check has found the input wrong twice. The default effort is {effort} readings (directional derivatives, of at
most some 16 evaluations); a search that spends it names what it has found and says "and more".
Medians of {seeds} seeds.

| elements | wrong | effort | forward | VJP | named of the wrong | named wrongly | explained | seconds |
|---|---|---|---|---|---|---|---|---|"""
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Located:
    """One search: what it cost, and how many elements it named rightly and wrongly."""

    forward: int
    vjp: int
    named: int
    wrongly: int
    complete: bool
    seconds: float


def subject(length: int, wrong: Array, seed: int) -> Subject:
    """Row sums of sines; the gradient of the elements at `wrong` (flat positions) is off by a factor 1 + RELATIVE."""

    at = np.unravel_index(wrong, (length, length))

    def vjp(u: Array, W: Array) -> Array:
        gradient = u[:, None] * np.cos(W)
        gradient[at] *= 1 + RELATIVE
        return gradient

    W = np.random.default_rng(seed).normal(size=(length, length))
    return gk.function(lambda W: np.sin(W).sum(axis=1), W, vjp=vjp, name="row sums")


def search(length: int, count: int, seed: int, effort: int) -> Located:
    """One search in a first look at the subject."""
    wrong = np.random.default_rng([seed, count]).choice(length**2, count, replace=False)
    meter = Meter(subject(length, wrong, seed), Budget.of(None))
    generator = np.random.default_rng(seed)
    examination = prepared(meter, generator, None, None)
    strike = Round(examination, LOOKS[0], Places(examination)).measure(["W"])
    before, started = (meter.forward, meter.vjp), time.perf_counter()
    place = locate(OfInput(strike), generator, effort)
    named = _named(place)
    return Located(
        meter.forward - before[0],
        meter.vjp - before[1],
        len(named & set(wrong.tolist())),
        len(named - set(wrong.tolist())),
        place.complete,
        time.perf_counter() - started,
    )


def _named(place: Location) -> set[int]:
    """The flat positions of all elements in the blocks found."""
    return {int(np.ravel_multi_index(index, box.shape)) for box in place.boxes for index in box.indices()}


def whole_check(length: int, seed: int, timed: bool) -> str:
    """One row: a check of a matrix of length² elements of which one is wrong."""
    wrong = np.random.default_rng([seed, 1]).choice(length**2, 1, replace=False)
    started = time.perf_counter()
    report = gk.examine(subject(length, wrong, seed), seed=seed)
    seconds = time.perf_counter() - started
    named = [finding.place for finding in report.findings if finding.verdict is gk.Verdict.FAIL]
    right = f"W[{', '.join(str(int(i)) for i in np.unravel_index(wrong[0], (length, length)))}]"
    cells = [f"{length**2:,}", seed, report.verdict.value, report.cost.forward, report.cost.vjp]
    cells += [
        "; ".join(map(str, named)),
        right,
        "yes" if report.cost.forward < LIMIT else "no",
        _spelled(seconds, timed),
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", type=int, nargs="+", default=[100, 1000], help="rows and columns of the matrices")
    parser.add_argument("--counts", type=int, nargs="*", default=[1, 10, 100], help="wrong elements of the searches")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--effort", type=int, default=2000, help="readings of the search that is let run")
    parser.add_argument("--no-seconds", dest="timed", action="store_false", help="leave them out: the machine is busy")
    options = parser.parse_args()
    print(HEAD.format(where=measured_here(), limit=LIMIT))
    for length in options.lengths:
        for seed in range(options.seeds):
            print(whole_check(length, seed, options.timed), flush=True)
    print(SEARCH.format(effort=EFFORT, seeds=options.seeds))
    for length in options.lengths:
        for count in options.counts:
            for effort in (EFFORT,) if count == 1 else (EFFORT, options.effort):
                runs = [search(length, count, seed, effort) for seed in range(options.seeds)]
                print(_row(length, count, effort, runs, options.timed), flush=True)


def _row(length: int, count: int, effort: int, runs: list[Located], timed: bool) -> str:
    def median(name: str) -> float:
        return float(np.median([getattr(run, name) for run in runs]))

    explained = f"{sum(run.complete for run in runs)} of {len(runs)}"
    cells = [f"{length**2:,}", count, effort, f"{median('forward'):.0f}", f"{median('vjp'):.0f}"]
    cells += [f"{median('named'):.0f}", f"{sum(run.wrongly for run in runs)}", explained]
    return "| " + " | ".join(map(str, [*cells, _spelled(median("seconds"), timed)])) + " |"


def _spelled(seconds: float, timed: bool) -> str:
    return f"{seconds:.2g}" if timed else "—"


if __name__ == "__main__":
    main()

"""What it costs to name the wrong elements of a gradient. `python -m benchmarks.locating`.

A matrix of weights whose gradient is wrong by 1e-3 in 1, 10 or 100 elements drawn at random. Counted are the
evaluations of the search alone; the check spends some 45 before it, until it has found the input wrong twice. With the
default effort a search for many elements ends with "and more"; with enough of it (`--effort`) it names them all.
"""

import argparse
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from platform import machine, python_version

import numpy as np
import numpy.typing as npt

import gradcheck_kit as gk
from gradcheck_kit.checks.directional import LOOKS
from gradcheck_kit.checks.place import Places
from gradcheck_kit.checks.rounds import Round
from gradcheck_kit.engine import prepared
from gradcheck_kit.locate import EFFORT, Location, OfInput, locate
from gradcheck_kit.provenance import Budget, Meter
from gradcheck_kit.subject import Subject

RELATIVE = 1e-3
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

    def vjp(u: Array, W: Array) -> Array:
        gradient = u[:, None] * np.cos(W)
        gradient.reshape(-1)[wrong] *= 1 + RELATIVE
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", type=int, nargs="+", default=[100, 1000], help="rows and columns of the matrices")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 10, 100], help="wrong elements")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--effort", type=int, default=2000, help="readings of the search that is let run")
    options = parser.parse_args()
    today = datetime.now(UTC).date()
    print(
        f"{today}; Python {python_version()}, NumPy {np.__version__}, {machine()}; medians of {options.seeds} seeds\n"
    )
    print("| elements | wrong | effort | forward | VJP | named of the wrong | named wrongly | explained | seconds |")
    print("|---" * 9 + "|")
    for length in options.lengths:
        for count in options.counts:
            for effort in (EFFORT, options.effort):
                if count == 1 and effort != EFFORT:
                    continue
                runs = [search(length, count, seed, effort) for seed in range(options.seeds)]
                print(_row(length, count, effort, runs), flush=True)


def _row(length: int, count: int, effort: int, runs: list[Located]) -> str:
    def median(name: str) -> float:
        return float(np.median([getattr(run, name) for run in runs]))

    explained = f"{sum(run.complete for run in runs)} of {len(runs)}"
    cells = [f"{length**2:,}", count, effort, f"{median('forward'):.0f}", f"{median('vjp'):.0f}"]
    cells += [f"{median('named'):.0f}", f"{sum(run.wrongly for run in runs)}", explained, f"{median('seconds'):.2g}"]
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    main()

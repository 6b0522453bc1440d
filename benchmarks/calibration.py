"""How honest is the error bound, how sharp, and how often is the verdict wrong? `python -m benchmarks.calibration`.

Every draw is a function of `benchmarks.bank` at a random point, in one precision, at one scale, with its right gradient
(rounded to that precision). For each of its probes the true directional derivative is known to about 1e-18; what is
tabulated is the true error ÷ the bound, the resolution of each probe and of the whole check, and the verdicts. No draw
is left out. NumPy runs the functions, and torch in bfloat16, which NumPy has not.
"""

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks import calibration_tables as tables
from benchmarks.bank import KINKED, ODD, SMOOTH, Case
from benchmarks.expert import NOT_FINITE
from benchmarks.truth import jvp, vjp
from gradcheck_kit.adapters import build
from gradcheck_kit.checks import directional
from gradcheck_kit.checks.rounds import Measurement, Round
from gradcheck_kit.engine import examine
from gradcheck_kit.verdict import Outcome

MODES: Mapping[str, tuple[str, str | None]] = {
    "float64": ("float64", "native"),
    "float32": ("float32", "native"),
    "float32 beside float64": ("float32", None),
    "float16": ("float16", "native"),
    "float16 beside float64": ("float16", None),
    "bfloat16": ("bfloat16", "native"),
    "bfloat16 beside float64": ("bfloat16", None),
}
"""By name: the dtype of inputs, forward and backward, and the `reference` that `examine` is given."""

BANKS = {"smooth": SMOOTH, "kinked": KINKED, "odd": ODD}
SCALES = (1.0, 1e-3, 1e3)


@dataclass
class Tally:
    """What was seen of one bank in one mode.

    Attributes:
        verdicts: by (function, verdict).
        ratios: true error ÷ bound of the numerical derivatives that vouch for themselves.
        probes: by kind of tangent, the resolution of each look in the attempt that settled it, or else in its sharpest.
        worst: the resolution of the checks that passed, which is the worst of their three looks.
        forward: evaluations of each check.
    """

    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    ratios: list[float] = field(default_factory=list)
    probes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    worst: list[float] = field(default_factory=list)
    forward: list[int] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.verdicts += other.verdicts
        self.ratios += other.ratios
        self.worst += other.worst
        self.forward += other.forward
        for kind, resolutions in other.probes.items():
            self.probes[kind] += resolutions


def _placed(values: np.ndarray, form: str) -> Any:
    """Values rounded to a format, in the library that has it."""
    if form != "bfloat16":
        return values.astype(form)
    import torch

    return torch.from_numpy(np.asarray(values, np.float64)).to(torch.bfloat16)


def _wide(array: Any) -> np.ndarray:
    """The same values in NumPy, in a format that holds them all."""
    return array if isinstance(array, np.ndarray) else array.double().numpy()


def _right_vjp(case: Case, u: Any, x: Any) -> Any:
    """The true gradient in x's library and dtype, which may be float64 for the reference of a bfloat16 one."""
    gradient = vjp(case.f, _wide(u), _wide(x))
    if isinstance(x, np.ndarray):
        return gradient.astype(x.dtype)
    import torch

    return torch.from_numpy(gradient.astype(np.float64)).to(x.dtype)


def one(name: str, case: Case, mode: str, seed: int) -> Tally:
    """One draw: its verdict, and true error ÷ bound and resolution of what it measured."""
    form, reference = MODES[mode]
    generator = np.random.default_rng(seed)
    scale = SCALES[int(generator.integers(3))] if case.scalable and form != "float16" else 1.0
    x = _placed(scale * case.draw(generator), form)
    subject = build.function(case.f, x, vjp=lambda u, at: _right_vjp(case, u, at), names=["x"], name=name)
    tally = Tally()
    with np.errstate(all="ignore"), measurements() as taken:
        report = examine(subject, seed=seed, reference=reference, questions=directional.QUESTION)
        tally.ratios = [_ratio(case, measured) for measured in taken if measured.estimate.smooth]
        for kind, resolution in resolutions_of(taken, report.require).items():
            tally.probes[kind].append(resolution)
        verdict = report.verdict.value
        if verdict == "FAIL" and not np.isfinite(_wide(_right_vjp(case, _wide(case.f(x)) * 0 + 1, x))).all():
            verdict = NOT_FINITE
    tally.verdicts[name, verdict] += 1
    tally.forward.append(report.cost.forward)
    if report and report.resolution is not None:
        tally.worst.append(report.resolution)
    return tally


@contextmanager
def measurements() -> Iterator[list[Measurement]]:
    """All that checks measure within the block, in order: what is tabulated is what the verdicts rest on."""
    taken: list[Measurement] = []

    class Watched(Round):
        def measure(self, names: Sequence[str]) -> Measurement:
            taken.append(super().measure(names))
            return taken[-1]

    with patch.object(directional, "Round", Watched):
        yield taken


def resolutions_of(taken: Sequence[Measurement], require: float) -> dict[str, float]:
    """By kind of tangent, the resolution of the attempt that settled the look, or else of its sharpest."""
    found: dict[str, float] = {}
    settled: set[str] = set()
    for measurement in taken:
        kind, seen = measurement.round.look.kind.value, measurement.seen.comparison
        if seen.outcome(require) is Outcome.AGREES:
            found[kind] = seen.resolution
            settled.add(kind)
        elif kind not in settled:
            found[kind] = min(found.get(kind, np.inf), seen.resolution)
    return found


def _ratio(case: Case, measurement: Measurement) -> float:
    """True error ÷ bound of the numerical derivative alone."""
    asked, estimate = measurement.round, measurement.estimate
    truth = np.longdouble(0)
    exact = jvp(case.f, _wide(asked.place.line_point["x"]), _wide(measurement.tangents["x"]))
    for u in asked.backward.cotangents.values():
        truth += np.sum(np.asarray(_wide(u), np.longdouble) * exact)
    error = abs(float(truth - np.longdouble(estimate.value)))
    return error / estimate.error if estimate.error > 0.0 else (0.0 if error == 0.0 else np.inf)


def block(arguments: tuple[str, str, int, int]) -> tuple[str, str, Tally]:
    """All functions of one bank in one mode, over a range of seeds."""
    bank, mode, first, last = arguments
    if MODES[mode][0] == "bfloat16":
        import torch

        torch.set_num_threads(1)
    tally = Tally()
    for seed in range(first, last):
        for number, (name, case) in enumerate(BANKS[bank].items()):
            tally.add(one(name, case, mode, 1000 * seed + number))
    return bank, mode, tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=60, help="draws of each function in each mode")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    modes = [mode for mode in options.modes if MODES[mode][0] != "bfloat16" or find_spec("torch")]
    started = time.perf_counter()
    tallies: dict[tuple[str, str], Tally] = {(bank, mode): Tally() for bank in BANKS for mode in modes}
    chunk = max(1, options.seeds // 10)
    last = options.first + options.seeds
    work = [
        (bank, mode, first, min(first + chunk, last))
        for bank, mode in tallies
        for first in range(options.first, last, chunk)
    ]
    with ProcessPoolExecutor(options.processes) as pool:
        for bank, mode, tally in pool.map(block, work):
            tallies[bank, mode].add(tally)
    tables.print_all(tallies, time.perf_counter() - started)
    for mode in options.modes:
        if mode not in modes:
            print(f"not run: {mode} (torch is not installed: pip install 'gradcheck-kit[torch]')")


if __name__ == "__main__":
    main()

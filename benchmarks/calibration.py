"""How honest is the error bound, how sharp, and how often is the verdict wrong? `python -m benchmarks.calibration`.

Every draw is a function of `benchmarks.bank` at a random point, in one dtype, at one scale, with its right gradient
(rounded once). For each of its probes the true directional derivative is known to about 1e-18; what is tabulated is
the true error ÷ the bound, the resolution, and the verdicts. No draw is left out.
"""

import argparse
import platform
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.bank import KINKED, ODD, SMOOTH, Case, jvp, vjp
from gradcheck_kit.adapters import build
from gradcheck_kit.checks.directional import LOOKS
from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.checks.place import Places
from gradcheck_kit.checks.rounds import Round
from gradcheck_kit.engine import examine, prepared
from gradcheck_kit.provenance import Meter

MODES: Mapping[str, tuple[type[np.floating[Any]], str]] = {
    "float64": (np.float64, "native"),
    "float32": (np.float32, "native"),
    "float32 beside float64": (np.float32, "float64"),
    "float16": (np.float16, "native"),
    "float16 beside float64": (np.float16, "float64"),
}
BANKS = {"smooth": SMOOTH, "kinked": KINKED, "odd": ODD}
SCALES = (1.0, 1e-3, 1e3)
QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)


@dataclass
class Tally:
    """What was seen of one bank in one mode."""

    verdicts: Counter[str] = field(default_factory=Counter)
    ratios: list[float] = field(default_factory=list)
    resolutions: list[float] = field(default_factory=list)
    forward: list[int] = field(default_factory=list)
    notable: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        self.verdicts += other.verdicts
        self.notable += other.notable
        self.ratios += other.ratios
        self.resolutions += other.resolutions
        self.forward += other.forward


def one(name: str, case: Case, mode: str, seed: int) -> Tally:
    """One draw: its verdict, and true error ÷ bound of its three looks."""
    dtype, reference = MODES[mode]
    generator = np.random.default_rng(seed)
    scale = SCALES[int(generator.integers(3))] if case.scalable and dtype is not np.float16 else 1.0
    x = (scale * case.draw(generator)).astype(dtype)
    subject = build.function(case.f, x, vjp=lambda u, at: vjp(case.f, u, at), names=["x"], name=name)
    tally = Tally()
    with np.errstate(all="ignore"):
        report = examine(subject, seed=seed, reference=reference if reference == "native" else None)
        tally.ratios = list(_ratios(case, subject, reference, seed))
    tally.verdicts[report.verdict.value] += 1
    tally.forward.append(report.cost.forward)
    if report.resolution is not None:
        tally.resolutions.append(report.resolution)
    if not report:
        tally.notable[f"{name}: {report.verdict.value}"] += 1
    return tally


def _ratios(case: Case, subject: Any, reference: str, seed: int) -> Iterator[float]:
    """True error ÷ bound of the numerical derivative alone, where the estimate vouches for itself."""
    meter = Meter(subject)
    wanted = "native" if reference == "native" else None
    examination: Examination = prepared(meter, np.random.default_rng(seed), None, wanted)
    places = Places(examination)
    for look in LOOKS:
        asked = Round(examination, places.lean(look) or look, places)
        estimate = asked.measure(["x"]).estimate
        if not estimate.smooth:
            continue
        truth = np.longdouble(0)
        exact = jvp(case.f, np.asarray(asked.place.line_point["x"]), np.asarray(asked.tangents["x"]))
        for u in asked.backward.cotangents.values():
            truth += np.sum(np.asarray(u, np.longdouble) * exact)
        error = abs(float(truth - np.longdouble(estimate.value)))
        yield error / estimate.error if estimate.error > 0.0 else (0.0 if error == 0.0 else np.inf)


def block(arguments: tuple[str, str, int, int]) -> tuple[str, str, Tally]:
    """All functions of one bank in one mode, over a range of seeds."""
    bank, mode, first, last = arguments
    tally = Tally()
    for seed in range(first, last):
        for number, (name, case) in enumerate(BANKS[bank].items()):
            tally.add(one(name, case, mode, 1000 * seed + number))
    return bank, mode, tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="draws of each function in each mode")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    started = time.perf_counter()
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    chunk = max(1, options.seeds // 10)
    work = [
        (bank, mode, first, min(first + chunk, options.first + options.seeds))
        for bank in BANKS
        for mode in MODES
        for first in range(options.first, options.first + options.seeds, chunk)
    ]
    with ProcessPoolExecutor(options.processes) as pool:
        for bank, mode, tally in pool.map(block, work):
            tallies[bank, mode].add(tally)
    _print(tallies, time.perf_counter() - started)


def _print(tallies: Mapping[tuple[str, str], Tally], seconds: float) -> None:
    draws = sum(sum(t.verdicts.values()) for t in tallies.values())
    where = f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}"
    print(f"{draws} draws, {seconds:.0f} s; {where}\n")
    print("| bank | mode | draws | PASS | FAIL | INCONCLUSIVE | evaluations median, max |")
    print("|---|---|---|---|---|---|---|")
    for (bank, mode), t in tallies.items():
        counts = " | ".join(str(t.verdicts[v]) for v in ("PASS", "FAIL", "INCONCLUSIVE"))
        cost = f"{np.median(t.forward):.0f}, {max(t.forward)}"
        print(f"| {bank} | {mode} | {sum(t.verdicts.values())} | {counts} | {cost} |")
    print(f"\nquantiles {QUANTILES} of")
    print("| bank | mode | true error ÷ bound | above 1 | resolution |")
    print("|---|---|---|---|---|")
    for (bank, mode), t in tallies.items():
        ratios, resolutions = _quantiles(t.ratios), _quantiles(t.resolutions)
        above = sum(r > 1 for r in t.ratios)
        print(f"| {bank} | {mode} | {ratios} | {above} of {len(t.ratios)} | {resolutions} |")
    print("\nnot PASS, by function:")
    for (bank, mode), t in tallies.items():
        for name, count in t.notable.most_common():
            print(f"- {bank}, {mode}: {name} × {count}")


def _quantiles(values: list[float]) -> str:
    return ", ".join(f"{q:.1e}" for q in np.quantile(values, QUANTILES)) if values else "none"


if __name__ == "__main__":
    main()

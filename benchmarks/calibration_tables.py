"""The tables of the calibration, as Markdown."""

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.expert import NOT_FINITE, OPINIONS

if TYPE_CHECKING:
    from benchmarks.calibration import Tally

Tallies = Mapping[tuple[str, str], "Tally"]

QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)
VERDICTS = ("PASS", "FAIL", "INCONCLUSIVE", NOT_FINITE)
SOUGHT: Mapping[str, tuple[float, float | None]] = {
    "float64": (1e-12, 1e-10),
    "float32": (2e-5, 1e-4),
    "float32 beside float64": (3e-6, None),
    "float16": (2e-2, None),
    "float16 beside float64": (1e-2, None),
    "bfloat16": (0.1, None),
    "bfloat16 beside float64": (6e-2, None),
}
"""The resolution of a probe that is sought on smooth functions: median, worst decile."""

UNDECIDED: Mapping[str, float] = {"float16": 0.15, "bfloat16": 0.15}
"""The share of smooth subjects that may stay undecided; 0.01 in every other mode."""


def print_all(tallies: Tallies, seconds: float) -> None:
    draws = sum(t.verdicts.total() for t in tallies.values())
    where = f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}"
    print(f"{draws} draws, {seconds:.0f} s; {where}")
    _print_verdicts(tallies)
    _print_bounds(tallies)
    _print_resolutions(tallies)
    _print_kinds(tallies)
    _print_opinions(tallies)
    _print_undecided(tallies)


def _print_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def by_verdict(tally: "Tally") -> Counter[str]:
    """Verdicts counted over all functions."""
    counts: Counter[str] = Counter()
    for (_, verdict), count in tally.verdicts.items():
        counts[verdict] += count
    return counts


def _print_verdicts(tallies: Tallies) -> None:
    rows = []
    for (bank, mode), t in tallies.items():
        counts = by_verdict(t)
        share = f"{100 * counts['INCONCLUSIVE'] / counts.total():.1f} %"
        cost = f"{np.median(t.forward):.0f}, {max(t.forward)}"
        rows.append([bank, mode, str(counts.total()), *(str(counts[v]) for v in VERDICTS), share, cost])
    head = ["bank", "mode", "draws", *VERDICTS, "undecided", "evaluations: median, max"]
    _print_table("Verdicts on right gradients (a FAIL is a false alarm, unless the gradient overflows).", head, rows)


def _print_bounds(tallies: Tallies) -> None:
    rows = []
    for (bank, mode), t in tallies.items():
        above = sum(r > 1 for r in t.ratios)
        rows.append([bank, mode, _quantiles(t.ratios), f"{above} of {len(t.ratios)}"])
    _print_table(f"True error ÷ bound: quantiles {QUANTILES}.", ["bank", "mode", "quantiles", "above 1"], rows)


def _print_resolutions(tallies: Tallies) -> None:
    rows = []
    for (bank, mode), t in tallies.items():
        pooled = [r for resolutions in t.probes.values() for r in resolutions]
        rows.append([bank, mode, _quantiles(pooled), _quantiles(t.worst)])
    head = ["bank", "mode", "of a probe", "of a check: the worst of its three"]
    _print_table(f"Resolution: quantiles {QUANTILES}.", head, rows)


def _print_kinds(tallies: Tallies) -> None:
    """The smooth bank beside what is sought."""
    rows = []
    for (bank, mode), t in tallies.items():
        if bank != "smooth":
            continue
        kinds = {**t.probes, "all": [r for resolutions in t.probes.values() for r in resolutions], "check": t.worst}
        cells = [_median_and_decile(resolutions) for resolutions in kinds.values()]
        median, decile = SOUGHT[mode]
        met = _met(kinds["all"], median, decile)
        counts = by_verdict(t)
        allowed = UNDECIDED.get(mode, 0.01)
        decided = "yes" if counts["INCONCLUSIVE"] <= allowed * counts.total() else "no"
        sought = f"{median:.0e}" + ("" if decile is None else f", {decile:.0e}")
        rows.append([mode, *cells, sought, met, decided])
    head = ["mode", "plain", "aligned", "equalised", "all probes", "worst of three", "sought", "met", "decided"]
    title = (
        "Resolution on smooth functions, probe by probe: median, worst decile; beside what is sought of a probe, and "
        "whether no more stay undecided than sought (15 % in half precision alone, 1 % elsewhere)."
    )
    _print_table(title, head, rows)


def _median_and_decile(resolutions: Sequence[float]) -> str:
    if not resolutions:
        return "none"
    return ", ".join(f"{q:.1e}" for q in np.quantile(resolutions, (0.5, 0.9), method="higher"))


def _met(resolutions: Sequence[float], median: float, decile: float | None) -> str:
    at_median, at_decile = np.quantile(resolutions, (0.5, 0.9), method="higher")
    return "yes" if at_median <= median and (decile is None or at_decile <= decile) else "no"


def _print_opinions(tallies: Tallies) -> None:
    """The odd functions, each beside what an expert would say."""
    modes = [mode for bank, mode in tallies if bank == "odd"]
    rows = []
    for name, opinion in OPINIONS.items():
        cells = [_opinion_cell(tallies["odd", mode].verdicts, name, mode) for mode in modes]
        rows.append([name, opinion.reason, *cells])
    title = (
        "The odd functions: PASS / FAIL / INCONCLUSIVE (and FAIL since the right gradient overflows, where it does). "
        "Bold: a verdict among them that an honest expert would not give."
    )
    _print_table(title, ["function", "an expert", *modes], rows)


def _opinion_cell(verdicts: Counter[tuple[str, str]], name: str, mode: str) -> str:
    given = {v: verdicts[name, v] for v in VERDICTS if verdicts[name, v]}
    cell = " / ".join(str(given.get(v, 0)) for v in VERDICTS[:3])
    if NOT_FINITE in given:
        cell += f" ({given[NOT_FINITE]})"
    return cell if all(OPINIONS[name].allows(mode, v) for v in given) else f"**{cell}**"


def _print_undecided(tallies: Tallies) -> None:
    print("\nNot PASS, by function of the smooth and kinked banks:\n")
    for (bank, mode), t in tallies.items():
        if bank == "odd":
            continue
        named = [f"{name} {verdict} × {n}" for (name, verdict), n in t.verdicts.most_common() if verdict != "PASS"]
        if named:
            print(f"- {bank}, {mode}: {', '.join(named)}")


def _quantiles(values: Sequence[float]) -> str:
    return ", ".join(f"{q:.1e}" for q in np.quantile(values, QUANTILES, method="higher")) if values else "none"

"""The page: how many mutants were killed in which file, which survived, and which are equivalent for what reason."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.machine import measured_here
from benchmarks.mutation.mutants import Key, Mutant
from benchmarks.mutation.trial import TESTS, Outcome

HEAD = """\
# How strong are the reference library's tests?

`nice python -m benchmarks.mutation --workers 2 > docs/mutation.md`

{measured}

Every function of `reference_impls/layers`, `autograd`, `networks` and `optimizers` is changed at one place at a time:
an operator is swapped, a term, factor, sum, transpose, copy or call dropped, a constant or an axis moved by one, a
comparison made strict or lax, a condition fixed, the branches of a choice exchanged. On each mutant those of
{tests} run that call the function, until one fails. A mutant is *killed* if a test fails, crashes or hangs,
*equivalent* if no test can tell it from the right code (the reasons are below), and has *survived* otherwise. Not
changed: the messages of errors, defaults of arguments, constants outside of functions, `__repr__`; nor `copy=False`,
which spares a copy, and `strict=True`, which guards what holds.

Three rooms are left out. `fast` computes what `networks` computes, into arrays that it reuses, and its tests compare
the two; much of its code chooses what costs less time, where another choice is no bug. `datasets` finds, checks and
downloads files and has no derivative. `examples` prints what the other rooms compute.
"""


def page(
    mutants: Sequence[Mutant],
    outcomes: Mapping[Key, Outcome],
    equivalent: Mapping[Key, str],
    tests: Sequence[str] = TESTS,
) -> tuple[list[str], bool]:
    """The page's lines, and whether nothing is amiss: no survivor, no equivalent mutant that a test kills."""
    survived = [m for m in mutants if outcomes[m.key].survived and m.key not in equivalent]
    refuted = [m for m in mutants if not outcomes[m.key].survived and m.key in equivalent]
    excused = [m for m in mutants if outcomes[m.key].survived and m.key in equivalent]
    lines = [
        *HEAD.format(measured=measured_here(), tests=", ".join(f"`{test}`" for test in tests)).splitlines(),
        "",
        "## Score",
        "",
    ]
    lines += _score(mutants, survived, excused)
    lines += ["", "## Survivors", "", *_diffs(survived, outcomes)]
    if refuted:
        lines += ["", "## Called equivalent, but killed", ""]
        lines += [f"- {_named(m)} by `{outcomes[m.key].killer}`" for m in refuted]
    lines += ["", "## Equivalent", "", *_reasons(excused, equivalent)]
    return lines, not survived and not refuted


def _score(mutants: Sequence[Mutant], survived: Sequence[Mutant], excused: Sequence[Mutant]) -> Iterator[str]:
    yield "| file or room | mutants | equivalent | killed | survived | killed of those not equivalent, % |"
    yield "|---|---:|---:|---:|---:|---:|"
    total, lost, same = (Counter(row for m in group for row in _rows(m)) for group in (mutants, survived, excused))
    files_and_rooms = sorted(row for row in total if row != "all")
    for row in [*files_and_rooms, "all"]:
        asked = total[row] - same[row]
        killed = asked - lost[row]
        share = f"{100 * killed / asked:.1f}" if asked else "–"
        yield f"| {row} | {total[row]} | {same[row]} | {killed} | {lost[row]} | {share} |"


def _rows(mutant: Mutant) -> tuple[str, str, str]:
    """Where a mutant counts: in its file, its room, and all."""
    return mutant.file, f"{mutant.file.split('/')[0]}/", "all"


def _diffs(survived: Sequence[Mutant], outcomes: Mapping[Key, Outcome]) -> Iterator[str]:
    if not survived:
        yield "None."
    for mutant in survived:
        outcome = outcomes[mutant.key]
        told = "no test calls the function" if outcome.how == "not called" else f"{outcome.tests} tests passed"
        yield from (f"{_named(mutant)}: {told}", "", "```diff", *mutant.diff, "```", "")


def _reasons(excused: Sequence[Mutant], equivalent: Mapping[Key, str]) -> Iterator[str]:
    if not excused:
        yield "None."
    reasons: dict[str, list[Mutant]] = {}
    for mutant in excused:
        reasons.setdefault(equivalent[mutant.key], []).append(mutant)
    for reason, mutants in reasons.items():
        yield f"- {reason}"
        yield from (f"  - {_named(mutant)}" for mutant in mutants)


def _named(mutant: Mutant) -> str:
    return f"{mutant.file}, {mutant.function}: `{mutant.change}`"

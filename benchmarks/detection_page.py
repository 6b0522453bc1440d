"""The page of `benchmarks.detection`: rates, groups, reasons and alarms as tables in Markdown."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.checkers import CHECKERS
from benchmarks.machine import measured_here
from tests.mutants import MUTANTS, Mutant

if TYPE_CHECKING:
    from benchmarks.detection import Outcome
    from benchmarks.passed_by_torch import Verdicts

CAUGHT_WORDS = ("caught", "missed", "undecided", "flags the right one too", "cannot be asked")
RIGHT_WORDS = ("passed", "false alarm", "undecided", "cannot be asked")
NAMES = tuple(checker.name for checker in CHECKERS)
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}

HEAD = """# What is caught, and what is flagged without reason

`python -m benchmarks.detection --mutant-seeds {mutant_seeds} --seeds {seeds} > docs/detection.md`

{where}

Planted bugs: {mutants}, random points of each: {mutant_seeds}. Right subjects: {right}, random points of each: {seeds}.
Every checker is called with its defaults, on the same gradient at the same point:

- *gradcheck_kit*: `examine`, all default questions. Caught is FAIL; INCONCLUSIVE is *undecided*.
- *torch slow*, *torch fast*: `torch.autograd.gradcheck`. A torch module, function or Function is asked as it is, its
  parameters passed as inputs too, its random state fixed; anything else is wrapped as an `autograd.Function`.
- *JAX check_grads*: first order, reverse mode, in float64, of the forward and the pullback behind `custom_vjp` and
  `pure_callback`. Its arrays are read-only: a NumPy backward that writes into them raises.
- *textbook*: (f(x + h) − f(x − h)) ÷ 2h of Σ u·f for a random u, h = 1e-4, element by element; flagged where
  ‖analytic − numerical‖ ÷ (‖analytic‖ + ‖numerical‖) of an input exceeds 1e-5, and the same with 1e-7. Every
  evaluation is given fresh copies.

An exception of the code under a checker counts as caught, since nobody overlooks it. A mutant is caught only where the
code that it was made from passes at the same point: *flags the right one too* says nothing about the bug.
"""

PASSED_TEXT = """
## Five bugs that a Jacobian check is said to pass

torch's own verdict on each at one point, the 1e-7 gradient twice: zero, and with its sign flipped. gradcheck looks at
the inputs that it is given: a module's parameters only if the caller makes inputs of them.
"""


def page(
    mutants: Sequence["Outcome"],
    right: Sequence["Outcome"],
    mutant_seeds: int,
    seeds: int,
    passed: Iterable["Verdicts"],
) -> Iterator[str]:
    """All lines."""
    rows = {one.row for one in mutants}, {one.row for one in right}
    yield HEAD.format(
        mutant_seeds=mutant_seeds, seeds=seeds, where=measured_here(), mutants=len(rows[0]), right=len(rows[1])
    )
    yield from (f"{checker.name} was left out: {checker.absent}.\n" for checker in CHECKERS if checker.absent)
    yield "## Planted bugs\n"
    yield from rates(mutants, CAUGHT_WORDS)
    yield "\nCaught of asked, by the question that ought to catch it:\n"
    yield from grouped(mutants, "question", lambda mutant: mutant.question)
    yield "\nThe same by the cause that the failure ought to name:\n"
    yield from grouped(mutants, "cause", lambda mutant: mutant.cause or "no name fits")
    yield "\nNot caught by gradcheck_kit:\n"
    yield from listed([one for one in mutants if one.checker == NAMES[0]], CAUGHT_WORDS[1:])
    yield PASSED_TEXT
    yield "| bug | torch is given | torch slow | torch fast | gradcheck_kit |\n|---|---|---|---|---|"
    yield from (f"| {one.name} | {one.given} | {one.slow} | {one.fast} | {one.ours} |" for one in passed)
    yield "\n## Right subjects\n"
    for dtype in sorted({one.dtype for one in right}, reverse=True):
        alone = "" if dtype == "float64" else ", of gradcheck_kit alone: the others are made for float64"
        yield f"In {dtype}{alone}:\n"
        yield from rates([one for one in right if one.dtype == dtype], RIGHT_WORDS)
        yield ""
    yield "Not passed:\n"
    yield from listed(right, RIGHT_WORDS[1:])
    yield "\n## Mutants that a peer cannot be asked of, or whose right version it flags\n"
    yield from listed([one for one in mutants if one.checker != NAMES[0]], CAUGHT_WORDS[3:])


def rates(outcomes: Sequence["Outcome"], words: Sequence[str]) -> Iterator[str]:
    """One line for each checker: how often it came to each outcome, and the first as a rate."""
    yield f"| checker | asked | {' | '.join(words)} | {words[0]}, % |"
    yield "|---" * (len(words) + 3) + "|"
    for name in NAMES:
        counted = Counter(one.outcome for one in outcomes if one.checker == name)
        if asked := counted.total():
            cells = " | ".join(str(counted[word]) for word in words)
            yield f"| {name} | {asked} | {cells} | {100 * counted[words[0]] / asked:.1f} |"


def grouped(outcomes: Sequence["Outcome"], title: str, key: Callable[[Mutant], str]) -> Iterator[str]:
    """One line for each group: caught of asked by each checker, in the order of the mutant table."""
    found: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for one in outcomes:
        found[key(BY_NAME[one.row])][one.checker][one.outcome] += 1
    yield f"| {title} | {' | '.join(NAMES)} |"
    yield "|---" * (len(NAMES) + 1) + "|"
    for group, by_checker in sorted(found.items(), key=lambda item: (-_asked(item[1]), item[0])):
        yield f"| {group} | {' | '.join(_cell(by_checker.get(name, Counter())) for name in NAMES)} |"


def _asked(by_checker: dict[str, Counter[str]]) -> int:
    return max(counted.total() for counted in by_checker.values())


def _cell(counted: Counter[str]) -> str:
    return f"{counted['caught']}/{counted.total()}" if counted else "—"


def listed(outcomes: Sequence["Outcome"], words: Sequence[str]) -> Iterator[str]:
    """One line for each row, checker and outcome among `words`: how often, the first seeds and the first reason."""
    found: dict[tuple[str, str, str, str], list[Outcome]] = defaultdict(list)
    for one in outcomes:
        if one.outcome in words:
            found[one.checker, one.outcome, one.row, one.dtype].append(one)
    if not found:
        yield "- nothing"
    for (checker, outcome, row, dtype), at in sorted(
        found.items(), key=lambda item: (NAMES.index(item[0][0]), item[0])
    ):
        seeds = ", ".join(str(one.seed) for one in at[:5]) + (", …" if len(at) > 5 else "")
        what = f"{row}{f' in {dtype}' if dtype else ''}"
        why = f" ({at[0].why})" if at[0].why else ""
        yield f"- {checker}, {outcome}: {what} × {len(at)}, seeds {seeds}{why}"

"""What `gradcheck-kit` prints: tables and live progress on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from gradcheck_kit.report import Report
from gradcheck_kit.side_by_side import parity_words
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.training import ParityReport, Progress
from gradcheck_kit.verdict import Verdict

COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow"}
PLAIN_WIDTH = 120  # where there is no terminal to ask
LOSS_LEFT = 0.15
LEAST_ACCURACY = 0.95


class Screen:
    """Standard output, and standard error for what passes by."""

    def __init__(self) -> None:
        self._out = Console(highlight=False)
        if not self._out.is_terminal:
            self._out = Console(highlight=False, width=PLAIN_WIDTH)
        self._passing = Console(stderr=True, highlight=False)

    def working(self, what: str) -> AbstractContextManager[Any]:
        """A spinner while something is being done."""
        return self._passing.status(what) if self._passing.is_terminal else _nothing()

    def layer_table(self, rows: Sequence[Any]) -> None:
        """One line a row, and under the table the reports of those that did not pass."""
        table = Table(title="reference layers", title_justify="left", pad_edge=False, box=None, header_style="bold")
        for heading in ("layer", "oracle", "dtype"):
            table.add_column(heading, no_wrap=True)
        table.add_column("verdict")
        for heading in ("resolution", "forward + vjp", "ms"):
            table.add_column(heading, justify="right", no_wrap=True)
        before = None
        for row in rows:
            table.add_row("" if row.name == before else row.name, row.asked, row.dtype, *_cells(row))
            before = row.name
        self._out.print(table)
        for row in rows:
            if row.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
                self._out.print()
                self._out.print(Text(f"{row.asked}, {row.dtype}:", style="bold"))
                self._out.print(Text(row.raised or str(row.report)))

    @contextmanager
    def downloading(self) -> Iterator[Callable[[str, int, int | None], None]]:
        """Bars for downloads, one for each file; a line each where there is no terminal."""
        if not self._passing.is_terminal:
            named: set[str] = set()

            def line(name: str, _received: int, _total: int | None) -> None:
                if name not in named:
                    named.add(name)
                    self._passing.print(f"downloading {name}")

            yield line
            return
        with Bars(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=self._passing) as bars:
            tasks: dict[str, Any] = {}

            def advance(name: str, received: int, total: int | None) -> None:
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=total)
                bars.update(tasks[name], completed=received, total=total)

            yield advance

    def training_title(self, title: str, plan: Schedule) -> None:
        self._out.print()
        examples = f"{plan.examples:,} examples, {plan.steps:,} steps, seed {plan.seed}"
        self._out.print(Text.assemble((title, "bold"), f": {examples}; same start and batches on both sides"))

    @contextmanager
    def training(self, what: str, plan: Schedule, sides: tuple[str, str]) -> Iterator[Callable[[Progress], None]]:
        """Live progress with both losses; without a terminal, a line an epoch. `sides`: reference, candidate."""
        reference, candidate = sides
        if not self._passing.is_terminal:

            def line(now: Progress) -> None:
                if now.step % plan.steps_per_epoch == 0:
                    losses = f"batch loss {candidate} {now.candidate_loss:.4f}, {reference} {now.reference_loss:.4f}"
                    self._passing.print(f"{what}: epoch {now.epoch + 1} of {plan.epochs}, {losses}")

            yield line
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bars(*columns, TextColumn("{task.fields[losses]}"), console=self._passing, transient=True) as bars:
            task = bars.add_task(what, total=plan.steps, losses="")

            def advance(now: Progress) -> None:
                losses = f"loss {candidate} {now.candidate_loss:.4f}  {reference} {now.reference_loss:.4f}"
                bars.update(task, completed=now.step, losses=losses)

            yield advance

    def training_result(self, report: ParityReport) -> None:
        """Each epoch on both sides, the largest differences, the facts, and in float64 the verdict."""
        self._epochs(report)
        for line in _differences(report):
            self._out.print(Text(f"  {line}"), soft_wrap=True)

    def parity_result(self, report: ParityReport, bar: float | None) -> None:
        """Each epoch on both sides, the report, and beside it whether the test accuracy is a right program's."""
        self._epochs(report)
        self._out.print()
        head, *lines = str(report).splitlines()
        self._out.print(Text(head, style=COLOURS[report.verdict]), soft_wrap=True)
        for line in lines:
            self._out.print(Text(line), soft_wrap=True)
        if bar is not None:
            self._out.print(Text(f"  {parity_words.told(parity_words.of_bar(report, bar))}"))

    def note(self, text: str) -> None:
        """A line beside the results."""
        self._passing.print(Text(text), soft_wrap=True)

    def _epochs(self, report: ParityReport) -> None:
        """A table of losses and accuracies; a side that has no accuracy has no column of it."""
        sides = (report.candidate, report.reference)
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column(f"{report.dtype}, epoch", justify="right")
        for side in sides:
            table.add_column(f"train loss {side.name}", justify="right")
        scored = [side for side in sides if side.test_accuracy]
        for side in scored:
            table.add_column(f"test accuracy {side.name}", justify="right")
        for epoch in range(len(report.candidate.train_loss)):
            losses = [f"{side.train_loss[epoch]:.6f}" for side in sides]
            accuracies = [f"{side.test_accuracy[epoch]:.2%}" for side in scored]
            table.add_row(str(epoch + 1), *losses, *accuracies)
        self._out.print()
        self._out.print(table)

    def wrote(self, path: Path) -> None:
        self._out.print(f"wrote {path}")

    def verdict(self, verdict: Verdict, not_run: Sequence[str]) -> None:
        """The last line, and before it what was not run."""
        self._out.print()
        reasons: dict[str, list[str]] = {}
        for item in not_run:
            what, _, why = item.rpartition(": ")
            reasons.setdefault(why, []).append(what)
        for why, items in reasons.items():
            shown = items[0] if len(items) == 1 else f"{len(items)} rows, such as {items[0]}"
            self._out.print(Text(f"not run ({why}): {shown}", style="dim"))
        self._out.print(Text(verdict.value, style=COLOURS[verdict]))


def _cells(row: Any) -> tuple[Any, ...]:
    report: Report | None = row.report
    if row.raised is not None:
        return Text("FAIL (raised)", style=COLOURS[Verdict.FAIL]), "", "", ""
    if report is None:
        return Text(f"not run: {row.not_run}", style="dim"), "", "", ""
    resolution = "" if report.resolution is None else f"{report.resolution:.0e}"
    cost = report.cost
    verdict = Text(report.verdict.value, style=COLOURS[report.verdict])
    return verdict, resolution, f"{cost.forward} + {cost.vjp}", f"{1000 * cost.seconds:.0f}"


def _differences(report: ParityReport) -> list[str]:
    tensors = "  ".join(f"{name} {value:.1e}" for name, value in report.max_difference.items())
    lines = [f"largest difference: loss {report.max_loss_difference:.1e}; of ‖W‖: {tensors}"]
    if report.divergence is None:
        lines.append(f"all parameters together: {report.worst_of_law:.1%} of what rounding explains, at the worst step")
    else:
        lines += map(parity_words.told, parity_words.parting(report))
    accuracy = report.accuracy_reached
    lines.append(
        f"loss fell to {report.loss_left:.1%} of its start ({_yes(report.loss_left < LOSS_LEFT)} < {LOSS_LEFT:.0%}); "
        f"test accuracy {accuracy:.2%} ({_yes(accuracy >= LEAST_ACCURACY)} ≥ {LEAST_ACCURACY:.0%})"
    )
    return [*lines, _conclusion(report)]


def _conclusion(report: ParityReport) -> str:
    if report.verdict is Verdict.PASS:
        return "verdict: same computation"
    if report.verdict is Verdict.FAIL:
        return "verdict: not the same computation"
    if report.divergence is None:
        return "verdict: undecided, the loss did not fall"
    return "no verdict: in this precision a ReLU at rounding distance from 0 may go either way on the two sides"


def _yes(fact: bool) -> str:
    return "yes," if fact else "not"


@contextmanager
def _nothing() -> Iterator[None]:
    yield

"""What a person reads of two training runs: the sentences, each by its label, for a terminal as for a page."""

import math
from typing import TYPE_CHECKING

from gradcheck_kit.verdict import Verdict

if TYPE_CHECKING:
    from gradcheck_kit.side_by_side.parity_report import ParityReport

Line = tuple[str, str]
"""A label, empty where the sentence goes on with the one before, and a sentence."""

CONCLUSIONS = {
    Verdict.PASS: "the same computation",
    Verdict.FAIL: "another computation",
    Verdict.INCONCLUSIVE: "undecided",
}
MISJUDGED_SHOWN = 3
LAST_EPOCHS = 3


def told(line: Line) -> str:
    """A line as it is printed."""
    return f"{line[0]:<6} {line[1]}"


def conclusion(report: "ParityReport") -> str:
    """Who was beside whom, in what, and what came of it; the verdict stands before it."""
    sides = f"{report.candidate.name} beside {report.reference.name}"
    return f"{sides}, {report.name} in {report.digits}: {CONCLUSIONS[report.verdict]}"


def parting(report: "ParityReport") -> list[Line]:
    """When, where and why the two parted; nothing if they never did."""
    first = report.divergence
    if first is None:
        return []
    epoch_length = -(-report.schedule["examples"] // report.schedule["batch_size"])
    epoch, batch = divmod(max(first.step, 1) - 1, epoch_length)
    when = "at the start" if first.step == 0 else f"at step {first.step} (epoch {epoch + 1}, batch {batch + 1})"
    apart = f"{first.what} {first.apart:.2e} apart, where rounding explains {first.allowed:.1e}"
    lines = [("when", f"first {when}: {apart}")]
    if first.stage is not None and first.tensor_apart is None:
        lines.append(("where", first.stage))
    elif first.stage is not None:
        apart = f"{first.tensor_apart:.2e} apart, where rounding explains {first.tensor_allowed:.1e}"
        lines.append(("where", f"{first.stage}, {first.tensor}: {apart}"))
    lines.append(("why", f"{first.cause or 'not known'}: {first.evidence}"))
    if report.verdict is Verdict.INCONCLUSIVE and not report.replayed:
        lines.append(("", "rounding may do this, by a ReLU within it of zero: run in float64, or with replay=True"))
    elif report.verdict is Verdict.INCONCLUSIVE:
        lines.append(("", "updates lost to rounding may do this: keep the parameters in float32"))
    return lines


def branches(report: "ParityReport") -> list[Line]:
    """How many decisions differed, and the first of those that rounding does not explain."""
    if not report.replayed:
        return []
    counted = f"{len(report.ledger)} of {report.decisions:,} decisions differed"
    lines = [("branch", f"{counted}, {len(report.misjudged)} beyond rounding")]
    for d in report.misjudged[:MISJUDGED_SHOWN]:
        where = f"step {d.step}, {d.stage}{list(d.index)}"
        lines.append(("", f"{where}: {d.margin:.1e} from the other side, where rounding explains {d.allowed:.1e}"))
    return lines


def law(report: "ParityReport") -> Line:
    """How much of the law was used."""
    return "law", f"at most {report.worst_of_law:.2g} of what rounding explains, over {len(report.losses)} steps"


def steps(report: "ParityReport") -> list[Line]:
    """Where every step was judged by itself: how much that rounding explains was used, and how much it explains."""
    lines = []
    for stage, (used, least, most) in report.by_step.items():
        width = _share(least) if _share(least) == _share(most) else f"{_share(least)} to {_share(most)}"
        lines.append(("step", f"{stage}: at most {used:.2g} of what rounding explains of a step, which is {width}"))
    return lines


def facts(report: "ParityReport") -> list[Line]:
    """What the law leaves room for, losses and accuracies: told beside the verdict, never instead of it."""
    moved = "ended at zero" if math.isinf(report.moved) else f"moved by {_share(report.moved)} of it"
    room = f"up to {_share(report.most_allowed)} of the weights' norm; they {moved}"
    lines = [("fact", f"what rounding allows: {room}")]
    for side in (report.reference, report.candidate):
        losses = ", ".join(f"{loss:.4g}" for loss in side.train_loss[-LAST_EPOCHS:])
        scored = f"; test accuracy {side.test_accuracy[-1]:.2%}" if side.test_accuracy else ""
        lines.append(("fact", f"{side.name}: training loss of the last epochs {losses}{scored}"))
    return lines


def advice(report: "ParityReport") -> list[Line]:
    """What kept it from knowing, and what to do."""
    lines: list[Line] = []
    if report.divergence is None and report.undecided is not None:
        lines.append(("why", report.undecided))
    if report.chaotic_from is not None:
        instead = "fewer steps, or another optimiser" if report.dtype == "float64" else "in float64"
        anywhere = f"from step {report.chaotic_from} on rounding alone drives the reference anywhere"
        lines.append(("", f"{anywhere}: compare {instead}"))
    if report.verdict is Verdict.INCONCLUSIVE and report.divergence is None and not report.loss_fell:
        lines.append(("", "the loss did not fall on both sides, so there was little to compare: train longer"))
    return lines


def of_bar(report: "ParityReport", bar: float) -> Line:
    """Whether the test accuracy is that of a right program."""
    reached = "reached" if report.accuracy_reached >= bar else "not reached"
    return "fact", f"test accuracy {report.accuracy_reached:.2%}, where right programs reach {bar:.1%}: {reached}"


def _share(value: float) -> str:
    return f"{value:.2g}" if value < 1e-3 else f"{value:.1%}" if value < 0.1 else f"{value:.0%}"


def whole(report: "ParityReport") -> str:
    """The verdict; when, where and why they parted; the ledger; the facts beside."""
    noted = [("note", note) for note in report.notes]
    lines = [*parting(report), *branches(report), law(report), *steps(report), *facts(report), *advice(report), *noted]
    indented = [f"  {told(line)}" for line in lines]
    head, start = f"{report.verdict.value}: {conclusion(report)}", report.schedule["fingerprint"][:16]
    return "\n".join([head, *indented, f"  start and batches: {start}"])

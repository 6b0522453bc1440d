"""Two training runs side by side as one HTML file that needs nothing beside it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck_kit.render.html_document import document, folded, section, table
from gradcheck_kit.render.html_subject import facts_list, number, verdict
from gradcheck_kit.render.parity_figures import figures, furthest
from gradcheck_kit.render.svg import text
from gradcheck_kit.side_by_side import parity_words
from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.parity_words import Line
from gradcheck_kit.side_by_side.replay import Decision

MOST_DECISIONS = 200  # of the ledger; all of them are in the JSON report
OF_THE_SCHEDULE = ("schedule", "batch")  # settings that are told with it


def page(
    report: ParityReport,
    settings: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    bar: float | None = None,
) -> str:
    """The whole file. All names are escaped.

    Args:
        report: of the two runs.
        settings: what decided the computation, by name; a mapping in it is told entry by entry.
        environment: versions by name.
        bar: the test accuracy that a right program reaches; None where that is not known.
    """
    came = report.verdict.value
    head = f"{verdict(came)}: {text(parity_words.conclusion(report))}"
    return document(f"{report.name}: {came}", head, _sections(report, settings or {}, environment or {}, bar))


def _sections(
    report: ParityReport, settings: Mapping[str, Any], environment: Mapping[str, str], bar: float | None
) -> Iterator[str]:
    yield section("verdict", "When, where, why" if report.divergence else "Verdict", _lines(_first_words(report)))
    yield section("figures", "Step by step", f'<div class="figures">{"".join(figures(report))}</div>')
    yield section("facts", "Facts", "".join(_facts(report, bar)))
    if report.replayed:
        yield section("ledger", "Branch decisions", "".join(_ledger(report)))
    if report.notes:
        yield section("notes", "Notes", f"<ul>{''.join(f'<li>{text(note)}</li>' for note in report.notes)}</ul>")
    yield section("settings", "Settings", facts_list({**_flat(settings), **_schedule(report)}))
    if environment:
        yield section("environment", "Environment", facts_list(environment))


def _first_words(report: ParityReport) -> list[Line]:
    """All that the verdict rests on."""
    misjudged = parity_words.branches(report) if report.misjudged else []
    judged = [parity_words.law(report), *parity_words.steps(report)]
    return [*parity_words.parting(report), *misjudged, *judged, *parity_words.advice(report)]


def _lines(lines: Sequence[Line]) -> str:
    """Sentences by their label; one without a label goes on with the one before."""
    parts = []
    for label, words in lines:
        name = f"<dt>{text(label)}</dt>" if label else "<dt></dt>"
        parts.append(f"<div>{name}<dd>{text(words)}</dd></div>")
    return f'<dl class="sentences">{"".join(parts)}</dl>'


# ---------------------------------------------------------------- facts


def _facts(report: ParityReport, bar: float | None) -> Iterator[str]:
    """Told beside the verdict, never instead of it."""
    barred = [] if bar is None else [parity_words.of_bar(report, bar)]
    yield _lines([*parity_words.facts(report), *barred])
    yield facts_list(
        {
            "losses differ by": f"at most {number(report.max_loss_difference)}",
            "D/‖W‖": f"at most {number(report.max_distance)}, D the distance of all parameters",
        }
    )
    epochs = list(_epochs(report))
    if epochs:
        yield folded("each epoch", len(epochs), table(_headings(report), epochs))
    tensors = [_tensor(report, name) for name in furthest(report.tensor_drift)]
    headings = ("tensor", "largest ‖ΔW‖ ÷ ‖W‖ of all", "after step")
    yield folded("each tensor, the furthest apart first", len(tensors), table(headings, tensors))


def _headings(report: ParityReport) -> list[str]:
    sides = (report.reference, report.candidate)
    scored = [f"test accuracy {side.name}" for side in sides if side.test_accuracy]
    return ["epoch", *(f"train loss {side.name}" for side in sides), *scored]


def _epochs(report: ParityReport) -> Iterator[list[str]]:
    """A side that has no accuracy has no column of it."""
    sides = (report.reference, report.candidate)
    scored = [side for side in sides if side.test_accuracy]
    for epoch in range(len(report.reference.train_loss)):
        losses = [f"{side.train_loss[epoch]:.6g}" for side in sides]
        yield [str(epoch + 1), *losses, *(f"{side.test_accuracy[epoch]:.2%}" for side in scored)]


def _tensor(report: ParityReport, name: str) -> tuple[str, str, str]:
    """The step is the first with the largest value; one that is not a number is the largest."""
    largest = report.max_difference[name]
    return name, number(largest), "" if largest == 0 else f"{int(np.argmax(report.tensor_drift[name])):,}"


# ---------------------------------------------------------------- branch decisions, settings


def _ledger(report: ParityReport) -> Iterator[str]:
    """Those beyond rounding first."""
    yield _lines(parity_words.branches(report)[:1])
    if not report.ledger:
        return
    shown = sorted(report.ledger, key=lambda decision: decision.within)[:MOST_DECISIONS]
    headings = ("step", "stage", "element", "from the other side", "rounding explains", "within")
    yield folded("decisions that differed", len(report.ledger), table(headings, map(_decision, shown)))
    if len(shown) < len(report.ledger):
        yield f"<p>The table has {len(shown)} of {len(report.ledger):,}; the JSON report has all.</p>"


def _decision(d: Decision) -> tuple[str, ...]:
    within = "yes" if d.within else "no"
    return f"{d.step:,}", d.stage, str(list(d.index)), f"{d.margin:.1e}", f"{d.allowed:.1e}", within


def _flat(settings: Mapping[str, Any]) -> dict[str, str]:
    """As text: a learning rate keeps its digits."""
    told: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            told |= {f"{name} of {key}": str(inner) for key, inner in value.items()}
        elif name not in OF_THE_SCHEDULE and value is not None:
            told[name] = str(value)
    return told


def _schedule(report: ParityReport) -> dict[str, str]:
    """The start and the batches: what they were made of, and their fingerprint."""
    return {name.replace("_", " "): str(value) for name, value in report.schedule.items()}

"""A record as one HTML file that needs nothing beside it: no network, no script, no other file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gradcheck_kit.record import Record
from gradcheck_kit.render.html_document import document, folded, section
from gradcheck_kit.render.html_figures import curves
from gradcheck_kit.render.html_subject import facts_list, number, subject, verdict
from gradcheck_kit.render.svg import text
from gradcheck_kit.verdict import Verdict

ORDER = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)


def page(record: Record, title: str = "Gradient checks") -> str:
    """The whole file. All that comes from the record is escaped."""
    came = record.verdict.value
    return document(f"{title}: {came}", f"{text(title)}: {verdict(came)}", _sections(record))


def _sections(record: Record) -> Iterator[str]:
    yield section("summary", "Summary", _summary(record))
    if record.not_run:
        yield section("not-run", "Not run", "".join(_not_run(record.not_run)))
    order = [v.value for v in ORDER]
    entries = sorted(record.subjects, key=lambda entry: order.index(entry["verdict"]))
    yield section("subjects", "Subjects", "\n".join(map(subject, entries)) or "<p>Nothing was checked.</p>")
    if record.parity is not None:
        yield section("training", "Training side by side", "".join(_trainings(record.parity)))


def _not_run(items: Sequence[str]) -> Iterator[str]:
    """By reason; behind a reason what was not run for it."""
    reasons: dict[str, list[str]] = {}
    for item in items:
        what, _, why = item.partition(": ")
        reasons.setdefault(why or what, []).append(what if why else "")
    for why, whats in reasons.items():
        listed = "".join(f"<li>{text(what)}</li>" for what in whats if what)
        yield folded(why, len(whats), f"<ul>{listed}</ul>")


def _summary(record: Record) -> str:
    counts = {v.value: record.count(v) for v in ORDER}
    known = [entry for entry in record.subjects if isinstance(entry.get("resolution"), float)]
    worst = max(known, key=lambda entry: float(entry["resolution"]), default=None)
    told = None if worst is None else f"{number(worst['resolution'])} of the gradient, {worst['name']}"
    versions = ", ".join(f"{name} {version}" for name, version in record.environment)
    facts = {"subjects": len(record.subjects), **counts, "worst resolution": told, "not run": len(record.not_run)}
    return facts_list({**facts, "versions": versions})


def _trainings(parity: Mapping[str, Any]) -> Iterator[str]:
    """The parity run that the verdict rests on, then those beside it."""
    for run in (parity, *parity.get("beside", ())):
        yield f"<h3>{verdict(run['verdict'])} {text(run['name'])}, {text(run.get('digits', run['dtype']))}</h3>"
        yield facts_list(
            {
                "losses differ by": run["max_loss_difference"],
                "of rounding's law": run["worst_of_law"],
                "parted": None if run["divergence"] is None else _parted(run["divergence"]),
            }
        )
        yield f'<div class="figures">{"".join(_curves(run))}</div>'


def _curves(run: Mapping[str, Any]) -> Iterator[str]:
    for quantity, label, log in (("train_loss", "training loss", True), ("test_accuracy", "test accuracy", False)):
        sides = [(run[side]["name"], run[side][quantity]) for side in ("reference", "candidate")]
        finite = all(isinstance(value, int | float) for _, values in sides for value in values)
        if finite and all(values for _, values in sides):
            yield f"<figure>{curves(f'{label} per epoch', sides, label, log)}</figure>"


def _parted(divergence: Mapping[str, Any]) -> str:
    return f"at step {divergence['step']} in {divergence['what']}"

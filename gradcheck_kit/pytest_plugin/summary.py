"""The section "gradcheck" at the end of a run."""

from collections.abc import Iterator
from typing import Any

from gradcheck_kit.record import Record
from gradcheck_kit.verdict import Verdict

SLOWEST = 3
NAMED = 8  # of what did not pass, and of the reasons why something was not run


def lines(record: Record) -> Iterator[str]:
    """What was checked, with which verdicts, how sharply; what was not run; what took longest."""
    yield from _verdicts(record)
    yield from _complaints(record)
    yield from _not_run(record)
    slow = sorted(record.subjects, key=_seconds, reverse=True)[:SLOWEST]
    if slow:
        yield "slowest: " + ", ".join(f"{_seconds(entry):.2g} s {entry['name']} ({entry['where']})" for entry in slow)


def _verdicts(record: Record) -> Iterator[str]:
    number, checks = len(record.subjects), sum(entry.get("checks", 1) for entry in record.subjects)
    counts = ", ".join(f"{record.count(verdict)} {verdict.value}" for verdict in Verdict if record.count(verdict))
    made = "" if checks == number else f" in {checks} checks"
    yield f"{number} subject{'' if number == 1 else 's'} checked{made}{f': {counts}' if counts else ''}"
    resolved = [entry for entry in record.subjects if entry["verdict"] == "PASS" and entry["resolution"] is not None]
    if resolved:
        worst = max(resolved, key=lambda entry: float(entry["resolution"]))
        yield f"worst resolution of a PASS: {float(worst['resolution']):.1g}, {worst['name']} ({worst['where']})"


def _complaints(record: Record) -> Iterator[str]:
    wrong = [entry for entry in record.subjects if entry["verdict"] != "PASS"]
    for entry in wrong[:NAMED]:
        allowed = "" if entry.get("test", "failed") == "failed" else f", test {entry['test']}"
        yield f"{entry['verdict']} {entry['name']}: {_inputs(entry)} ({entry['where']}{allowed})"
    if len(wrong) > NAMED:
        yield f"… and {len(wrong) - NAMED} more that did not pass"


def _inputs(entry: dict[str, Any]) -> str:
    """What was wrong, by input, with the likely cause."""
    told = {
        f"{finding['input'] or finding['question']}{f' [{cause}]' if (cause := finding['cause']) else ''}": None
        for finding in entry["findings"]
        if finding["verdict"] != "PASS"
    }
    return ", ".join(list(told)[:NAMED]) or "nothing was compared"


def _not_run(record: Record) -> Iterator[str]:
    """By reason, since one reason may stand for hundreds of tests."""
    reasons: dict[str, list[str]] = {}
    for item in record.not_run:
        what, _, why = item.rpartition(": ")
        reasons.setdefault(why, []).append(what)
    for why, items in reasons.items():
        shown = items[0] if len(items) == 1 else f"{len(items)} tests, such as {items[0]}"
        yield f"not run ({why}): {shown}"


def _seconds(entry: dict[str, Any]) -> float:
    return float(entry["cost"]["seconds"])

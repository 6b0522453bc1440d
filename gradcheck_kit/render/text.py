"""A record as a person reads it."""

from typing import Any

from gradcheck_kit.record import Entry, Record
from gradcheck_kit.report import Cost, Exploration, Finding, LeftOut, Report, Reproduction
from gradcheck_kit.sources import Source
from gradcheck_kit.verdict import Verdict

COLOURS = {Verdict.PASS: "\x1b[32m", Verdict.FAIL: "\x1b[1;31m", Verdict.INCONCLUSIVE: "\x1b[33m"}
PLAIN = "\x1b[0m"
WORDS = {Verdict.PASS: "passed", Verdict.FAIL: "failed", Verdict.INCONCLUSIVE: "undecided"}


def text(record: Record, colour: bool = False, passing: bool = True) -> str:
    """Each check's report, what was not run, and of several checks how many passed.

    Args:
        record: what was checked.
        colour: whether verdicts are coloured, by the ECMA-48 sequences of a terminal.
        passing: whether checks that passed are told.
    """
    told = [entry for entry in record.subjects if passing or entry["verdict"] != Verdict.PASS.value]
    blocks = [_told(entry, colour) for entry in told]
    blocks += ["\n".join(f"not run: {item}" for item in record.not_run)] if record.not_run else []
    if len(record.subjects) != 1 and (passing or record.verdict is not Verdict.PASS):
        blocks.append(counts(record))
    return "\n\n".join(blocks) + ("\n" if blocks else "")


def counts(record: Record) -> str:
    """How many checks came out how, in a line."""
    total = len(record.subjects)
    found = [f"{count} {word}" for verdict, word in WORDS.items() if (count := record.count(verdict))]
    return f"{total} check{'' if total == 1 else 's'}: {', '.join(found) or 'nothing was checked'}"


def body(entry: Entry) -> str:
    """The report of one check."""
    if entry.get("raised"):
        return f"{entry['verdict']}  {entry['name']}: {entry['raised']}"
    said = str(report_of(entry))
    causes = [f["cause"] for f in entry["findings"] if f["verdict"] == Verdict.FAIL.value and f["cause"]]
    unsaid = [cause for cause in dict.fromkeys(causes) if f"[{cause}]" not in said]
    return f"{said}\n  cause: {', '.join(unsaid)}" if unsaid else said


def report_of(entry: Entry) -> Report:
    """The report that an entry was made of."""
    explored, repeated = entry.get("exploration"), entry.get("reproduction")
    return Report(
        subject=entry["name"],
        findings=tuple(_finding(found) for found in entry["findings"]),
        seed=entry.get("seed", 0),
        cost=Cost(**entry["cost"]),
        dtype=entry["dtype"],
        device=entry["device"],
        library=entry.get("library", "numpy"),
        require=entry.get("require", 1.0),
        reference=entry.get("reference", "native"),
        left_out=tuple(LeftOut.read(said) for said in entry.get("not_asked", ())),
        environment=entry.get("environment", {}),
        exploration=None if explored is None else Exploration(**_with_tuples(explored)),
        reproduction=None if repeated is None else Reproduction(**_with_tuples(repeated)),
        source=None if entry.get("source") is None else Source(**entry["source"]),
        ran=tuple(Source(**source) for source in entry.get("ran", ())),
    )


def _told(entry: Entry, colour: bool) -> str:
    said = body(entry)
    if not colour:
        return said
    verdict = Verdict(entry["verdict"])
    return said.replace(verdict.value, f"{COLOURS[verdict]}{verdict.value}{PLAIN}", 1)


def _finding(held: dict[str, Any]) -> Finding:
    numbers = {
        name: float(held[name]) for name in ("analytic", "numeric", "error", "resolution") if held[name] is not None
    }
    index = None if held["index"] is None else tuple(held["index"])
    return Finding(**{**held, **numbers, "index": index, "verdict": Verdict(held["verdict"])})


def _with_tuples(held: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in held.items()}

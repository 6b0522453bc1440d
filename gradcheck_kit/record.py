"""All that a whole run has checked, as plain JSON: what pytest, the command line and CI write, merge and read."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradcheck_kit import whole_file
from gradcheck_kit.report import SCHEMA, as_json
from gradcheck_kit.subject import UsageError
from gradcheck_kit.verdict import Verdict, overall

Entry = dict[str, Any]
"""One check: `Report.to_dict()` with "name", "where" (a test's id, a command's argument) and "oracle"."""


@dataclass(frozen=True)
class Record:
    """The checks of a run.

    Attributes:
        subjects: one entry a check, in the order of `where` and then of the checks themselves.
        not_run: what was not run, or not to its end, and why: "what: why".
        environment: versions of Python and of the libraries.
        parity: of a run that trained side by side: `ParityReport.to_dict()`, further ones as a list under "beside".
        unfinished: those of `not_run` that were to be checked, and an exception, a crash or an interrupt came before.
    """

    subjects: tuple[Entry, ...]
    not_run: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    parity: Entry | None = None
    unfinished: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """PASS only if something was checked, all of it passed, the trainings in float64 too, and none was cut off."""
        trainings = [] if self.parity is None else [self.parity, *self.parity.get("beside", ())]
        binding = [run for run in trainings if run["dtype"] == "float64"]
        found = [Verdict(entry["verdict"]) for entry in (*self.subjects, *binding)]
        return overall([*found, *(Verdict.INCONCLUSIVE for _ in self.unfinished)])

    def count(self, verdict: Verdict) -> int:
        return sum(entry["verdict"] == verdict.value for entry in self.subjects)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.value,
            "environment": dict(self.environment),
            "subjects": list(self.subjects),
            "not_run": list(self.not_run),
            **({"unfinished": list(self.unfinished)} if self.unfinished else {}),
            **({} if self.parity is None else {"parity": self.parity}),
        }

    def to_json(self, path: str | Path) -> None:
        """Write `to_dict()` to a file, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        whole_file.write(path, as_json(self.to_dict()))


def entry(report: dict[str, Any], where: str) -> Entry:
    """The entry of one check from `Report.to_dict()`."""
    rest = {key: value for key, value in report.items() if key != "schema"}
    return {"name": report["subject"], "where": where, "oracle": "differences", **rest}


def read(path: str | Path) -> Record:
    """A record from its JSON file; a single report's file is a record of one.

    Raises:
        UsageError: no such file, no JSON, or JSON of another schema.
    """
    try:
        held = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as problem:
        raise UsageError(f"cannot read {path}: {problem.strerror}") from None
    except ValueError as problem:
        raise UsageError(f"{path} is no JSON ({problem}); pass a report written by gradcheck_kit") from None
    if not isinstance(held, dict) or held.get("schema") != SCHEMA or not ({"subjects", "findings"} & held.keys()):
        raise UsageError(f"{path} is no gradcheck_kit report of schema {SCHEMA}; write it anew with this version")
    entries = held["subjects"] if "subjects" in held else [entry(held, held["subject"])]
    entries = [{"where": found["name"], **found} for found in entries]  # the rows of `verify` stand nowhere else
    environment = tuple(sorted(held.get("environment", {}).items()))
    not_run, unfinished = (tuple(held.get(key, ())) for key in ("not_run", "unfinished"))
    return Record(tuple(entries), not_run, environment, held.get("parity"), unfinished)


def merged(records: Sequence[Record]) -> Record:
    """One record of several: of shards, or of workers."""
    subjects = sorted(
        (entry for record in records for entry in record.subjects), key=lambda entry: str(entry.get("where", ""))
    )
    not_run = tuple(dict.fromkeys(_all(record.not_run for record in records)))
    unfinished = tuple(dict.fromkeys(_all(record.unfinished for record in records)))
    environment = dict(pair for record in records for pair in record.environment)
    parity = next((record.parity for record in records if record.parity is not None), None)
    return Record(tuple(subjects), not_run, tuple(sorted(environment.items())), parity, unfinished)


def _all(lists: Iterable[Iterable[str]]) -> Iterable[str]:
    return (item for items in lists for item in items)

"""Which backwards a run has checked: those that the record says ran, or were the one under test."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

from gradcheck_kit.inventory.backward import Backward
from gradcheck_kit.inventory.waivers import Waiver
from gradcheck_kit.record import Entry, Record
from gradcheck_kit.verdict import Verdict


class State(Enum):
    """What the gate says of a backward; the value is what a person reads."""

    COVERED = "covered"
    NOT_PASSED = "not passed"
    NOT_COVERED = "not covered"
    WAIVED = "waived"
    ABSTRACT = "abstract"

    @property
    def holds_up(self) -> bool:
        """Whether the gate stays shut."""
        return self in (State.NOT_PASSED, State.NOT_COVERED)


@dataclass(frozen=True)
class Check:
    """A check that ran a backward.

    Attributes:
        name: of its subject.
        where: the test or command that made it; empty where the record does not say.
        verdict: what it said.
        line: where the backward stood then; it has been edited since if that is another line now.
    """

    name: str
    where: str
    verdict: Verdict
    line: int


@dataclass(frozen=True)
class Assessed:
    """A backward, and what covers it."""

    backward: Backward
    state: State
    checks: tuple[Check, ...] = ()
    waiver: Waiver | None = None


class Coverage:
    """What the checks of a record ran, by the name of the function."""

    def __init__(self, record: Record) -> None:
        self._ran: dict[str, list[tuple[dict[str, Any], Entry]]] = defaultdict(list)
        for entry in record.subjects:
            sources = [*(entry.get("ran") or ()), *([entry["source"]] if entry.get("source") else ())]
            for source in {(s["file"], s["line"], s["name"]): s for s in sources}.values():
                self._ran[source["name"]].append((source, entry))

    def checks_of(self, backward: Backward, alone: bool) -> tuple[Check, ...]:
        """The checks that ran it, those that passed first.

        Args:
            backward: the one.
            alone: whether no other backward of its file has its name; it is then known on another line, too.
        """
        exact = [
            Check(entry["name"], entry.get("where", ""), Verdict(entry["verdict"]), source["line"])
            for source, entry in self._ran[backward.name]
            if same_file(source["file"], backward.file) and (alone or source["line"] == backward.line)
        ]
        return tuple(sorted(exact, key=lambda check: check.verdict is not Verdict.PASS))


def assess(
    backwards: Sequence[Backward], record: Record | None, waivers: Sequence[Waiver], today: date
) -> list[Assessed]:
    """Each backward with its state. Covered is what a check ran that passed; an expired waiver waives nothing."""
    coverage = Coverage(record or Record(()))
    valid = [waiver for waiver in waivers if not waiver.expired(today)]
    assessed = []
    for backward in backwards:
        alone = sum(other.key == backward.key for other in backwards) == 1 and not backward.name.endswith("<lambda>")
        checks = coverage.checks_of(backward, alone)
        waiver = next((waiver for waiver in valid if waiver.matches(backward)), None)
        assessed.append(Assessed(backward, _state(backward, checks, waiver), checks, waiver))
    return assessed


def _state(backward: Backward, checks: Sequence[Check], waiver: Waiver | None) -> State:
    if any(check.verdict is Verdict.PASS for check in checks):
        return State.COVERED
    if waiver is not None:
        return State.WAIVED
    if backward.abstract:
        return State.ABSTRACT
    return State.NOT_PASSED if checks else State.NOT_COVERED


def same_file(recorded: str, listed: str) -> bool:
    """Whether a path of a record is the file listed; that of another folder or machine may be longer or shorter."""
    one, other = Path(recorded).absolute(), Path(listed).absolute()
    if one == other:
        return True
    if one.exists():
        return False
    short, long = sorted((Path(recorded).parts, Path(listed).parts), key=len)
    return long[-len(short) :] == short

"""Backwards that a project leaves unchecked for a while: which, why, and until when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from gradcheck_kit.inventory.backward import Backward
from gradcheck_kit.inventory.modules import shown
from gradcheck_kit.subject import UsageError

KEYS = ("backward", "reason", "until")
EXAMPLE = '{backward = "pkg/layers.py::Conv.backward", reason = "…", until = 2027-01-31}'


@dataclass(frozen=True)
class Waiver:
    """One entry of `waive` in `[tool.gradcheck_kit.inventory]`.

    Attributes:
        backward: "path.py::Class.backward", as the inventory lists it.
        reason: why it is not checked.
        until: the last day on which that is accepted.
    """

    backward: str
    reason: str
    until: date

    @property
    def file(self) -> str:
        return self.backward.partition("::")[0]

    def expired(self, today: date) -> bool:
        return today > self.until

    def matches(self, backward: Backward) -> bool:
        return backward.key == self.backward


def waivers_of(table: Mapping[str, Any], where: Path) -> tuple[Waiver, ...]:
    """The waivers of the table.

    Args:
        table: `[tool.gradcheck_kit.inventory]`.
        where: the configuration's file; paths in it are as seen from its folder.

    Raises:
        UsageError: an entry lacks a backward, a reason or a date, or has something else.
    """
    held = table.get("waive", [])
    if not isinstance(held, list):
        raise UsageError(f"{shown(where)}: waive is a {type(held).__name__}; write a list: waive = [{EXAMPLE}]")
    return tuple(_waiver(entry, where, f"{shown(where)}: waive[{position}]") for position, entry in enumerate(held))


def _waiver(entry: Any, where: Path, said: str) -> Waiver:
    if not isinstance(entry, dict):
        raise UsageError(f"{said} is a {type(entry).__name__}; write {EXAMPLE}")
    for key in entry:
        if key not in KEYS:
            raise UsageError(f"{said} has a key {key!r}; the keys are {', '.join(KEYS)}")
    backward, reason, until = (entry.get(key) for key in KEYS)
    if not isinstance(backward, str) or not _names_one(backward):
        raise UsageError(f'{said}: backward = {backward!r}; write "path.py::Class.backward", as the inventory lists it')
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError(f'{said}: {backward} has no reason; say why it is not checked: reason = "…"')
    if not isinstance(until, date) or isinstance(until, datetime):
        raise UsageError(f"{said}: {backward} has no day on which it expires; write until = 2027-01-31, unquoted")
    file, _, name = backward.partition("::")
    return Waiver(f"{shown(where.parent / file)}::{name}", reason.strip(), until)


def _names_one(backward: str) -> bool:
    file, separator, name = backward.partition("::")
    return bool(file and separator and name)


def troubles(waivers: Sequence[Waiver], backwards: Sequence[Backward], files: Sequence[str], today: date) -> list[str]:
    """What is wrong with waivers: expired, or of no backward of the files that were read.

    Args:
        waivers: of the configuration.
        backwards: that were found.
        files: those that were read, and the folders that were searched: a waiver of another file is not judged.
        today: the day.
    """
    said = []
    for waiver in waivers:
        if not any(_within(waiver.file, place) for place in files):
            continue
        if not any(waiver.matches(backward) for backward in backwards):
            said.append(f"the waiver of {waiver.backward} matches no backward; remove it, or name one that is listed")
        elif waiver.expired(today):
            said.append(
                f"the waiver of {waiver.backward} expired on {waiver.until} ({waiver.reason}); "
                "check the backward, or set a later day"
            )
    return said


def _within(file: str, place: str) -> bool:
    return place in (".", file) or file.startswith(f"{place.rstrip('/')}/")

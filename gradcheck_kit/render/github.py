"""A record as workflow commands of GitHub Actions: an annotation on the line of each backward that is wrong.

Escaped by the rules of GitHub's own toolkit (actions/toolkit, packages/core/src/command.ts).
"""

from typing import Any

from gradcheck_kit.record import Entry, Record
from gradcheck_kit.render.text import body, counts
from gradcheck_kit.verdict import Verdict

LEVELS = {Verdict.FAIL: "error", Verdict.INCONCLUSIVE: "warning"}


def github(record: Record) -> str:
    """One command for each check that did not pass, one for all that was not run, and a line that counts."""
    lines = [_annotation(entry) for entry in record.subjects if entry["verdict"] != Verdict.PASS.value]
    if record.not_run:  # all in one: of each level GitHub shows the first ten
        lines.append(command("notice", {"title": "not run"}, "\n".join(record.not_run)))
    return "\n".join([*lines, _inert(counts(record))]) + "\n"


def command(level: str, properties: dict[str, Any], message: str) -> str:
    """`::level name=value,…::message`; properties that are None are left out."""
    said = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value is not None)
    return f"::{level}{' ' if said else ''}{said}::{_data(message)}"


def _annotation(entry: Entry) -> str:
    source = entry.get("source") or {}
    headline, _, rest = body(entry).partition("\n")
    place = {"file": source.get("file"), "line": source.get("line")}
    return command(LEVELS[Verdict(entry["verdict"])], {**place, "title": headline}, rest.strip("\n") or headline)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _inert(text: str) -> str:
    """A line that cannot be taken for a command."""
    return text.replace("::", ": :")

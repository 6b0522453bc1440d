"""`gradcheck-kit inventory`: every backward of a code base beside the checks of a report, as a gate."""

import argparse
from collections.abc import Callable, Iterator
from datetime import date

from gradcheck_kit.cli import configuration
from gradcheck_kit.cli.exit_codes import EXIT_CODES
from gradcheck_kit.inventory.coverage import Assessed, State
from gradcheck_kit.inventory.gate import Inventory, take
from gradcheck_kit.inventory.waivers import waivers_of
from gradcheck_kit.record import Record, merged, read
from gradcheck_kit.render.github import command
from gradcheck_kit.report import as_json

TO_DO = "check it in a test, or waive it in [tool.gradcheck_kit.inventory] with a reason and a day"


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns its exit code."""
    held = configuration.read()
    waivers = () if held.path is None else waivers_of(held.table("inventory", ("waive",)), held.path)
    inventory = take(options.paths, _record(options), waivers, date.today())
    for line in FORMATS[options.format](inventory):
        print(line)
    return EXIT_CODES[inventory.verdict]


def _record(options: argparse.Namespace) -> Record | None:
    return merged([read(path) for path in options.report]) if options.report else None


def _text(inventory: Inventory) -> Iterator[str]:
    places = [f"{one.backward.file}:{one.backward.line}" for one in inventory.assessed]
    widest = max(map(len, places), default=0)
    names = max((len(one.backward.name) for one in inventory.assessed), default=0)
    for place, one in zip(places, inventory.assessed, strict=True):
        said = _said(one) if inventory.compared else one.backward.kind.value
        yield f"{place:{widest}}  {one.backward.name:{names}}  {said}".rstrip()
    yield ""
    yield from inventory.troubles
    yield _summary(inventory)


def _summary(inventory: Inventory) -> str:
    total = f"{len(inventory.assessed)} backward{'s' if len(inventory.assessed) != 1 else ''}"
    if not inventory.compared:
        return f"{total}; pass --report FILE.json to learn which of them a check covers"
    counts = ", ".join(f"{count} {state.value}" for state in State if (count := inventory.counts[state]))
    todo = f"; {TO_DO}" if any(one.state.holds_up for one in inventory.assessed) else ""
    return f"{inventory.verdict.value}  {total}{f': {counts}' if counts else ''}{todo}"


def _said(one: Assessed) -> str:
    """The state, and why."""
    if one.state is State.WAIVED and one.waiver is not None:
        return f"waived until {one.waiver.until}: {one.waiver.reason}"
    if not one.checks:
        return one.state.value
    first, *others = one.checks
    more = f" and {len(others)} more" if others else ""
    where = f" ({first.where})" if first.where else ""
    then = f"; it stood on line {first.line} then" if first.line != one.backward.line else ""
    needless = "; its waiver is no longer needed" if one.waiver is not None else ""
    return f"{one.state.value}: {first.verdict.value} {first.name}{where}{more}{then}{needless}"


def _json(inventory: Inventory) -> Iterator[str]:
    yield as_json(inventory.to_dict()).rstrip()


def _github(inventory: Inventory) -> Iterator[str]:
    """Workflow commands, which GitHub shows as annotations on the line of the `def`."""
    for one in inventory.assessed:
        if inventory.compared and one.state.holds_up:
            place = {"file": one.backward.file, "line": one.backward.line}
            title = f"{one.backward.name} is {one.state.value}"
            yield command("error", {**place, "title": title}, f"{_said(one)}; {TO_DO}")
    for trouble in inventory.troubles:
        yield command("error", {"title": "gradcheck-kit inventory"}, trouble)
    yield _summary(inventory)


FORMATS: dict[str, Callable[[Inventory], Iterator[str]]] = {"text": _text, "json": _json, "github": _github}

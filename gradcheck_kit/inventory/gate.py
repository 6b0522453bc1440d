"""The gate: every backward of some paths beside a record, and what keeps it from passing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from gradcheck_kit.inventory.coverage import Assessed, State, assess
from gradcheck_kit.inventory.listing import backwards
from gradcheck_kit.inventory.modules import shown
from gradcheck_kit.inventory.waivers import Waiver, troubles
from gradcheck_kit.record import Record
from gradcheck_kit.report import SCHEMA
from gradcheck_kit.verdict import Verdict


@dataclass(frozen=True)
class Inventory:
    """The backwards of a code base, each with its state.

    Attributes:
        assessed: by file and line.
        troubles: what is wrong with waivers.
        compared: whether there was a record to compare with.
    """

    assessed: tuple[Assessed, ...]
    troubles: tuple[str, ...] = ()
    compared: bool = True

    @property
    def verdict(self) -> Verdict:
        """FAIL if a backward is not covered or a waiver does not hold; INCONCLUSIVE if nothing was compared."""
        if self.troubles or (self.compared and any(one.state.holds_up for one in self.assessed)):
            return Verdict.FAIL
        return Verdict.PASS if self.compared and self.assessed else Verdict.INCONCLUSIVE

    @property
    def counts(self) -> Counter[State]:
        return Counter(one.state for one in self.assessed)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.value,
            "compared": self.compared,
            "counts": {state.value: self.counts[state] for state in State},
            "backwards": [_plain(one) for one in self.assessed],
            "troubles": list(self.troubles),
        }


def take(paths: Sequence[Path], record: Record | None, waivers: Sequence[Waiver], today: date) -> Inventory:
    """The inventory of the files in or below `paths`.

    Raises:
        UsageError: a path does not exist, or a file does not parse; the message names file and line.
    """
    found = backwards(paths)
    assessed = assess(found, record, waivers, today)
    said = troubles(waivers, found, [shown(path) for path in paths], today)
    return Inventory(tuple(assessed), tuple(said), record is not None)


def _plain(one: Assessed) -> dict[str, Any]:
    written, waiver = one.backward, one.waiver
    return {
        "file": written.file,
        "line": written.line,
        "name": written.name,
        "kind": written.kind.value,
        "of": written.of,
        "state": one.state.value,
        "checks": [{"name": c.name, "where": c.where, "verdict": c.verdict.value, "line": c.line} for c in one.checks],
        "waiver": None if waiver is None else {"reason": waiver.reason, "until": waiver.until.isoformat()},
    }

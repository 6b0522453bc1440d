"""What tests have checked: noted where they run, carried by pytest's own reports, kept where they arrive.

Reports carry it as plain JSON, so that a worker of pytest-xdist that crashes takes only its running test along.
"""

import math
from collections.abc import Iterator, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_kit.pytest_plugin.marker import NAME
from gradcheck_kit.pytest_plugin.running import WHY_NOT

if TYPE_CHECKING:
    from gradcheck_kit.record import Entry, Record
    from gradcheck_kit.report import Report

Key = tuple[str, str, str]
PHASE = pytest.StashKey[dict[Key, dict[str, Any]]]()
EARLIER = pytest.StashKey[list[dict[str, Any]]]()
CARRIED = "gradcheck"  # an attribute of pytest's reports
WORST_FIRST = ("FAIL", "INCONCLUSIVE", "PASS")


def note(item: pytest.Item, report: "Report") -> None:
    """Note a check of the running phase. Of many of one subject (in a loop, or under `@given`) the worst is kept."""
    from gradcheck_kit.record import entry

    new: dict[str, Any] = {**as_json(entry(report.to_dict(), item.nodeid)), "checks": 1}
    # Not what happens to be loaded: which tests share a process depends on the number of workers.
    concerned = ("python", "numpy", report.library)
    new["environment"] = {name: new["environment"][name] for name in concerned if name in new["environment"]}
    held = item.stash.setdefault(PHASE, {})
    key = (new["name"], new["dtype"], new["device"])
    old = held.get(key)
    if old is None:
        held[key] = new
        return
    kept = old if _badness(old) > _badness(new) else new  # of equals the last: what Hypothesis ends with is smallest
    held[key] = {**kept, "checks": old["checks"] + 1, "cost": {k: old["cost"][k] + new["cost"][k] for k in new["cost"]}}


def _badness(entry: dict[str, Any]) -> tuple[int, float]:
    resolution = entry["resolution"]
    return -WORST_FIRST.index(entry["verdict"]), math.inf if resolution is None else float(resolution)


def begin_phase(item: pytest.Item) -> None:
    """Setup, call and teardown each have their own report, and carry what was checked in them."""
    item.stash.setdefault(EARLIER, []).extend(item.stash.get(PHASE, {}).values())
    item.stash[PHASE] = {}


def carry(item: pytest.Item, report: pytest.TestReport, call: "pytest.CallInfo[None]") -> None:
    """Hang what this phase has checked on its report, what ended it, and the seed on a failure."""
    checks = list(item.stash.get(PHASE, {}).values())
    if not checks and not uses_gradcheck(item):
        return
    ended = "" if call.excinfo is None else _why(call.excinfo.value)
    setattr(report, CARRIED, {"checks": checks, "why_not": item.stash.get(WHY_NOT, None), "ended": ended})
    seeds = sorted({check["seed"] for check in checks})
    if report.failed and seeds:
        listed = ", ".join(map(str, seeds))
        report.sections.append(("gradcheck", f"seed {listed}; repeat with --gradcheck-seed={seeds[0]}"))


def uses_gradcheck(item: pytest.Item) -> bool:
    """Whether a test that was skipped belongs to what was not run."""
    return "gradcheck" in getattr(item, "fixturenames", ()) or item.get_closest_marker(NAME) is not None


def properties(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """For JUnit: each check of a test in one line of text."""
    for check in [*item.stash.get(EARLIER, []), *item.stash.get(PHASE, {}).values()]:
        sharp = "none" if check["resolution"] is None else f"{float(check['resolution']):.1g}"
        where = f"{check['dtype']} on {check['device']}, seed {check['seed']}"
        yield f"gradcheck.{check['name']}", f"{check['verdict']}; resolution {sharp}; {where}"


def as_json(value: Any) -> Any:
    """A value as plain JSON: one NumPy number would end a whole session of pytest-xdist."""
    if value is None or isinstance(value, str | bool):
        return value if value is None or isinstance(value, bool) else str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    if isinstance(value, dict):
        return {str(key): as_json(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(held) for held in value]
    return value.item() if getattr(value, "shape", None) == () else str(value)


class Journal:
    """What has arrived, by test and phase: a test that is run again replaces what it said before."""

    def __init__(self) -> None:
        self._phases: dict[tuple[str, str], list[Entry]] = {}
        self._not_run: dict[str, str] = {}
        self._unfinished: dict[str, str] = {}
        self._begun = dict[str, bool]()  # and ended
        self._outcomes: dict[str, str] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """pytest's hook, for the tests of workers too."""
        self._begun[nodeid] = False
        self._unfinished.pop(nodeid, None)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """pytest's hook: reached by a test that failed too, not by one that was interrupted."""
        self._begun[nodeid] = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """pytest's hook: what one of its reports carries. Under pytest-xdist the controller sees every worker's."""
        if report.when not in ("setup", "call", "teardown"):
            self._unfinished[report.nodeid] = "the worker that ran it crashed, and with it went this test's checks"
            return
        carried = getattr(report, CARRIED, None)
        if carried is None or hasattr(report, "context"):  # a subtest's report repeats what its test will carry
            return
        self._phases[report.nodeid, report.when] = carried["checks"]
        if report.skipped and not hasattr(report, "wasxfail"):
            self._not_run[report.nodeid] = carried["why_not"] or _reason(report)
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[report.nodeid] = "xfailed" if hasattr(report, "wasxfail") else report.outcome
        if report.failed and report.when != "teardown" and not self._decided(report.nodeid):
            ended = carried["ended"] or " ".join(str(report.longrepr).split())  # such as [XPASS(strict)]
            self._unfinished[report.nodeid] = f"not finished, {ended}"

    def _decided(self, nodeid: str) -> bool:
        """Whether a check says why the test failed, so that the record is no PASS without it."""
        checks = [check for phase in ("setup", "call") for check in self._phases.get((nodeid, phase), [])]
        return any(check["verdict"] != "PASS" for check in checks)

    def cut_off(self, selected: Sequence[pytest.Item] | None) -> None:
        """The run ended before its last test: what that leaves undone.

        Args:
            selected: the tests to run; None where the workers of pytest-xdist alone know.
        """
        if selected is None:
            names = [*(nodeid for nodeid, ended in self._begun.items() if not ended), "the rest of the run"]
        else:
            names = [item.nodeid for item in selected if uses_gradcheck(item) and not self._begun.get(item.nodeid)]
        for name in names:
            running = self._begun.get(name) is False
            self._unfinished.setdefault(name, "not finished, interrupted" if running else "the run was stopped before")

    @property
    def empty(self) -> bool:
        return not self._not_run and not self._unfinished and not any(self._phases.values())

    def record(self) -> "Record":
        """All of it, in the order of the tests' ids, so that the number of workers makes no difference."""
        from gradcheck_kit.record import Record

        found = [
            {**check, "test": self._outcomes.get(nodeid, "unfinished")}
            for (nodeid, _), checks in sorted(self._phases.items(), key=lambda pair: _place(pair[0]))
            for check in checks
        ]
        versions = dict(pair for check in found for pair in check["environment"].items())
        untold = {**self._not_run, **self._unfinished}
        not_run = tuple(f"{nodeid}: {why}" for nodeid, why in sorted(untold.items()))
        return Record(
            tuple(found), not_run, tuple(sorted(versions.items())), unfinished=tuple(sorted(self._unfinished))
        )


def _place(key: tuple[str, str]) -> tuple[str, int]:
    return key[0], ("setup", "call", "teardown").index(key[1])


def _why(error: BaseException) -> str:
    from gradcheck_kit.subject import in_words

    return _without_colons(in_words(error, None))


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return _without_colons(text.removeprefix("Skipped: "))


def _without_colons(text: str) -> str:
    """In a record ": " parts what was not run from why."""
    return text.replace(": ", ", ")

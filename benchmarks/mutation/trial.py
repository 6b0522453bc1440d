"""Which test, if any, fails on a mutant? pytest collects once; each mutant is tried in a fork of that process."""

import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, TextIO, TypeAlias

import pytest
from _pytest.runner import runtestprotocol

from benchmarks.mutation.mutants import Key, Mutant, files, watch

TESTS = ("tests/reference",)
OPTIONS = ("-q", "-m", "not mnist", "-p", "no:cacheprovider", "-o", "timeout=0", "--tb=native", "--no-header")
FIRST_FAILURE = "first-failure"  # the tests' own examples, but a failing one is not made smaller
PATIENCE = 10.0  # a test may take so many times the processor time that it takes on the right code,
GRACE = 5.0  # and so many seconds more
MEMORY = 4 << 30  # bytes more than the parent has
PASSED, FAILED, CRASHED = 0, 1, 2  # how a fork ends
Called: TypeAlias = frozenset[tuple[str, str]]  # (file, function)
Tell: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class Known:
    """What a test does on the right code: how long it takes, and which functions of the library it calls."""

    seconds: float  # of processor time
    called: Called


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        key: which mutant.
        killer: the test that failed; None if all passed.
        how: "failed", "timed out", "crashed", "survived", or "not called" if no test calls the function.
        tests: how many tests were tried.
    """

    key: Key
    killer: str | None
    how: str
    tests: int

    @property
    def survived(self) -> bool:
        return self.killer is None


class Fork(NamedTuple):
    """A process that was started: its id, the file that its lines go to, the folder that it works in."""

    pid: int
    said: TextIO
    folder: tempfile.TemporaryDirectory[str]


class Trials:
    """A pytest plugin that takes the place of the test loop: first the right code, then every mutant.

    Attributes:
        mutants: what to try.
        workers: how many forks at once.
        hints: the test that killed a mutant before, which is tried first.
        report: is called with every outcome as it comes.
    """

    def __init__(
        self,
        mutants: Sequence[Mutant],
        report: Callable[[Outcome], None],
        *,
        workers: int = 1,
        hints: Mapping[Key, str] | None = None,
    ) -> None:
        self.mutants, self.report, self.workers, self.hints = mutants, report, workers, dict(hints or {})
        self.items: dict[str, pytest.Item] = {}
        self.known: dict[str, Known] = {}
        self._kills: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._failure: str | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        """Before Hypothesis's plugin loads the profile that the command line names."""
        from hypothesis import Phase, settings  # not before pytest can rewrite the assertions of its plugin

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile(
            FIRST_FAILURE, settings.get_profile("default"), phases=phases, report_multiple_bugs=False, database=None
        )

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """What is not for this machine takes no time."""
        items[:] = [item for item in items if "cuda" not in item.nodeid]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try every mutant; the tests themselves never run in this process."""
        if session.testsfailed:
            raise session.Interrupted("the tests could not be collected")
        self.items = {item.nodeid: item for item in session.items}
        self.known = self._on_the_right_code()
        running: dict[int, tuple[Mutant, Fork]] = {}
        for mutant in self.mutants:
            if len(running) == self.workers:
                self._gather(running)
            order = self._order(mutant)
            if order:
                fork = _fork(partial(self._try, mutant, order))
                running[fork.pid] = mutant, fork
            else:
                self.report(Outcome(mutant.key, None, "not called", 0))
        while running:
            self._gather(running)
        return True

    def _on_the_right_code(self) -> dict[str, Known]:
        """Run every test once, in forks, and watch which functions it calls.

        Raises:
            pytest.UsageError: a test fails without any mutant.
        """
        print(f"{len(self.items)} tests on the right code", file=sys.stderr)
        names = list(self.items)
        running = [_fork(partial(self._watched, names[i :: self.workers])) for i in range(self.workers)]
        known = {}
        for fork in running:
            os.waitpid(fork.pid, 0)
            *tests, modules = _lines(fork)
            _import(json.loads(modules))
            for line in tests:
                name, passed, seconds, called = json.loads(line)
                if not passed:
                    raise pytest.UsageError(f"{name} fails on the right code: mend it first")
                known[name] = Known(seconds, frozenset(map(tuple, called)))
        if known.keys() != self.items.keys():
            raise pytest.UsageError("a test ends the process on the right code")
        return known

    def _watched(self, names: Sequence[str], tell: Tell) -> bool:
        """In a fork: for each test a line of JSON, which says whether it passed, how long it took, what it called.

        The last line names the modules that were imported meanwhile.
        """
        called: set[tuple[str, str]] = set()
        before = set(sys.modules)
        for file in files():
            watch(file, called)
        for name in names:
            called.clear()
            start = time.process_time()
            passed = _passes(self.items[name])
            tell(json.dumps([name, passed, time.process_time() - start, sorted(called)]))
        tell(json.dumps([name for name in sys.modules if name not in before]))
        return True

    def _order(self, mutant: Mutant) -> list[str]:
        """The tests that call the function: those that killed its other mutants, then from the fastest on."""
        function = mutant.file, mutant.function
        kills, hint = self._kills[function], self.hints.get(mutant.key)
        calling = [name for name, known in self.known.items() if function in known.called]
        return sorted(calling, key=lambda name: (name != hint, -kills[name], self.known[name].seconds))

    def _try(self, mutant: Mutant, order: Sequence[str], tell: Tell) -> bool:
        """In a fork: name each test before it runs, and stop at the first that fails; "." if none does."""
        mutant.plant()
        parent = os.getppid()
        for name in order:
            if os.getppid() != parent:  # it was stopped: nobody will read this
                return True
            tell(name)
            signal.setitimer(signal.ITIMER_PROF, PATIENCE * self.known[name].seconds + GRACE)
            if not _passes(self.items[name]):
                return False
        tell(".")
        return True

    def _gather(self, running: dict[int, tuple[Mutant, Fork]]) -> None:
        """Wait for one fork and report what became of its mutant."""
        pid, status = os.wait()
        mutant, fork = running.pop(pid)
        tried = _lines(fork)
        if not tried:
            raise RuntimeError(f"the fork for {mutant.key} ended before its first test, with status {status}")
        if tried[-1] == ".":
            self.report(Outcome(mutant.key, None, "survived", len(tried) - 1))
            return
        hung = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
        failed = os.WIFEXITED(status) and os.WEXITSTATUS(status) == FAILED
        self._kills[mutant.file, mutant.function][tried[-1]] += 1
        self.report(
            Outcome(mutant.key, tried[-1], "timed out" if hung else "failed" if failed else "crashed", len(tried))
        )


def try_mutants(
    mutants: Sequence[Mutant],
    report: Callable[[Outcome], None],
    *,
    tests: Sequence[str] = TESTS,
    workers: int = 1,
    hints: Mapping[Key, str] | None = None,
) -> None:
    """Call `report` with what becomes of each mutant under the tests.

    Raises:
        RuntimeError: the tests could not be collected, or one fails without any mutant.
    """
    trials = Trials(mutants, report, workers=workers, hints=hints)
    with redirect_stdout(sys.stderr):  # where the page is written to, pytest's own words have no place
        status = pytest.main([*tests, *OPTIONS, f"--hypothesis-profile={FIRST_FAILURE}"], plugins=[trials])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise RuntimeError(f"pytest ended with status {status}: see above")


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False))


def _fork(run: Callable[[Tell], bool]) -> Fork:
    """Start `run` in a fork, in an empty folder of its own: a mutant may write where no right code would."""
    said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by who reads it
    folder = tempfile.TemporaryDirectory(prefix="mutant-")
    pid = os.fork()
    if pid:
        return Fork(pid, said, folder)
    status = CRASHED
    with suppress(BaseException):
        os.chdir(folder.name)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        _silence_and_bound()
        status = PASSED if run(lambda line: print(line, file=said, flush=True)) else FAILED
    os._exit(status)


def _lines(fork: Fork) -> list[str]:
    """What a fork that has ended said; its folder goes."""
    with fork.folder, fork.said:
        fork.said.seek(0)
        return fork.said.read().splitlines()


def _import(modules: Sequence[str]) -> None:
    """What tests import as they run, torch's optimizers above all, is imported once and not in every fork."""
    for name in modules:
        with suppress(Exception):  # some can be imported in one order only
            importlib.import_module(name)


def _silence_and_bound() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # where there is no /proc, there is no bound
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

"""The plugin for pytest: a fixture, a marker, declared cases as tests, a summary and one report file.

Loading it costs next to nothing: neither NumPy nor torch nor Hypothesis is imported before something is checked.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gradcheck_kit.pytest_plugin import collection, frames, journal, options, running
from gradcheck_kit.pytest_plugin.fixture import GradCheck
from gradcheck_kit.pytest_plugin.marker import TEXT, MarkerError

JOURNAL = pytest.StashKey[journal.Journal]()
WRITTEN = pytest.StashKey[list[str]]()
STOPPED = (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)


@pytest.fixture(scope="session")
def gradcheck(pytestconfig: pytest.Config) -> GradCheck:
    """Check gradients: gradcheck(target, *inputs) is gradcheck_kit.check, recorded for the summary and the report.

    Also gradcheck.examine and gradcheck.explore; gradcheck.device, .dtype, .seed and .rng of the running test; and
    gradcheck.to(*values) for copies on that device, in that dtype. Works inside @given.
    """
    return GradCheck(pytestconfig)


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", TEXT)
    config.stash[running.OPTIONS] = options.read(config)
    config.stash[collection.FILES] = {}
    config.stash[JOURNAL] = journal.Journal()
    config.pluginmanager.register(config.stash[JOURNAL], "gradcheck_kit's journal")


# ---------------------------------------------------------------- collection


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    collection.add_modules(session.config)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator[None, Any, Any]:
    """A module of `gradcheck_modules` is collected for its cases, whatever its file is called."""
    found = yield
    if file_path in parent.config.stash[collection.FILES]:
        return [collection.CaseModule.from_parent(parent, path=file_path)]
    return found


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: Any) -> Generator[None, Any, Any]:
    """A case in a test file is a test beside those that pytest finds."""
    found = yield
    if not collection.cases_exist():
        return found
    module = collector.getparent(pytest.Module)
    cases = collection.named(name, obj, module.obj.__name__ if module is not None else "")
    if not cases:
        return found
    others = found if isinstance(found, list) else [found] if found is not None else []
    return [*others, *collection.items(collector, cases)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    try:
        running.parametrise(metafunc)
    except MarkerError as problem:
        raise pytest.Collector.CollectError(f"{metafunc.definition.nodeid}: {problem}") from None


# ---------------------------------------------------------------- running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    stash = item.config.stash
    stash[running.RUNNING] = item
    try:
        return (yield)
    finally:
        del stash[running.RUNNING]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    journal.begin_phase(item)
    running.skip_unless_present(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    journal.begin_phase(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    journal.begin_phase(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Generator[None, Any, Any]:
    frames.hide(item, call)
    if call.when == "teardown":
        item.user_properties.extend(journal.properties(item))
    report = yield
    journal.carry(item, report, call)
    return report


# ---------------------------------------------------------------- what becomes of it


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int | pytest.ExitCode) -> None:
    """One file a run: the workers of pytest-xdist send what they know to the controller."""
    told, config = session.config.stash[running.OPTIONS], session.config
    if hasattr(config, "workerinput"):
        return
    if exitstatus in STOPPED or session.shouldfail or session.shouldstop:
        spread = config.pluginmanager.hasplugin("dsession")
        config.stash[JOURNAL].cut_off(None if spread else getattr(session, "items", []))
    if told.report is not None or told.html is not None:
        from gradcheck_kit.pytest_plugin.files import written

        said, whole = written(config.stash[JOURNAL].record(), told)
        config.stash[WRITTEN] = said
        if not whole and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.USAGE_ERROR


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Nothing at all where no gradient was checked."""
    said = config.stash.get(WRITTEN, [])
    if config.stash[JOURNAL].empty and not said:
        return
    from gradcheck_kit.pytest_plugin.summary import lines

    terminalreporter.ensure_newline()
    terminalreporter.section("gradcheck")
    for line in [*lines(config.stash[JOURNAL].record()), *said]:
        terminalreporter.write_line(line)

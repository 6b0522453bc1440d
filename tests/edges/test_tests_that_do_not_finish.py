"""A test that crashes, is interrupted or raises leaves no PASS; a record that cannot be written costs one line."""

import re
from pathlib import Path

import pytest

from gradcheck_kit.record import read
from gradcheck_kit.verdict import Verdict
from tests.edges.pytest_projects import INI, LAYERS, run, section, write


def test_a_worker_that_crashes_loses_only_its_running_test(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    crash = """
        import os
        import numpy as np
        from layers import Scale

        def test_before(gradcheck):
            gradcheck(Scale(2.0), np.ones(3))

        def test_crash(gradcheck):
            gradcheck(Scale(2.0), np.ones(3))
            os._exit(3)

        def test_after(gradcheck):
            gradcheck(Scale(2.0), np.ones(3))
    """
    folder = write(tmp_path, {"pytest.ini": INI, "layers.py": LAYERS, "test_crash.py": crash})
    done = run(folder, "-n", "1", "--gradcheck-report=report.json")
    assert done.returncode == 1
    record = read(folder / "report.json")
    assert [entry["where"] for entry in record.subjects] == ["test_crash.py::test_after", "test_crash.py::test_before"]
    assert record.not_run == (
        "test_crash.py::test_crash: the worker that ran it crashed, and with it went this test's checks",
    )
    assert section(done.stdout)[0] == "2 subjects checked: 2 PASS"
    assert (record.verdict, record.unfinished) == (Verdict.INCONCLUSIVE, ("test_crash.py::test_crash",))


ENDED = """
    import numpy as np
    import pytest
    from layers import Scale

    class Raising(Scale):
        def backward(self, cotangent):
            raise ZeroDivisionError("by: nothing")

    def test_before(gradcheck):
        gradcheck(Scale(2.0), np.ones(3))
"""
RAISES = """
    def test_raises(gradcheck):
        gradcheck(Raising(2.0), np.ones(3))

    def test_raises_later(gradcheck):
        gradcheck(Scale(2.0), np.ones(3))
        assert not "a check of its own"

    def test_of_no_account():
        raise ZeroDivisionError
"""
FAILS = """
    def test_fails(gradcheck):
        gradcheck(Scale(2.0, 1.0), np.ones(3))
"""
PASSES_UNEXPECTEDLY = """
    import numpy as np
    import pytest
    from layers import Scale

    @pytest.mark.xfail(strict=True)
    def test_right_after_all(gradcheck):
        gradcheck(Scale(2.0), np.ones(3))
"""
ALLOWED = """
    @pytest.mark.xfail
    def test_raises_as_expected(gradcheck):
        gradcheck(Raising(2.0), np.ones(3))

    def test_of_no_account():
        raise ZeroDivisionError
"""
INTERRUPTED = """
    def test_interrupted(gradcheck):
        gradcheck(Scale(2.0), np.ones(3))
        raise KeyboardInterrupt

    def test_of_no_account():
        pass

    def test_never_begun(gradcheck):
        gradcheck(Scale(2.0), np.ones(3))
"""


@pytest.mark.parametrize(
    ("tests", "arguments", "told", "verdict"),
    [
        (
            RAISES,
            [],
            [
                "test_raises: not finished, ZeroDivisionError, by, nothing",
                "test_raises_later: not finished, AssertionError, assert not 'a check of its own'",
            ],
            Verdict.INCONCLUSIVE,
        ),
        (
            INTERRUPTED,
            [],
            ["test_interrupted: not finished, interrupted", "test_never_begun: the run was stopped before"],
            Verdict.INCONCLUSIVE,
        ),
        (PASSES_UNEXPECTEDLY, [], ["test_right_after_all: not finished, [XPASS(strict)]"], Verdict.INCONCLUSIVE),
        (RAISES, ["-x", "-k", "before or raises"], None, Verdict.INCONCLUSIVE),
        (FAILS, [], [], Verdict.FAIL),
        (ALLOWED, [], [], Verdict.PASS),
    ],
    ids=["an exception", "an interrupt", "a pass that was not expected", "the first failure", "a verdict", "allowed"],
)
def test_a_record_tells_what_was_cut_off_and_is_then_no_pass(
    tests: str, arguments: list[str], told: list[str] | None, verdict: Verdict, tmp_path: Path
) -> None:
    folder = write(tmp_path, {"pytest.ini": INI, "layers.py": LAYERS, "test_ended.py": ENDED + tests})
    run(folder, "--gradcheck-report=report.json", *arguments)
    record = read(folder / "report.json")
    expected = [f"test_ended.py::{line}" for line in told] if told is not None else list(record.not_run)
    assert (list(record.not_run), record.verdict) == (expected, verdict)
    assert list(record.unfinished) == [line.partition(": ")[0] for line in expected]
    assert (told is not None) or "test_ended.py::test_raises_later: the run was stopped before" in record.not_run


def test_a_worker_that_is_interrupted_leaves_no_pass(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    folder = write(tmp_path, {"pytest.ini": INI, "layers.py": LAYERS, "test_ended.py": ENDED + INTERRUPTED})
    run(folder, "-n", "1", "--gradcheck-report=report.json")
    record = read(folder / "report.json")
    assert record.verdict is Verdict.INCONCLUSIVE
    assert {"test_ended.py::test_interrupted", "the rest of the run"} <= set(record.unfinished)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full: no full disk was met")
@pytest.mark.parametrize(("tests", "status"), [("", 4), (FAILS, 1)])
def test_a_report_that_cannot_be_written_at_the_end_costs_one_line(tests: str, status: int, tmp_path: Path) -> None:
    folder = write(tmp_path, {"pytest.ini": INI, "layers.py": LAYERS, "test_ended.py": ENDED + tests})
    (folder / "r.json").symlink_to("/dev/full")
    done = run(folder, "--gradcheck-report=r.json", "--gradcheck-html=r.html")
    assert done.returncode == status, done.stdout
    told = section(done.stdout)
    assert f"cannot write {folder / 'r.json'}: No space left on device" in told
    assert f"wrote {folder / 'r.html'}" in told
    assert "Traceback" not in done.stdout + done.stderr
    assert re.search(r"1 failed, 1 passed in|1 passed in", done.stdout)
    assert bool(tests) == ("FAILED test_ended.py::test_fails" in done.stdout)
    assert (folder / "r.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")

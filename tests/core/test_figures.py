"""What a check that did not pass has to show: V-curve, heat map, kink; small, bounded, and nothing of a PASS."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.illustration import HeatMap, Illustration, Ladder
from gradcheck_kit.locate.heat import MOST_CELLS
from gradcheck_kit.report import Report
from gradcheck_kit.report_text import TOLD
from tests.mutants.kinked import Corner

MOST_BYTES = 20_000
MOST_EVALUATIONS = 2 * (MOST_CELLS + 20) + 20


class Sine:
    """sin(x), whose gradient an edit makes wrong."""

    def __init__(self, edit: Callable[[Any], None] = lambda gradient: None) -> None:
        self._edit = edit

    def forward(self, x: Any) -> Any:
        self._x = x
        return np.sin(x)

    def backward(self, cotangent: Any) -> Any:
        gradient = np.array(cotangent * np.cos(self._x))
        self._edit(gradient)
        return gradient


def point(*shape: int, dtype: str = "float64") -> Any:
    return np.random.default_rng(3).uniform(0.5, 1.0, shape).astype(dtype)


def only(report: Report) -> Illustration:
    (figure,) = report.figures
    return figure


def heat_of(report: Report) -> HeatMap:
    heat = only(report).heat
    assert heat is not None
    return heat


def ladder_of(report: Report) -> Ladder:
    ladder = only(report).ladder
    assert ladder is not None
    return ladder


def halve(*index: Any) -> Callable[[Any], None]:
    def edit(gradient: Any) -> None:
        gradient[index] *= 0.5

    return edit


def test_a_pass_has_nothing_to_show_and_costs_nothing_for_it() -> None:
    shown, plain = (gk.examine(Sine(), point(3), figures=figures) for figures in (True, False))
    assert shown.figures == ()
    assert shown.to_dict()["figures"] == []
    assert shown.cost.forward == plain.cost.forward


def test_without_figures_the_report_says_the_same() -> None:
    shown, plain = (gk.examine(Sine(halve(1)), point(4), figures=figures) for figures in (True, False))
    assert plain.figures == ()
    assert shown.findings == plain.findings
    assert len(shown.figures) == 1


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 4), (4, 8), (32,)])
def test_each_cell_of_a_small_input_is_the_difference_of_its_element(shape: tuple[int, ...]) -> None:
    x, index = point(*shape), tuple(n - 1 for n in shape)
    heat = heat_of(gk.examine(Sine(halve(*index)), x))
    cells = np.array(heat.cells, dtype=float)
    assert cells.size == x.size
    assert heat.least is not None
    wrong = cells > heat.least
    assert wrong.sum() == 1
    assert wrong[-1, -1]
    assert heat.least < 1e-7
    assert cells.max() > 1e6 * heat.least


def test_the_value_of_a_cell_is_the_size_of_the_error() -> None:
    """With a sum as output the cotangent is one number, and all errors are in proportion to the edits."""

    def edit(gradient: Any) -> None:
        gradient[0] += 1e-3 * gradient[5]
        gradient[3] += 1e-1 * gradient[5]

    def vjp(u: Any, x: Any) -> Any:
        gradient = u * np.ones(6)
        edit(gradient)
        return gradient

    heat = heat_of(gk.examine(lambda x: x.sum() + 0.0, point(6), vjp=vjp))
    (cells,) = heat.cells
    assert cells[3] is not None
    assert cells[0] is not None
    assert cells[3] / cells[0] == pytest.approx(100.0, rel=1e-4)


def test_a_large_input_is_shown_in_blocks_and_the_wrong_rows_stand_out() -> None:
    heat = heat_of(gk.examine(Sine(halve(slice(64, 72))), point(128, 30)))
    cells = np.array(heat.cells, dtype=float)
    assert cells.size <= MOST_CELLS
    assert heat.rows[-1] == 128
    assert heat.columns[-1] == 30
    wrong = {row for row, column in np.argwhere(cells > heat.least)}
    assert wrong == {row for row in range(len(cells)) if heat.rows[row] < 72 and heat.rows[row + 1] > 64}


@pytest.mark.parametrize("shape", [(2,), (1, 1000), (1000, 1), (3, 5, 7, 11), (2, 1, 1)])
def test_the_blocks_cover_the_input_whatever_its_shape(shape: tuple[int, ...]) -> None:
    heat = heat_of(gk.examine(Sine(halve(0)), point(*shape)))
    assert heat.rows[0] == heat.columns[0] == 0
    assert heat.rows[-1] * heat.columns[-1] == np.prod(shape)
    assert (len(heat.rows) - 1) * (len(heat.columns) - 1) == sum(map(len, heat.cells)) <= MOST_CELLS


def test_a_single_element_has_no_map() -> None:
    assert only(gk.examine(Sine(halve(...)), point())).heat is None


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("reference", [None, "native"])
def test_the_ladder_is_a_v_about_the_derivative(dtype: str, reference: str | None) -> None:
    edit = halve(slice(None))
    report = gk.examine(Sine(edit), point(6, dtype=dtype), reference=reference)
    ladder = ladder_of(report)
    assert ladder.numeric is not None
    assert ladder.analytic is not None
    assert list(ladder.steps) == sorted(ladder.steps, reverse=True)
    apart = [abs(d - ladder.numeric) for d in ladder.differences if d is not None]
    assert min(apart) < apart[0]
    assert min(apart) < apart[-1]
    assert ladder.error is not None
    assert abs(ladder.analytic - ladder.numeric) > 3 * ladder.error
    assert abs(ladder.analytic - ladder.numeric) > min(apart)


def test_steps_beyond_the_domain_are_left_out_of_the_ladder() -> None:
    report = gk.examine(lambda x: np.log(x - 1), np.array([1.1, 1.2]), vjp=lambda u, x: 2 * u / (x - 1))
    assert None in ladder_of(report).differences


def test_an_undecided_kink_shows_the_function_beside_it_and_no_map() -> None:
    report = gk.examine(Corner(), np.zeros(4))
    assert report.verdict is gk.Verdict.INCONCLUSIVE
    figure = only(report)
    assert figure.heat is None
    assert figure.profile is not None
    values = np.array(figure.profile.values, dtype=float)
    assert values[len(values) // 2] == 0.0
    assert (values[: len(values) // 2] != 0.0).all()
    bend = values[0] + values[-1]
    assert abs(bend) > 0.9 * (abs(values[0]) + abs(values[-1])), "both sides go the same way: a corner"


def test_a_smooth_wrong_input_has_no_profile() -> None:
    assert only(gk.examine(Sine(halve(0)), point(3))).profile is None


def test_of_many_wrong_inputs_the_first_are_shown() -> None:
    report = gk.examine(lambda a, b, c: a * b * c, point(2), point(2), point(2), vjp=lambda u, a, b, c: (u, u, u))
    assert len([f for f in report.findings if f.verdict is gk.Verdict.FAIL]) == 3
    assert [figure.input for figure in report.figures] == ["a", "b"]
    assert len(report.figures) == TOLD


def kinds(value: Any) -> set[type]:
    """The exact types of all values."""
    if isinstance(value, dict):
        return set().union(*map(kinds, value.values()))
    if isinstance(value, list):
        return set().union(*map(kinds, value))
    return {type(value)}


@pytest.mark.parametrize(("target", "x"), [(Sine(halve(0)), point(3, 4)), (Corner(), np.zeros(4))])
def test_figures_are_plain_values_that_every_process_can_read(target: Any, x: Any) -> None:
    assert kinds(gk.examine(target, x).to_dict()["figures"]) <= {int, float, str, type(None)}


@pytest.mark.parametrize("shape", [(3,), (200, 300), (64, 64)])
def test_figures_are_small_and_cost_a_bounded_number_of_evaluations(shape: tuple[int, ...]) -> None:
    shown, plain = (gk.examine(Sine(halve(0)), point(*shape), figures=figures) for figures in (True, False))
    assert 0 < shown.cost.forward - plain.cost.forward <= MOST_EVALUATIONS
    assert shown.cost.vjp == plain.cost.vjp
    assert len(json.dumps(shown.to_dict()["figures"], allow_nan=False)) < MOST_BYTES / TOLD


def test_a_search_shows_the_smallest_failing_example_and_counts_what_that_costs() -> None:
    report = gk.explore(np.sin, x=("n", 3), vjp=lambda u, x: 0.5 * u * np.cos(x), max_examples=5)
    assert report.verdict is gk.Verdict.FAIL
    figure = only(report)
    assert figure.heat is not None
    assert report.exploration is not None
    assert list(figure.heat.shape) == report.exploration.inputs["x"]["shape"]
    drawn = 2 * len(ladder_of(report).steps) + 2 * (1 + sum(map(len, figure.heat.cells)))
    assert report.cost.forward > drawn


def test_a_search_that_ends_at_a_kink_shows_the_corner_and_what_the_backward_says() -> None:
    report = gk.explore(np.abs, x=("n",), vjp=lambda u, x: u * np.where(x == 0.0, 3.0, np.sign(x)))
    assert report.findings[-1].question == "kink"
    figure = only(report)
    assert figure.heat is None
    assert figure.ladder is None
    assert figure.profile is not None
    times = np.array(figure.profile.times)
    assert np.array(figure.profile.values, dtype=float) == pytest.approx(np.abs(times), rel=1e-5)
    assert figure.profile.slope == 3.0


def test_the_corner_is_seen_at_the_element_that_the_finding_names() -> None:
    """The larger of two, which gives both of a tie the whole gradient; the tie is the last of three rows."""
    x = np.array([[1.0, 4.0], [5.0, 2.0], [3.0, 3.0]])

    def vjp(u: Any, x: Any) -> Any:
        return u[:, None] * (x == x.max(axis=1, keepdims=True))

    report = gk.examine(lambda x: x.max(axis=1), x, vjp=vjp, questions=["kink"])
    assert report.findings[-1].index in ((2, 0), (2, 1))
    profile = only(report).profile
    assert profile is not None
    reach = float(np.sqrt((x**2).mean()))
    assert np.array(profile.values, dtype=float) == pytest.approx(
        np.maximum(0.0, reach * np.array(profile.times)), abs=1e-5
    )
    assert profile.slope == pytest.approx(reach, rel=1e-5)
    assert gk.examine(lambda x: x.max(axis=1), x, vjp=vjp, questions=["kink"], figures=False).figures == ()


def test_a_gradient_that_is_not_finite_makes_no_nan_in_json() -> None:
    def spoil(gradient: Any) -> None:
        gradient[1] = np.nan

    report = gk.examine(Sine(spoil), point(3), questions=["directional"])
    assert report.verdict is gk.Verdict.FAIL
    (figure,) = report.to_dict()["figures"]
    json.dumps(figure, allow_nan=False)
    assert figure["heat"]["cells"][0][1] is None
    assert figure["heat"]["cells"][0][0] is not None
    assert figure["ladder"]["analytic"] is None


def test_a_budget_that_ends_before_the_figures_leaves_them_out_and_keeps_the_verdict() -> None:
    plain = gk.examine(Sine(halve(0)), point(3), figures=False)
    spent = plain.cost.forward + plain.cost.vjp
    report = gk.examine(Sine(halve(0)), point(3), budget=gk.Budget(evaluations=spent + 5))
    assert report.verdict is gk.Verdict.FAIL
    assert report.figures == ()


def test_a_report_is_drawn_to_a_png(tmp_path: Path) -> None:
    report = gk.examine(Sine(halve(1, slice(None))), point(3, 4))
    report.plot(tmp_path / "it.png")
    assert (tmp_path / "it.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["$x$ 100%", "<script>", r"\frac{"])
def test_a_name_that_looks_like_mathematics_is_drawn_as_it_is(tmp_path: Path, name: str) -> None:
    figure = only(gk.examine(Sine(halve(0)), point(3)))
    report = gk.examine(Sine(halve(0)), point(3))
    finding = replace(report.findings[-1], illustration=replace(figure, input=name))
    replace(report, subject=name, findings=(finding,)).plot(tmp_path / "it.png")
    assert (tmp_path / "it.png").stat().st_size > 1000


def test_an_undecided_report_is_drawn_too(tmp_path: Path) -> None:
    gk.examine(Corner(), np.zeros(4)).plot(tmp_path / "it.png")
    assert (tmp_path / "it.png").stat().st_size > 1000


def test_a_pass_cannot_be_drawn_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(gk.UsageError, match="nothing to draw"):
        gk.examine(Sine(), point(3)).plot(tmp_path / "it.png")


def test_a_picture_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    report = gk.examine(Sine(halve(0)), point(3))
    for path in (tmp_path / "none" / "it.png", tmp_path / "it.no-such-format"):
        with pytest.raises(gk.UsageError, match="cannot write"):
            report.plot(path)


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path) -> None:
    report = gk.examine(Sine(halve(0)), point(3))
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from gradcheck_kit.illustration import Illustration, Ladder\n"
        "from gradcheck_kit.picture import draw\n"
        f"draw([Illustration('x', Ladder((1.0,), (1.0,), 1.0, 1.0, None))], 't', {str(tmp_path / 'it.png')!r})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert report.figures
    assert "UsageError: a plot needs matplotlib: pip install 'gradcheck-kit[plot]'" in done.stderr

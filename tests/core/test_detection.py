"""The benchmark that sets the checkers side by side asks each of them of the same gradient, and counts honestly."""

import dataclasses
import inspect
import json
from pathlib import Path

import numpy as np
import pytest

import gradcheck_kit as gk
from benchmarks import checkers, detection, detection_page, passed_by_torch
from benchmarks.checkers import CHECKERS, FLAGGED, PASSED, Answer, Case, Checker
from benchmarks.detection import BOTH, CANNOT, CAUGHT, FALSE_ALARM, MISSED, MUTANT, RIGHT_ONE, RIGHT_SUBJECTS
from benchmarks.kept import Kept, fingerprint
from gradcheck_kit.cli.catalogue import CATALOGUE
from reference_impls import layers
from reference_impls.layers.layer import Layer
from tests.mutants import MUTANTS

SEEN_BY_ALL = ("the sign is flipped", "Affine averages db", "a hook halves the gradient")
SEEN_BY_OURS = ("a Function clamps its cotangent", "rows come back in the order of their first column")
NUMBER = {mutant.name: i for i, mutant in enumerate(MUTANTS)}

peers = pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.name)


def _skip_absent(checker: Checker) -> None:
    if checker.absent:
        pytest.skip(checker.absent)


@peers
@pytest.mark.parametrize("name", SEEN_BY_ALL)
def test_every_checker_is_given_the_wrong_gradient_and_the_right_one(checker: Checker, name: str) -> None:
    _skip_absent(checker)
    mutant = MUTANTS[NUMBER[name]]
    assert checker.answer(detection.case_of(mutant, 0, wrong=True)).said == FLAGGED
    assert checker.answer(detection.case_of(mutant, 0, wrong=False)).said == PASSED


@peers
def test_several_outputs_integer_inputs_and_parameters_are_taken(checker: Checker) -> None:
    _skip_absent(checker)
    by_name = {right.name: right for right in RIGHT_SUBJECTS}
    for name in ("torch LSTMCell", "torch several outputs", "reference_impls Embedding"):
        answer = checker.answer(by_name[name].case(0, "float64"))
        assert answer.said == PASSED, f"{name}: {answer}"


@peers
def test_no_checker_draws_the_point_once_more(checker: Checker) -> None:
    """x / ‖x‖ has no gradient along x itself: a cotangent from the point's own generator sees nothing but noise."""
    _skip_absent(checker)
    for name in ("unit vectors with a constant length", "layer norm with a constant variance"):
        mutant = MUTANTS[NUMBER[name]]
        assert checker.answer(detection.case_of(mutant, 0, wrong=False)).said == PASSED
        assert checker.answer(detection.case_of(mutant, 0, wrong=True)).said == FLAGGED


def test_what_no_difference_can_see_is_ours_alone() -> None:
    found = [one for name in SEEN_BY_OURS for one in detection.of_mutant(MUTANTS[NUMBER[name]], 0)]
    assert {one.outcome for one in found if one.checker == CHECKERS[0].name} == {CAUGHT}
    assert {one.outcome for one in found if one.checker == "torch slow"} == {MISSED}


def test_a_flag_beside_a_flag_and_an_exception_are_no_catch() -> None:
    flag, ok = Answer(FLAGGED), Answer(PASSED)
    raised = Answer(FLAGGED, "ValueError: no", raised=True)
    assert detection._judged(ok, flag)[0] == detection._judged(ok, raised)[0] == CAUGHT
    assert detection._judged(flag, flag)[0] == BOTH
    assert detection._judged(raised, flag)[0] == CANNOT
    assert detection._judged(ok, ok)[0] == MISSED


def test_an_exception_of_the_subject_is_an_answer_with_its_reason() -> None:
    def broken(x: np.ndarray) -> np.ndarray:
        raise ArithmeticError("no such thing")

    case = Case(lambda: gk.function(broken, np.ones(2), vjp=lambda u, x: u), None, 0)
    for checker in checkers.installed():
        answer = checker.answer(case)
        assert answer.raised, checker.name
        assert "no such thing" in answer.why, checker.name


def test_a_missing_peer_is_named_with_what_to_install() -> None:
    assert "pip install 'gradcheck-kit[peers]'" in Checker("x", lambda _: Answer(PASSED), "no_such_module").absent


def test_the_page_counts_what_was_asked() -> None:
    work = detection.tasks([NUMBER[name] for name in SEEN_BY_OURS], range(2), mutant_seeds=1, seeds=1)
    found: dict[str, list[detection.Outcome]] = {MUTANT: [], RIGHT_ONE: []}
    for task in work:
        kind, outcomes = detection.of_task(task)
        found[kind] += outcomes
    assert not [one for one in found[RIGHT_ONE] if one.outcome == FALSE_ALARM]
    text = "\n".join(detection_page.page(found[MUTANT], found[RIGHT_ONE], 1, 1, []))
    assert "| gradcheck_kit | 2 | 2 | 0 | 0 | 0 | 0 | 100.0 |" in text
    assert "| linearity | 1/1 | 0/1 | 0/1 |" in text
    assert text.count("| gradcheck_kit | 2 | 2 | 0 | 0 | 0 | 100.0 |") == 2, "in float64 and in float32"


def test_of_the_five_each_fails_with_its_name() -> None:
    found = {(one.name, one.given): one for one in passed_by_torch.verdicts()}
    assert {name for name, _ in found} == set(passed_by_torch.NAMES)
    assert all(one.ours.startswith("FAIL") and "None" not in one.ours for one in found.values())
    weight = passed_by_torch.NAMES[0]
    assert found[weight, "its input"].slow == "passes"
    assert found[weight, "its input and parameters"].slow == "FAILS"


def test_the_tables_are_as_large_and_as_broad_as_the_page_says() -> None:
    """At least 80 planted bugs, 60 of them with the cause to be named; at least 60 right subjects of every family."""
    assert len(MUTANTS) >= 80
    assert sum(mutant.cause is not None for mutant in MUTANTS) >= 60
    names = {right.name for right in RIGHT_SUBJECTS}
    assert len(names) == len(RIGHT_SUBJECTS) >= 60
    classes = {name for name, of in vars(layers).items() if inspect.isclass(of) and issubclass(of, Layer)}
    assert classes - {"Layer"} <= {entry.name for entry in CATALOGUE}
    assert {
        "torch LSTMCell",
        "torch multi-head attention",
        "torch LayerNorm",
        "torch sort",
        "torch gather",
        "torch Embedding with repeated indices",
        "torch Dropout",
        "torch BatchNorm1d, training",
        "torch BatchNorm1d, evaluation",
        "torch MSELoss",
    } <= names


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    work = detection.tasks([NUMBER[SEEN_BY_OURS[0]]], range(1), mutant_seeds=1, seeds=1)
    place = tmp_path / "answers.jsonl"
    before = Kept(place)
    for task in work[:2]:
        key = json.dumps([task[0], task[1], [*task[2]], task[3]])
        before.add(key, [dataclasses.asdict(one) for one in detection.of_task(task)[1]])
    place.write_text(place.read_text(encoding="utf-8") + '["half a li', encoding="utf-8")
    assert Kept(place).known == before.known
    after = Kept(place)
    after.add("one more", [])
    assert Kept(place).known == {**before.known, "one more": []}
    found = detection.measured(work[:2], 1, after)
    assert [one.outcome for one in found[MUTANT] if one.checker == CHECKERS[0].name] == [CAUGHT]
    assert {one.dtype for one in found[RIGHT_ONE]} == {"float64"}


def test_the_answers_of_other_code_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "answers.jsonl"
    place.write_text(json.dumps({**fingerprint(), "code": "another"}) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="other code"):
        Kept(place)

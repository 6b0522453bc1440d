"""Every planted bug is found, through the question and the input it belongs to; what is right is not flagged."""

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.engine import QUESTIONS
from tests.mutants import MUTANTS, ONE_QUESTION_ONLY, RIGHT, Mutant, Right

SEEDS = (0, 1, 2)
MOST_LINES = 25

every_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
every_seed = pytest.mark.parametrize("seed", SEEDS)


@every_seed
@every_mutant
def test_a_planted_bug_fails_and_the_error_says_where(mutant: Mutant, seed: int) -> None:
    with pytest.raises(gk.GradientCheckError) as caught:
        gk.check(mutant.wrong(np.random.default_rng(seed)), seed=seed)
    report, text = caught.value.report, str(caught.value)
    assert report.verdict is gk.Verdict.FAIL, text
    failed = {finding.input: finding for finding in report.findings if finding.verdict is gk.Verdict.FAIL}
    assert mutant.input in failed, text
    assert failed[mutant.input].question == mutant.question, text
    assert failed[mutant.input].cause == mutant.cause, text
    if mutant.place is not None:
        assert mutant.place in str(failed[mutant.input].place), text
    assert mutant.name in text
    assert mutant.input in text
    assert len(text.splitlines()) <= MOST_LINES, text
    assert "to repeat it:" in text


@every_seed
@every_mutant
def test_the_code_that_a_mutant_was_made_from_passes(mutant: Mutant, seed: int) -> None:
    assert gk.check(mutant.right(np.random.default_rng(seed)), seed=seed)


@pytest.mark.parametrize("mutant", ONE_QUESTION_ONLY, ids=lambda mutant: mutant.name)
def test_no_other_question_sees_it(mutant: Mutant) -> None:
    others = [name for name in QUESTIONS if name not in (mutant.question, "double-backward")]
    assert gk.check(mutant.wrong(np.random.default_rng(0)), questions=others)


def test_every_question_has_a_mutant_that_it_catches() -> None:
    assert {mutant.question for mutant in MUTANTS} == set(QUESTIONS) - {"double-backward"}


@pytest.mark.parametrize("seed", SEEDS[:2])
@pytest.mark.parametrize("right", RIGHT, ids=lambda right: right.name)
def test_a_right_torch_function_passes(right: Right, seed: int) -> None:
    assert gk.check(right.subject(seed), seed=seed)


def test_the_tables_are_large_enough_and_their_names_unique() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 80
    assert sum(mutant.cause is not None for mutant in MUTANTS) >= 60
    assert len({right.name for right in RIGHT}) == len(RIGHT) >= 90

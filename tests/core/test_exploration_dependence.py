"""A search says what a failure depends on, where one condition alone explains every example tried."""

import pytest

import gradcheck_kit as gk
from tests.mutants.explored import EXPLORED, Explored

MOST_LINES = 25


@pytest.mark.parametrize("mutant", EXPLORED, ids=lambda mutant: mutant.name)
def test_the_condition_of_a_failure_is_named_where_it_has_a_name(mutant: Explored) -> None:
    report = gk.explore(mutant.target, max_examples=300, seed=1, **mutant.axes)
    assert report.verdict is gk.Verdict.FAIL, report
    assert report.exploration is not None
    assert report.exploration.cause == mutant.cause, report
    assert mutant.words in report.exploration.condition
    told = f"{report.exploration.condition} [{mutant.cause}]"
    assert ("".join(told.split()) in "".join(str(report).split())) == (mutant.cause is not None)
    assert len(str(report).splitlines()) <= MOST_LINES
    assert report.to_dict()["exploration"]["cause"] == mutant.cause


def test_a_search_that_finds_nothing_names_no_condition() -> None:
    report = gk.explore(lambda x: x * x, x=("n", 3), vjp=lambda u, x: 2 * u * x, max_examples=20)
    assert report.exploration is not None
    assert (report.exploration.cause, report.exploration.condition) == (None, "")

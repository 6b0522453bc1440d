"""A search raises no alarm on any right layer or network of the reference table."""

import pytest

import gradcheck_kit as gk
from reference_impls.networks import LeNet
from tests.cases import CASES
from tests.cases.searched import SEARCHED, Searched

SEEDS = (0, 1, 2)
EXAMPLES = 12


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("searched", SEARCHED, ids=lambda searched: searched.name)
def test_no_right_layer_is_flagged_by_a_search(searched: Searched, seed: int) -> None:
    report = gk.explore(searched.target, max_examples=EXAMPLES, seed=seed, **searched.axes)
    assert report.verdict is gk.Verdict.PASS, report
    assert report.exploration is not None
    assert report.exploration.passed >= report.exploration.examples / 4


def test_every_layer_of_the_reference_table_is_searched() -> None:
    drawn = {case.of for case in CASES if case.of is not LeNet}  # 60,000 parameters: a search would draw them each time
    assert drawn == {searched.of for searched in SEARCHED}
    assert len({searched.name for searched in SEARCHED}) == len(SEARCHED) >= 35

"""A search says what a failure depends on, where one condition alone explains every example tried."""

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.exploration.axes import Axes
from gradcheck_kit.exploration.dependence import Fails, dependence
from gradcheck_kit.exploration.structure import Example
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


def tried(values: list[list[float]], shape: tuple[str | int, ...], fails: Fails) -> tuple[str | None, int]:
    """What a failure at these values is found to depend on, and how many examples beside it were asked."""
    x, asked = np.array(values), []
    lengths = {axis: n for axis, n in zip(shape, x.shape, strict=True) if isinstance(axis, str)}
    best = Example(lengths, "float64", "C", {"x": x}, seed=0)
    found = dependence(best, {"x": Axes(shape)}, lambda example: asked.append(example) or fails(example))
    return None if found is None else found.slug, len(asked)


def is_one_row(example: Example) -> bool:
    return len(example.arrays["x"]) == 1


def has_ties(example: Example) -> bool:
    return len(np.unique(example.arrays["x"])) < example.arrays["x"].size


def test_lengths_are_tried_no_further_than_a_condition_with_a_name_is_left() -> None:
    assert tried([[1.0, 2.0, 3.0]], ("n", "m"), is_one_row) == ("batch-of-one", 25)
    assert tried([[1.0, 2.0, 3.0]], ("n", "m"), lambda _: True) == (None, 6)  # the first of two rows
    assert tried([[1.0, 2.0, 3.0]], (1, 3), lambda _: True) == (None, 0)


def test_ties_are_moved_no_further_than_they_behave_as_ties() -> None:
    assert tried([[1.0, 1.0, 3.0]], (1, 3), has_ties) == ("wrong-at-ties", 7)
    assert tried([[1.0, 1.0, 3.0]], (1, 3), lambda _: False) == (None, 1)
    assert tried([[1.0, 1.0, 3.0]], (1, 3), lambda _: True) == (None, 4)

"""The wrong elements are found and named, at a cost that does not grow with the array."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

import gradcheck_kit as gk
from benchmarks import locating
from gradcheck_kit.locate.box import Box
from gradcheck_kit.locate.contributions import Reading
from gradcheck_kit.locate.search import Search

Array = npt.NDArray[np.float64]
SEEDS = range(5)


@dataclass
class Known:
    """Contributions that are known: the oracle of the search."""

    values: Array
    noise: float = 1e-12
    coarseness: float = 0.0
    asked: int = field(default=0)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def of(self, weights: Array) -> Reading:
        self.asked += 1
        return Reading(float(weights @ self.values.reshape(-1)), self.noise)

    def alone(self, index: tuple[int, ...]) -> Reading:
        self.asked += 1
        return Reading(float(self.values[index]), self.noise)


def searched(known: Known, seed: int, effort: int = 40) -> Search:
    total = Reading(float(known.values.sum()), known.noise)
    return Search(known, total, effort, np.random.default_rng(seed)).run()


def spoiled(shape: tuple[int, ...], index: object, seed: int) -> Array:
    """Random contributions of the elements at an index, none elsewhere."""
    g = np.random.default_rng(seed)
    values = np.zeros(shape)
    values[index] = (g.uniform(0.5, 1.0, shape) * g.choice([-1.0, 1.0], shape))[index]  # type: ignore[index]
    return values


ALL = slice(None)
BLOCKS: dict[str, tuple[tuple[int, ...], object, str]] = {
    "an element": ((1000, 1000), (333, 7), "W[333, 7]"),
    "an element of a vector": ((100_000,), 77_777, "W[77777]"),
    "the first element": ((30, 30), (0, 0), "W[0, 0]"),
    "an element of five axes": ((7, 5, 6, 4, 8), (6, 0, 3, 3, 5), "W[6, 0, 3, 3, 5]"),
    "a row": ((300, 200), 3, "row 3 of W, W[3, :]"),
    "the last column": ((300, 200), (ALL, -1), "the last column of W, W[:, 199]"),
    "a channel": ((6, 9, 5, 5), (ALL, 2), "slice 2 on axis 1 of W, W[:, 2, :, :]"),
    "all but the first row": ((40, 30), slice(1, None), "all but the first row of W, W[1:, :]"),
    "all but the last element": ((50,), slice(0, -1), "all but the last element of W, W[:49]"),
    "a tail": ((1000,), slice(992, None), "the elements from 992 on of W, W[992:]"),
    "a block of rows": ((100, 30), slice(20, 91), "rows 20 to 90 of W, W[20:91, :]"),
    "everything": ((40, 30), ALL, "all of W"),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_wrong_elements_is_found_and_named(block: str, seed: int) -> None:
    shape, index, words = BLOCKS[block]
    search = searched(Known(spoiled(shape, index, seed)), seed)
    assert search.complete
    assert [found.box.describe("W") for found in search.found] == [words]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_single_element_costs_two_syndromes_and_a_look_whatever_the_size(seed: int) -> None:
    for length in (30, 300, 1000):
        known = Known(spoiled((length, length), (length // 3, length - 2), seed))
        searched(known, seed)
        assert known.asked == 3


@pytest.mark.parametrize("seed", SEEDS)
def test_a_faint_error_is_decoded_digit_by_digit(seed: int) -> None:
    known = Known(spoiled((1000, 1000), (333, 7), seed), noise=2e-3)
    search = searched(known, seed)
    assert [found.box.describe("W") for found in search.found] == ["W[333, 7]"]
    assert 3 < known.asked <= 20


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_that_the_lattice_blurs_still_find_the_element(seed: int) -> None:
    known = Known(spoiled((1000, 1000), (333, 7), seed), coarseness=1e-3)
    assert [found.box.describe("W") for found in searched(known, seed).found] == ["W[333, 7]"]


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_several_elements_are_all_found(count: int, seed: int) -> None:
    g = np.random.default_rng(seed)
    positions = g.choice(10_000, count, replace=False)
    values = np.zeros(10_000)
    values[positions] = g.uniform(0.5, 1.0, count) * g.choice([-1.0, 1.0], count)
    search = searched(Known(values.reshape(100, 100)), seed, effort=150)
    assert search.complete
    found = {np.ravel_multi_index(f.box.first_index, (100, 100)) for f in search.found}
    assert found == set(positions.tolist())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_spent_effort_names_some_and_says_that_there_are_more(seed: int) -> None:
    g = np.random.default_rng(seed)
    values = np.where(g.random((100, 100)) < 0.01, g.uniform(0.5, 1.0, (100, 100)), 0.0)
    known = Known(values)
    search = searched(known, seed)
    assert known.asked <= 40
    assert not search.complete
    assert search.found
    assert all(values[found.box.slices()].any() for found in search.found)


@pytest.mark.parametrize("seed", range(1, 6))
def test_wrong_and_right_elements_side_by_side_are_not_called_a_block(seed: int) -> None:
    g = np.random.default_rng(seed)
    values = np.where(g.random((60, 60)) < 0.5, g.uniform(0.5, 1.0, (60, 60)), 0.0)
    search = searched(Known(values), seed)
    assert not search.complete
    assert [found.dense for found in search.found] == [False]


def test_a_block_that_is_named_is_wrong_throughout_and_four_ranges_in_five_are_named() -> None:
    exact = 0
    for seed in range(60):
        g = np.random.default_rng(seed)
        axis = int(g.integers(3))
        first, end = sorted(int(i) for i in g.choice((40, 30, 20)[axis] + 1, 2, replace=False))
        index = tuple(slice(first, end) if a == axis else ALL for a in range(3))
        values = spoiled((40, 30, 20), index, seed)
        search = searched(Known(values), seed)
        assert all(bool(values[f.box.slices()].all()) for f in search.found if f.dense), index
        exact += search.complete and [f.box.slices() for f in search.found] == [
            Box.whole(values.shape).within(axis, first, end).slices()
        ]
    assert exact >= 48


def test_nothing_is_named_where_nothing_can_be_measured() -> None:
    search = searched(Known(np.ones((30, 30)), noise=math.inf), 0)
    assert not any(found.dense for found in search.found)


def test_neighbouring_blocks_join_and_others_do_not() -> None:
    one, other, far = Box((9, 9), ((0, 2), (0, 9))), Box((9, 9), ((2, 5), (0, 9))), Box((9, 9), ((7, 8), (0, 9)))
    assert one.joined(other) == other.joined(one) == Box((9, 9), ((0, 5), (0, 9)))
    assert one.joined(far) is None
    assert one.joined(Box((9, 9), ((2, 5), (0, 3)))) is None


# ---------------------------------------------------------------- with real derivatives


def matrix(shape: tuple[int, int], spoil: Callable[[Array], None], dtype: str = "float64") -> gk.Subject:
    def vjp(u: Array, W: Array) -> Array:
        gradient = (u[:, None] * np.cos(W)).astype(dtype)
        spoil(gradient)
        return gradient

    W = np.random.default_rng(0).normal(size=shape).astype(dtype)
    return gk.function(lambda W: np.sin(W).sum(axis=1), W, vjp=vjp, name="rows of sines")


def one_wrong(gradient: Array) -> None:
    gradient[33, 91] *= 1.001


def test_one_wrong_element_is_named_with_its_numbers_in_under_200_evaluations() -> None:
    report = gk.examine(matrix((100, 120), one_wrong), figures=False)
    (finding,) = report.findings[-1:]
    assert (finding.index, finding.place) == ((33, 91), "W[33, 91]")
    assert finding.analytic is not None
    assert finding.numeric is not None
    assert finding.analytic / finding.numeric == pytest.approx(1.001, abs=1e-9)
    assert report.cost.forward < 200
    assert report.to_dict()["findings"][-1]["place"] == "W[33, 91]"


def test_one_wrong_element_is_named_in_float32_beside_its_own_forward() -> None:
    def doubled(gradient: Array) -> None:
        gradient[33, 11] *= 3

    report = gk.examine(matrix((40, 30), doubled, "float32"), reference="native")
    assert report.findings[-1].place == "W[33, 11]"


def test_of_several_wrong_inputs_that_share_the_effort_wrong_samples_are_named() -> None:
    xs = np.random.default_rng(0).normal(size=(4, 3, 15))

    def vjp(u: Array, *given: Array) -> tuple[Array, ...]:
        gradients = [u * np.cos(x) for x in given]
        for gradient in gradients:
            gradient[:, 5:10] *= -1
        return tuple(gradients)

    report = gk.examine(lambda *given: sum(map(np.sin, given)), *xs, vjp=vjp, names=["a", "b", "c", "d"])
    places = [str(finding.place) for finding in report.findings if finding.verdict is gk.Verdict.FAIL]
    assert len(places) == 4
    assert all("elements sampled in" in place for place in places), places


def test_the_output_that_exposes_an_error_is_named() -> None:
    def vjp(u: Array, x: Array, W: Array) -> tuple[Array, Array]:
        v = u.copy()
        v[0] = 0.0
        return u @ W.T, x.T @ v

    g = np.random.default_rng(0)
    subject = gk.function(lambda x, W: x @ W, g.normal(size=(6, 5)), g.normal(size=(5, 4)), vjp=vjp)
    text = str(gk.examine(subject))
    assert "every element of W that was sampled" in text
    assert "seen through row 0 of output, output[0, :] only" in text


def test_both_numbers_have_digits_enough_to_differ() -> None:
    def faint(gradient: Array) -> None:
        gradient[3, 4] *= 1 + 1e-8

    text = str(gk.examine(matrix((10, 10), faint)))
    numbers = [
        line.split("backward ")[1].split(" ±")[0] for line in text.splitlines() if "numerical derivative" in line
    ]
    assert numbers
    for pair in numbers:
        analytic, numeric = pair.split(", numerical derivative ")
        assert analytic != numeric


def test_a_budget_spent_while_locating_leaves_the_failure_standing() -> None:
    report = gk.examine(matrix((100, 120), one_wrong), budget=gk.Budget(evaluations=70))
    assert report.verdict is gk.Verdict.FAIL
    assert report.findings[-1].question == "directional"


def test_the_benchmark_of_whole_checks_names_the_element_that_it_spoilt() -> None:
    for seed in range(3):
        _, verdict, *cells = (cell.strip() for cell in locating.whole_check(30, seed, timed=False).split("|")[2:-1])
        forward, _, named, wrong, under, seconds = cells
        assert (verdict, named, under, seconds) == ("FAIL", wrong, "yes", "—")
        assert int(forward) < locating.LIMIT

"""Where a cause is named, the place is that of the elements that are wrong, and one of them is shown."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

import gradcheck_kit as gk
from gradcheck_kit.locate import Element, OfInput, borne_out, sampled_throughout
from gradcheck_kit.locate.box import Box
from gradcheck_kit.locate.contributions import Reading

Array = npt.NDArray[np.float64]
SEEDS = range(4)
WITHOUT_SEARCH = 120  # forward evaluations of a whole check of a wrong input


def drawn(*shape: int) -> Callable[[int], Array]:
    return lambda seed: np.random.default_rng(seed).normal(size=shape)


def one_negative(seed: int) -> Array:
    x = np.full((4, 5), 1.3)
    x[1, 2] = -1.0
    return x


def holding_zeros(seed: int) -> Array:
    return np.array([[0.0, -1.0, 0.0, 0.5, 0.0, 0.0]])


@dataclass(frozen=True)
class Case:
    """A forward, its slope element by element, and a wrong backward of a known cause.

    Attributes:
        wrong: of the gradient that is right, the cotangent and the input.
        x: of a seed.
        affected: which elements the bug reaches, of the input; worked out by hand, not by this project.
        words: the place, with the seed's input; None where it is a count and an example.
    """

    cause: str
    forward: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    wrong: Callable[[Array, Array, Array], Array]
    x: Callable[[int], Array]
    affected: Callable[[Array], npt.NDArray[np.bool_]]
    words: str | None = None


def off_diagonal(x: Array) -> npt.NDArray[np.bool_]:
    return ~np.eye(len(x), dtype=bool)


def but_the_middle_column(x: Array) -> npt.NDArray[np.bool_]:
    return np.broadcast_to(np.arange(x.shape[1]) != x.shape[1] // 2, x.shape)


def everything(x: Array) -> npt.NDArray[np.bool_]:
    return np.ones(x.shape, dtype=bool)


def clipped(x: Array) -> Array:
    return np.clip(x, -0.5, 0.5)


def odd_columns(x: Array) -> npt.NDArray[np.bool_]:
    return np.broadcast_to(np.arange(x.shape[1]) % 2 == 1, x.shape)


def dropped(x: Array) -> Array:
    kept: Array = 2.0 * x * ~odd_columns(x)
    return kept


CASES = {
    "a forgotten mask, and one negative": Case(
        "missing-mask",
        lambda x: x * (x > 0),
        lambda x: 1.0 * (x > 0),
        lambda g, u, x: u,
        one_negative,
        lambda x: x < 0,
        "x[1, 2]",
    ),
    "a clip that passes everything on": Case(
        "missing-mask", clipped, lambda x: 1.0 * (abs(x) < 0.5), lambda g, u, x: u, drawn(4, 5), lambda x: abs(x) > 0.5
    ),
    "a mask of dropout that is forgotten": Case(
        "missing-mask", dropped, lambda x: dropped(np.ones(x.shape)), lambda g, u, x: 2 * u, drawn(4, 5), odd_columns
    ),
    "an absolute value without its sign": Case(
        "wrong-factor", np.abs, np.sign, lambda g, u, x: u, drawn(4, 5), lambda x: x < 0
    ),
    "a flip of five columns": Case(
        "flipped",
        np.sin,
        np.cos,
        lambda g, u, x: g[:, ::-1],
        drawn(4, 5),
        but_the_middle_column,
        "every element of x except column 2 of x, x[:, 2]",
    ),
    "a forgotten transpose": Case("transposed", np.sin, np.cos, lambda g, u, x: g.T, drawn(4, 4), off_diagonal),
    "a forgotten square, and zeros": Case(
        "missing-factor",
        np.tanh,
        lambda x: 1 - np.tanh(x) ** 2,
        lambda g, u, x: u * (1 - np.tanh(x)),
        holding_zeros,
        lambda x: x != 0,
        "x[0, 1] and x[0, 3]",
    ),
    "twice a gradient with zeros": Case(
        "constant-factor",
        lambda x: np.sin(x) * (x > 0),
        lambda x: np.cos(x) * (x > 0),
        lambda g, u, x: 2 * g,
        drawn(4, 5),
        lambda x: x > 0,
    ),
    "twice the gradient": Case(
        "constant-factor", np.sin, np.cos, lambda g, u, x: 2 * g, drawn(4, 5), everything, "every element of x"
    ),
    "the sign of a scalar": Case("sign-flip", np.sin, np.cos, lambda g, u, x: -g, drawn(), everything, "x"),
    "none, of a column": Case(
        "zero-gradient",
        lambda x: np.sin(x[:, :1]),
        lambda x: np.cos(x) * np.eye(x.shape[1])[0],
        lambda g, u, x: np.zeros_like(x),
        drawn(4, 5),
        lambda x: np.broadcast_to(np.arange(x.shape[1]) == 0, x.shape),
        "column 0 of x, x[:, 0]",
    ),
    "none at all": Case(
        "zero-gradient",
        np.sin,
        np.cos,
        lambda g, u, x: 0 * g,
        drawn(4, 5),
        everything,
        "every element of x that was sampled",
    ),
}


UNLIKE = (  # searched for; of one point; kinks beside many elements cost more looks
    "none, of a column",
    "a forgotten mask, and one negative",
    "a clip that passes everything on",
)


def failed(case: Case, seed: int) -> tuple[gk.Report, gk.Finding, Array]:
    x = case.x(seed)
    subject = gk.function(
        case.forward, x, vjp=lambda u, x: case.wrong(u * case.slope(x), u, x), names=["x"], name="planted"
    )
    report = gk.examine(subject, seed=seed, figures=False)
    (finding,) = [f for f in report.findings if f.verdict is gk.Verdict.FAIL]
    return report, finding, x


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_the_place_is_that_of_the_wrong_elements(name: str, seed: int) -> None:
    case = CASES[name]
    _, finding, x = failed(case, seed)
    assert finding.cause == case.cause
    affected = case.affected(x)
    if case.words is not None:
        assert finding.place == case.words
    else:
        assert str(finding.place).startswith(f"{affected.sum()} of the {x.size} elements of x, such as x[")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_the_element_shown_is_a_wrong_one(name: str, seed: int) -> None:
    case = CASES[name]
    report, finding, x = failed(case, seed)
    assert finding.index is not None
    assert case.affected(x)[finding.index]
    assert finding.analytic is not None
    assert abs(finding.analytic - (finding.numeric or 0.0)) > (finding.error or math.inf)
    where = f"x[{', '.join(map(str, finding.index))}]" if finding.index else "x"
    assert f"\n    {where}: backward " in str(report)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_element_shown_is_the_one_with_the_largest_difference(seed: int) -> None:
    """Cotangents differ by a factor of two at most: an element thirty times the others has the largest difference."""

    def large_in_one(seed: int) -> Array:
        x = np.full((4, 5), 0.1)
        x[2, 3] = 3.0
        return x

    case = Case("constant-factor", lambda x: x * x / 2, lambda x: x, lambda g, u, x: 2 * g, large_in_one, everything)
    _, finding, _ = failed(case, seed)
    assert (finding.index, finding.place) == ((2, 3), "every element of x")


@pytest.mark.parametrize("size", [4, 60, 400])
@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.x(0).size > 6 and n not in UNLIKE])
def test_a_cause_that_is_borne_out_costs_no_search_whatever_the_size(name: str, size: int) -> None:
    report, _, _ = failed(replace(CASES[name], x=drawn(size, size)), 0)
    assert report.cost.forward <= WITHOUT_SEARCH


# ---------------------------------------------------------------- what is asked, and what follows from it


@dataclass
class Known:
    """Contributions that are known, in place of derivatives: the oracle."""

    values: Array
    name: str = "W"
    elements: dict[tuple[int, ...], Element] = field(default_factory=dict)
    asked: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def of(self, weights: Array) -> Reading:
        self.asked += 1
        return Reading(float(weights @ self.values.reshape(-1)), 1e-12)

    def alone(self, index: tuple[int, ...]) -> Reading:
        self.asked += 1
        value = float(self.values[index])
        self.elements[index] = Element(index, value, 0.0, 1e-12, wrong=value != 0.0)
        return Reading(value, 1e-12)


def errors(shape: tuple[int, ...], index: object) -> Array:
    values = np.zeros(shape)
    values[index] = np.random.default_rng(0).uniform(0.5, 1.0, shape)[index]  # type: ignore[index]
    return values


def asked_of(known: Known, error: Array, seed: int = 0) -> Any:
    return borne_out(cast(OfInput, known), error.reshape(-1), np.random.default_rng(seed))


ALL = slice(None)
PLACES: dict[str, tuple[tuple[int, ...], object, str]] = {
    "all": ((6, 5), ALL, "every element of W"),
    "a row": ((6, 5), 3, "row 3 of W, W[3, :]"),
    "an element": ((6, 5), (3, 4), "W[3, 4]"),
    "the only element": ((1,), 0, "W"),
    "a scalar": ((), (), "W"),
    "two elements": ((6, 5), ([0, 3], [1, 4]), "W[0, 1] and W[3, 4]"),
    "all but a row": ((6, 5), [0, 1, 2, 4, 5], "every element of W except row 3 of W, W[3, :]"),
    "all but an element": ((5,), [0, 1, 3, 4], "every element of W except W[2]"),
    "a diagonal": ((6, 6), (range(6), range(6)), "6 of the 36 elements of W, such as W["),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_elements_that_a_cause_implies_are_named_in_three_readings(place: str) -> None:
    shape, index, words = PLACES[place]
    error = errors(shape, index)
    known = Known(error)
    found = asked_of(known, error)
    assert found.words == words or (words.endswith("[") and found.words.startswith(words))
    assert found.everywhere == bool(error.all())
    assert known.asked <= 3
    assert found.wrong[0].index == np.unravel_index(int(abs(error).argmax()), shape)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cause_that_names_right_elements_is_not_borne_out(seed: int) -> None:
    implied = errors((6, 5), ALL)
    assert asked_of(Known(np.zeros((6, 5))), implied, seed) is None
    without_the_largest = implied.copy()
    without_the_largest[np.unravel_index(implied.argmax(), implied.shape)] = 0.0
    assert asked_of(Known(without_the_largest), implied, seed) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cause_that_leaves_wrong_elements_out_is_not_borne_out(seed: int) -> None:
    implied = errors((6, 5), 3)
    also_elsewhere = implied + errors((6, 5), (1, 1))
    assert asked_of(Known(also_elsewhere), implied, seed) is None


def test_a_cause_that_implies_no_error_is_not_borne_out() -> None:
    assert asked_of(Known(errors((6, 5), ALL)), np.zeros((6, 5))) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_samples_of_which_one_is_right_do_not_speak_for_the_whole(seed: int) -> None:
    half = errors((2,), 0)
    assert sampled_throughout(cast(OfInput, Known(half)), np.random.default_rng(seed)) is None
    whole = sampled_throughout(cast(OfInput, Known(errors((6, 5), ALL))), np.random.default_rng(seed))
    assert whole is not None
    assert (whole.words, len(whole.elements)) == ("every element of W that was sampled", 2)


@pytest.mark.parametrize("index", [ALL, 3, (ALL, -1), (2, 3), ([0, 2], [1, 4])])
def test_the_smallest_block_around_elements_holds_them_and_touches_them_on_every_side(index: object) -> None:
    mask = errors((6, 5), index) != 0.0
    box = Box.around(mask)
    assert mask[box.slices()].sum() == mask.sum()
    for axis in range(2):
        inside = np.moveaxis(mask[box.slices()], axis, 0)
        assert inside[0].any()
        assert inside[-1].any()

"""Every public argument that is an integer takes NumPy's too, and neither a bool, a float, a string nor nonsense."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import gradcheck_kit as gk
from gradcheck_kit import strategies
from gradcheck_kit.arguments import INTEGERS, integer_in
from gradcheck_kit.pytest_plugin.marker import MarkerError, marked
from gradcheck_kit.torch import gradcheck

X = np.array([0.5, -1.25, 2.0])


def square(x: Any) -> Any:
    return x * x


def examined(**options: Any) -> gk.Report:
    return gk.examine(square, X, vjp=lambda u, x: 2.0 * u * x, questions="directional", **options)


def explored(**options: Any) -> gk.Report:
    return gk.explore(square, x=("n",), vjp=lambda u, x: 2.0 * u * x, **{"max_examples": 2, **options})


def subject() -> gk.Subject:
    return gk.function(square, X, vjp=lambda u, x: 2.0 * u * x)


def schedule(**numbers: Any) -> gk.Schedule:
    return gk.Schedule(**{"parameters": {"W": X}, "examples": 4, "batch_size": 2, "epochs": 1, "seed": 0, **numbers})


def case(seed: Any) -> gk.Report:
    return gk.Case(square, lambda generator: generator.normal(size=3), options={"vjp": lambda u, x: 2 * u * x}).run(
        seed
    )


def the_marker(seed: Any) -> Any:
    mark = SimpleNamespace(args=(), kwargs={"seed": seed})
    return marked(SimpleNamespace(iter_markers=lambda name: [mark]))


@dataclass(frozen=True)
class Argument:
    """`call` passes an integer on; one of `wrong` makes no sense, and the message says `expected`."""

    call: Callable[[Any], Any]
    expected: str
    good: int = 3
    wrong: tuple[int, ...] = (-1,)
    or_a_name: bool = False


SEED, COUNT = INTEGERS
ARGUMENTS = {
    "examine's seed": Argument(lambda n: examined(seed=n), SEED),
    "examine's order": Argument(lambda n: examined(order=n), "pass 1 for the gradient, or 2", 1, (-1, 0, 3)),
    "examine's wrt": Argument(lambda n: examined(wrt=n), "its inputs are x", 0, (-2, 1)),
    "an item of examine's wrt": Argument(lambda n: examined(wrt=[n]), "its inputs are x", -1, (-2, 1)),
    "the evaluations of a budget": Argument(lambda n: gk.Budget(evaluations=n), f"{SEED}, such as evaluations=0, or"),
    "check's seed": Argument(lambda n: gk.check(subject(), seed=n), SEED),
    "explore's seed": Argument(lambda n: explored(seed=n), SEED),
    "explore's number of examples": Argument(lambda n: explored(max_examples=n), COUNT, wrong=(-1, 0)),
    "the length of an axis": Argument(lambda n: gk.axes("n", n), "a length such as 3", or_a_name=True),
    "the integers below": Argument(
        lambda n: gk.axes("n", below=n), f"{COUNT}, such as below=1, or", 3, (-1, 0), or_a_name=True
    ),
    "the shortest length of a point": Argument(lambda n: strategies.points(x=("n",), lengths=(n, 5)), "such as (1, 5)"),
    "the longest length of a point": Argument(
        lambda n: strategies.points(x=("n",), lengths=(2, n)), "such as (1, 5)", wrong=(-1, 1)
    ),
    "a shape for cotangents": Argument(lambda n: strategies.cotangents((2, n)), "is no output; pass an array"),
    "parity's seed": Argument(lambda n: gk.parity(subject(), subject(), seed=n), SEED),
    "a case's seed": Argument(case, SEED),
    "the seed of torch's gradcheck": Argument(
        lambda n: gradcheck(square, torch.ones(2, dtype=torch.float64, requires_grad=True), seed=n), SEED
    ),
    "the marker's seed": Argument(the_marker, SEED),
    "the examples of a schedule": Argument(lambda n: schedule(examples=n), COUNT, wrong=(-1, 0)),
    "the batch of a schedule": Argument(lambda n: schedule(batch_size=n), COUNT, wrong=(-1, 0)),
    "the epochs of a schedule": Argument(lambda n: schedule(epochs=n), COUNT, wrong=(-1, 0)),
    "the seed of a schedule": Argument(lambda n: schedule(seed=n), SEED),
}
NO_INTEGER: dict[str, Callable[[Argument], Any]] = {
    "a bool": lambda a: bool(a.good),
    "NumPy's bool": lambda a: np.bool_(a.good),
    "a float": lambda a: float(a.good),
    "NumPy's float": lambda a: np.float64(a.good),
    "a string": lambda a: str(a.good),
}
LIKE = {"int": int, "np.int64": np.int64, "np.int8": np.int8}


@pytest.mark.parametrize("like", LIKE)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_integer_of_python_or_numpy_is_taken(name: str, like: str) -> None:
    ARGUMENTS[name].call(LIKE[like](ARGUMENTS[name].good))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name in ARGUMENTS
        for kind in NO_INTEGER
        if not (kind == "a string" and ARGUMENTS[name].or_a_name)
    ],
)
def test_what_is_no_integer_is_refused_with_what_was_passed_and_what_to_type(name: str, kind: str) -> None:
    value = NO_INTEGER[kind](ARGUMENTS[name])
    with pytest.raises((gk.UsageError, MarkerError)) as caught:
        ARGUMENTS[name].call(value)
    assert repr(value) in str(caught.value)
    assert ARGUMENTS[name].expected in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, argument in ARGUMENTS.items() for value in argument.wrong]
)
def test_an_integer_that_makes_no_sense_is_refused(name: str, value: int) -> None:
    with pytest.raises((gk.UsageError, MarkerError)) as caught:
        ARGUMENTS[name].call(value)
    assert str(value) in str(caught.value)
    assert ARGUMENTS[name].expected in str(caught.value)


@pytest.mark.parametrize("made", [examined, explored])
def test_a_seed_of_numpys_stands_in_the_report_as_pythons_own(made: Callable[..., gk.Report]) -> None:
    report = made(seed=np.int64(3))
    assert type(report.seed) is int
    assert json.loads(json.dumps(report.to_dict()))["seed"] == 3


def test_a_seed_of_numpys_is_pasted_as_pythons_own() -> None:
    wrong = gk.examine(square, X, vjp=lambda u, x: 2.001 * u * x, seed=np.int64(3), order=np.int64(1))
    assert wrong.reproduction is not None
    assert "seed=3)" in wrong.reproduction.lines[-1]


@pytest.mark.parametrize("seconds", [np.float32(3.5), np.int64(4)])
def test_the_seconds_of_a_budget_may_be_numpys(seconds: Any) -> None:
    assert type(gk.Budget(seconds=seconds).seconds) is float
    assert gk.Budget.of(seconds) == gk.Budget(seconds=float(seconds))


@pytest.mark.parametrize(
    ("typed", "least", "meant"),
    [("0", 0, 0), ("17", 1, 17), ("0", 1, None), ("-1", 0, None), ("1_0", 0, None), ("1.0", 0, None), ("", 0, None)],
)
def test_an_integer_is_typed_in_plain_digits(typed: str, least: int, meant: int | None) -> None:
    assert integer_in(typed, least) == meant

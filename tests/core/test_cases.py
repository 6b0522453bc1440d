"""A case: what is checked and where, as a value."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.cases import declared
from gradcheck_kit.verdict import Verdict
from reference_impls.layers import Affine, Sigmoid

X = np.linspace(-1.0, 1.0, 4)


class Doubled:
    """Wrong: the slope is 2, and 3 is said."""

    def forward(self, x: Any) -> Any:
        return 2.0 * x

    def backward(self, cotangent: Any) -> Any:
        return 3.0 * cotangent


def square(x: Any) -> Any:
    return x * x


RUNS = {
    "a layer at a point": (gk.Case(Sigmoid(), (X,)), "Sigmoid", Verdict.PASS),
    "a class, made anew": (gk.Case(Doubled, (X,), name="wrong"), "wrong", Verdict.FAIL),
    "inputs from a generator": (gk.Case(Sigmoid(), lambda rng: rng.normal(size=3)), "Sigmoid", Verdict.PASS),
    "a function with its vjp": (
        gk.Case(square, (X,), options={"vjp": lambda u, x: 2.0 * x * u}),
        "square",
        Verdict.PASS,
    ),
    "a search": (
        gk.Case(Affine, axes={"x": ("n", 3), "W": (3, "m"), "b": ("m",)}, options={"max_examples": 3}),
        "Affine",
        Verdict.PASS,
    ),
    "a search that finds": (gk.Case(Doubled(), axes={"x": ("n",)}), "Doubled", Verdict.FAIL),
}


@pytest.mark.parametrize("what", RUNS)
def test_a_case_runs_and_never_raises_for_a_wrong_gradient(what: str) -> None:
    case, name, verdict = RUNS[what]
    report = case.run(seed=3)
    assert (case.name, report.verdict, report.seed) == (name, verdict, 3)


def test_a_seed_of_its_own_goes_before_that_of_the_run() -> None:
    drawn: list[Any] = []

    def inputs(rng: np.random.Generator) -> Any:
        drawn.append(rng.normal(size=2))
        return drawn[-1]

    case = gk.Case(Sigmoid(), inputs, options={"seed": 7})
    assert [case.run(seed=seed).seed for seed in (1, 2)] == [7, 7]
    assert np.array_equal(drawn[0], drawn[1])


def test_a_case_is_frozen() -> None:
    case = gk.Case(Sigmoid(), (X,))
    with pytest.raises(FrozenInstanceError):
        case.name = "another"  # type: ignore[misc]


def test_the_decorator_leaves_the_class_as_it_is_and_is_not_inherited() -> None:
    class Plain(Doubled):
        pass

    decorated = gk.case(x=("n",))(gk.case(X, name="at a point")(Plain))
    assert decorated is Plain
    assert [case.name for case in declared(Plain)] == ["Plain", "at a point"]
    assert [bool(case.axes) for case in declared(Plain)] == [True, False]

    class Heir(Plain):
        pass

    assert declared(Heir) == ()


def test_an_autograd_function_is_checked_as_the_class_that_it_is() -> None:
    torch = pytest.importorskip("torch")

    @gk.case(lambda rng: torch.from_numpy(rng.normal(size=3)))
    class Square(torch.autograd.Function):  # type: ignore[name-defined,misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            return 2.0 * ctx.saved_tensors[0] * cotangent

    (case,) = declared(Square)
    assert case.run().verdict is Verdict.PASS


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing to check at": (lambda: gk.Case(Sigmoid()), r"neither inputs nor axes; pass inputs=\(x,\)"),
    "two ways": (lambda: gk.Case(Sigmoid(), (X,), axes={"x": ("n",)}), "both inputs and axes"),
    "a bare array": (lambda: gk.Case(Sigmoid(), X), r"inputs is a ndarray; pass a tuple: \(x,\)"),
    "no option of a check": (
        lambda: gk.Case(Sigmoid(), (X,), options={"atol": 1}),
        "gk.examine takes no option 'atol'",
    ),
    "no option of a search": (
        lambda: gk.Case(Sigmoid(), axes={"x": ("n",)}, options={"require": 0.1}),
        "gk.explore takes no option 'require'",
    ),
    "an instance decorated": (lambda: gk.case(x=("n",))(Sigmoid()), "for classes and functions, not for a Sigmoid"),  # type: ignore[type-var]
    "a class with arguments": (lambda: gk.Case(Affine, (X,)).run(), "cannot be called without arguments"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_case_that_cannot_be_meant_is_refused(what: str) -> None:
    build, said = WRONG[what]
    with pytest.raises(gk.UsageError, match=said):
        build()

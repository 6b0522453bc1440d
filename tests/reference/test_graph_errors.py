"""What a bad call of the graph is told: what came, and what belongs."""

from typing import Any

import numpy as np
import pytest

from reference_impls.autograd import (
    Add,
    Exp,
    Function,
    MatMul,
    Mul,
    Pow,
    SoftmaxCrossEntropy,
    Square,
    SumTo,
    Transpose,
    Variable,
    gradients,
    numerical_diff,
)
from tests.refusals import expect_refusal


def cube(x: Variable) -> Variable:
    return (x * x * x).sum()


class TooMany(Square):
    def backward(self, cotangent: Variable) -> Any:
        return cotangent, cotangent


class Bare(Square):
    def backward(self, cotangent: Variable) -> Any:
        return cotangent


class Shapeless(Square):
    def backward(self, cotangent: Variable) -> Any:
        return (cotangent.sum(),)


def twice() -> None:
    square = Square()
    square(Variable(1.0))
    square(Variable(1.0))


class Narrowed(Square):
    def backward(self, cotangent: Variable) -> Any:
        return (Variable(cotangent.data.astype(np.float32)),)


ONES = Variable(np.ones((2, 3)))
BAD_CALLS: dict[str, tuple[Any, type[Exception], list[str]]] = {
    "integer data": (lambda: Variable(np.arange(3)), TypeError, ["int64", "astype(np.float64)"]),
    "list data": (lambda: Variable([1.0]), TypeError, ["list", "np.asarray"]),
    "a list beside": (lambda: ONES * [1.0], TypeError, ["Mul", "operand 1", "list"]),
    "two dtypes": (
        lambda: ONES * Variable(np.ones(3, np.float32)),
        TypeError,
        ["Mul", "operand 1 is float32", "float64", "astype"],
    ),
    "an array of another dtype": (lambda: ONES * np.ones(3, np.float32), TypeError, ["float32", "float64"]),
    "no operand": (Exp(), TypeError, ["Exp", "at least one"]),
    "called twice": (twice, RuntimeError, ["Square", "make another"]),
    "no cotangent": (ONES.backward, ValueError, ["(2, 3)", "cotangent", "sum()"]),
    "cotangent shape": (lambda: ONES.backward(np.ones(3)), ValueError, ["(3,)", "(2, 3)"]),
    "cotangent kind": (lambda: ONES.backward([1.0]), TypeError, ["cotangent", "list"]),  # type: ignore[arg-type]
    "variable cotangent shape": (lambda: gradients(ONES, [ONES], Variable(1.0)), ValueError, ["()", "(2, 3)"]),
    "variable cotangent dtype": (
        lambda: gradients(ONES, [ONES], Variable(np.ones((2, 3), np.float32))),
        TypeError,
        ["float32", "float64"],
    ),
    "not an input": (
        lambda: gradients(ONES.sum(), [ONES, Variable(1.0)]),
        ValueError,
        ["inputs[1]", "not computed from", "gradient is 0"],
    ),
    "of constants": (
        lambda: Variable(1.0, requires_grad=False).backward(),
        RuntimeError,
        ["requires a gradient", "no_grad"],
    ),
    "variable exponent": (lambda: ONES**ONES, TypeError, ["Pow", "Variable", "x ** 3"]),
    "MatMul of a vector": (lambda: MatMul()(ONES, np.ones(3)), ValueError, ["(3,)", "reshape(-1, 1)"]),
    "MatMul by a vector": (lambda: MatMul()(Variable(np.ones(2)), np.ones((2, 3))), ValueError, ["(2,)", "reshape(1"]),
    "Transpose of a vector": (lambda: Transpose()(Variable(np.ones(3))), ValueError, ["(3,)", "reshape(1, -1)"]),
    "SumTo": (lambda: SumTo((3, 3))(ONES), ValueError, ["(3, 3)", "(2, 3)"]),
    "SumTo more axes": (lambda: SumTo((1, 2, 3))(ONES), ValueError, ["(1, 2, 3)"]),
    "logits": (lambda: SoftmaxCrossEntropy(np.array([0]))(Variable(np.ones(3))), ValueError, ["(3,)", "classes"]),
    "logits of no class": (
        lambda: SoftmaxCrossEntropy(np.array([0]))(Variable(np.ones((1, 0)))),
        ValueError,
        ["(1, 0)", "at least one class"],
    ),
    "labels": (lambda: SoftmaxCrossEntropy(np.array([0, 3]))(ONES), ValueError, ["label 3 in row 1"]),
    "too many cotangents": (lambda: TooMany()(Variable(1.0)).backward(), ValueError, ["TooMany", "2", "tuple of 1"]),
    "no tuple": (lambda: Bare()(Variable(1.0)).backward(), ValueError, ["Bare", "Variable", "tuple of 1"]),
    "cotangent of another shape": (
        lambda: Shapeless()(ONES).backward(np.ones((2, 3))),
        ValueError,
        ["Shapeless", "()", "(2, 3)"],
    ),
    "cotangent of another dtype": (
        lambda: Narrowed()(Variable(1.0)).backward(),
        TypeError,
        ["Narrowed", "float32 for input 0", "float64"],
    ),
    "no forward": (lambda: Function()(ONES), NotImplementedError, ["forward"]),
    "no backward": (lambda: Function().backward(ONES), NotImplementedError, ["backward"]),
    "output too early": (lambda: Add().output, RuntimeError, ["Add", "output"]),
    "scheme": (lambda: numerical_diff(cube, ONES, scheme="backward"), ValueError, ["'backward'", "central"]),
    "h 0": (lambda: numerical_diff(cube, ONES, 0.0), ValueError, ["h is 0.0", "> 0"]),
    "h infinite": (lambda: numerical_diff(cube, ONES, np.inf), ValueError, ["h is inf", "finite"]),
    "h too small": (lambda: numerical_diff(cube, ONES, 1e-30), ValueError, ["1e-30", "rounds away"]),
    "f not scalar": (lambda: numerical_diff(lambda x: x, ONES), ValueError, ["(2, 3)", "sum()"]),
    "exponent kind": (lambda: Pow("2"), TypeError, ["str"]),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("bad_call", "error", "words"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_a_bad_call_says_what_came_and_what_belongs(bad_call: Any, error: type[Exception], words: list[str]) -> None:
    expect_refusal(bad_call, error, words)


def test_a_refused_call_leaves_the_function_free() -> None:
    product = Mul()
    with pytest.raises(TypeError):
        product(ONES, [1.0])  # type: ignore[arg-type]
    assert product(ONES, 2.0).creator is product


def test_a_variable_shows_its_data_and_its_maker() -> None:
    assert repr(Variable(1.5)) == "Variable(1.5)"
    assert repr(-Variable(1.5)) == "Variable(-1.5, made by Neg)"

"""A layer that is called in a way that cannot be meant says what came, what belongs and what to type."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference_impls.layers import (
    Add,
    Affine,
    BCELoss,
    MSELoss,
    Mul,
    ReLU,
    Sigmoid,
    SoftmaxWithLoss,
)
from tests.refusals import expect_refusal

ONES = np.ones((3, 2))
LOGITS = np.zeros((3, 4))
W = np.ones((5, 2))
B = np.zeros(2)


def after_forward(layer: Any, *inputs: Any) -> Any:
    layer.forward(*inputs)
    return layer


BAD_CALLS: dict[str, tuple[Callable[[], Any], type[Exception], list[str]]] = {
    # backward before forward
    "Add, no forward": (
        lambda: Add().backward(ONES),
        RuntimeError,
        ["Add", "before forward", "call Add.forward"],
    ),
    "Mul, no forward": (lambda: Mul().backward(ONES), RuntimeError, ["Mul", "before forward"]),
    "ReLU, no forward": (lambda: ReLU().backward(ONES), RuntimeError, ["ReLU", "before forward"]),
    "Sigmoid, no forward": (lambda: Sigmoid().backward(ONES), RuntimeError, ["Sigmoid", "before forward"]),
    "Affine, no forward": (lambda: Affine(W, B).backward(ONES), RuntimeError, ["Affine", "before forward"]),
    "Softmax, no forward": (lambda: SoftmaxWithLoss().backward(), RuntimeError, ["before forward"]),
    "MSE, no forward": (lambda: MSELoss().backward(), RuntimeError, ["MSELoss", "before forward"]),
    "BCE, no forward": (lambda: BCELoss().backward(), RuntimeError, ["BCELoss", "before forward"]),
    # inputs of a wrong shape
    "Add, no broadcast": (
        lambda: Add().forward(ONES, np.ones(3)),
        ValueError,
        ["Add", "(3, 2)", "(3,)", "do not broadcast"],
    ),
    "Affine, features": (
        lambda: Affine(W, B).forward(np.ones((3, 7))),
        ValueError,
        ["x has 7 features a row (shape (3, 7))", "W takes 5 (shape (5, 2))", "pass x with 5", "or W with 7"],
    ),
    "Affine, no batch": (lambda: Affine(W, B).forward(np.ones(5)), ValueError, ["(5,)", "x[np.newaxis, :]"]),
    "Affine, W": (lambda: Affine(np.ones(5), B), ValueError, ["W has shape (5,)", "(in, out)"]),
    "Affine, b": (lambda: Affine(W, np.ones(5)), ValueError, ["b has shape (5,)", "pass b with shape (2,)"]),
    "Softmax, logits": (
        lambda: SoftmaxWithLoss().forward(np.ones(4), np.array([1])),
        ValueError,
        ["(4,)", "(rows, classes)"],
    ),
    "Softmax, no classes": (
        lambda: SoftmaxWithLoss().forward(np.ones((3, 0)), np.array([0, 0, 0])),
        ValueError,
        ["(3, 0)", "at least one class"],
    ),
    "Softmax, labels": (
        lambda: SoftmaxWithLoss().forward(LOGITS, np.array([0, 1])),
        ValueError,
        ["labels have shape (2,)", "(3,)", "(3, 4)"],
    ),
    "MSE, column": (
        lambda: MSELoss().forward(np.ones((3, 1)), np.ones(3)),
        ValueError,
        ["target has shape (3,)", "(3, 1)", "pass target.reshape((3, 1))"],
    ),
    "BCE, shape": (
        lambda: BCELoss().forward(np.ones((3, 1)), np.ones(4)),
        ValueError,
        ["(4,)", "pass a target of shape (3, 1)"],
    ),
    # cotangents
    "Add, cotangent": (
        lambda: after_forward(Add(), ONES, ONES).backward(np.ones((2, 3))),
        ValueError,
        ["Add", "cotangent has shape (2, 3)", "the output has shape (3, 2)"],
    ),
    "ReLU, cotangent": (
        lambda: after_forward(ReLU(), ONES).backward(np.ones(2)),
        ValueError,
        ["ReLU", "(2,)", "(3, 2)"],
    ),
    "Sigmoid, number": (
        lambda: after_forward(Sigmoid(), ONES).backward(1.0),
        ValueError,
        ["cotangent has shape ()", "(3, 2)"],
    ),
    "Affine, cotangent": (
        lambda: after_forward(Affine(W, B), np.ones((3, 5))).backward(np.ones((3, 5))),
        ValueError,
        ["Affine", "(3, 5)", "(3, 2)"],
    ),
    "Affine, None": (
        lambda: after_forward(Affine(W, B), np.ones((3, 5))).backward(None),
        TypeError,
        ["cotangent is a NoneType"],
    ),
    "Softmax, cotangent": (
        lambda: after_forward(SoftmaxWithLoss(), LOGITS, np.array([0, 1, 2])).backward(np.ones(3)),
        ValueError,
        ["cotangent has shape (3,)", "the output has shape ()"],
    ),
    "MSE, complex cotangent": (
        lambda: after_forward(MSELoss(), ONES, ONES).backward(np.array(1j)),
        TypeError,
        ["cotangent is complex128"],
    ),
    "Mul, integer cotangent": (
        lambda: after_forward(Mul(), ONES, ONES).backward(np.ones((3, 2), int)),
        TypeError,
        ["cotangent is int64", "pass cotangent.astype(np.float64)"],
    ),
    # dtypes
    "Add, integers": (
        lambda: Add().forward(np.arange(3), 1.0),
        TypeError,
        ["x is int64", "pass x.astype(np.float64)"],
    ),
    "Mul, integer y": (lambda: Mul().forward(2.0, np.arange(3)), TypeError, ["y is int64", "y.astype"]),
    "Mul, bool": (lambda: Mul().forward(2.0, True), TypeError, ["y is a bool"]),
    "ReLU, integers": (
        lambda: ReLU().forward(np.arange(3)),
        TypeError,
        ["x is int64", "x.astype(np.float64)"],
    ),
    "ReLU, complex": (
        lambda: ReLU().forward(np.ones(3, complex)),
        TypeError,
        ["x is complex128", "pass x.real"],
    ),
    "Sigmoid, list": (
        lambda: Sigmoid().forward([1.0, 2.0]),
        TypeError,
        ["x is a list", "np.asarray(x, dtype=np.float64)"],
    ),
    "Sigmoid, text": (lambda: Sigmoid().forward(np.array(["a"])), TypeError, ["x has dtype <U1"]),
    "Sigmoid, byte order": (lambda: Sigmoid().forward(np.ones(3, ">f4")), TypeError, [">f4", "x.astype"]),
    "Affine, x": (
        lambda: Affine(W, B).forward(np.ones((3, 5), np.float32)),
        TypeError,
        ["x is float32, W is float64", "pass x.astype(np.float64)"],
    ),
    "Affine, dtype of b": (
        lambda: Affine(W, B.astype(np.float32)),
        TypeError,
        ["b is float32, W is float64", "pass b.astype(np.float64)"],
    ),
    "Affine, integer W": (
        lambda: Affine(W.astype(int), B),
        TypeError,
        ["W is int64", "W.astype(np.float64)"],
    ),
    "Softmax, integers": (
        lambda: SoftmaxWithLoss().forward(LOGITS.astype(int), np.array([0, 1, 2])),
        TypeError,
        ["logits is int64", "logits.astype(np.float64)"],
    ),
    "MSE, integers": (
        lambda: MSELoss().forward(np.arange(3), np.ones(3)),
        TypeError,
        ["prediction is int64"],
    ),
    "MSE, number": (lambda: MSELoss().forward(1.0, np.ones(())), TypeError, ["prediction is a float"]),
    "BCE, list": (lambda: BCELoss().forward(np.ones(2), [0.0, 1.0]), TypeError, ["target is a list"]),
    # labels
    "label too large": (
        lambda: SoftmaxWithLoss().forward(LOGITS, np.array([0, 4, 5])),
        ValueError,
        ["label 4 in row 1", "from 0 to 3"],
    ),
    "label negative": (
        lambda: SoftmaxWithLoss().forward(LOGITS, np.array([0, 1, -1])),
        ValueError,
        ["label -1 in row 2", "from 0 to 3"],
    ),
    "labels float": (
        lambda: SoftmaxWithLoss().forward(LOGITS, np.array([0.0, 1.0, 2.0])),
        TypeError,
        ["shape (3,)", "float64", "labels.astype(np.int64)"],
    ),
    "labels bool": (
        lambda: SoftmaxWithLoss().forward(LOGITS, np.array([True, False, True])),
        TypeError,
        ["bool", "labels.astype(np.int64)"],
    ),
    "labels complex": (
        lambda: SoftmaxWithLoss().forward(LOGITS, LOGITS.astype(complex)),
        TypeError,
        ["labels is complex128"],
    ),
    # values
    "probability above 1": (
        lambda: BCELoss().forward(np.array([[0.5, 1.5]]), np.ones((1, 2))),
        ValueError,
        ["probability is 1.5 at index (0, 1)", "[0, 1]", "Sigmoid"],
    ),
    "probabilities below 0": (
        lambda: BCELoss().forward(np.array([0.5, -0.25, -0.5]), np.ones(3)),
        ValueError,
        ["probability is -0.25 at index (1,)"],
    ),
    "probability nan": (
        lambda: BCELoss().forward(np.array([np.nan]), np.ones(1)),
        ValueError,
        ["probability is nan at index (0,)"],
    ),
    "target above 1": (lambda: BCELoss().forward(np.ones(1), np.array([2.0])), ValueError, ["target is 2.0"]),
    "Softmax, reduction": (
        lambda: SoftmaxWithLoss("none"),
        ValueError,
        ["SoftmaxWithLoss", "'none'", '"mean"'],
    ),
    "MSE, reduction": (lambda: MSELoss("avg"), ValueError, ["MSELoss", "'avg'", '"mean" or "sum"']),
    "BCE, reduction": (lambda: BCELoss(None), ValueError, ["BCELoss", "None"]),
}


@pytest.mark.parametrize(("bad_call", "error", "words"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_a_bad_call_says_what_came_what_belongs_and_what_to_type(
    bad_call: Callable[[], Any], error: type[Exception], words: list[str]
) -> None:
    expect_refusal(bad_call, error, words)

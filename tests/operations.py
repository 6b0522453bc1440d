"""One table of the graph's operations: each beside its torch twin, and where it can be differentiated."""

# ruff: noqa: PLW0108 - a function is one node of one graph: every call of a lambda makes its own

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from reference_impls.autograd import (
    Add,
    Broadcast,
    Div,
    Exp,
    MatMul,
    Mul,
    Neg,
    Pow,
    ReLU,
    Reshape,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Square,
    Sub,
    Sum,
    SumTo,
    Tanh,
    Transpose,
    Variable,
)

Array = npt.NDArray[Any]
Rng = np.random.Generator
LABELS = np.array([2, 0, 1, 2])
SOFT = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0]])


def normal(*shapes: tuple[int, ...]) -> Callable[[Rng], tuple[Array, ...]]:
    return lambda g: tuple(g.normal(size=shape) for shape in shapes)


def off_zero(*shapes: tuple[int, ...]) -> Callable[[Rng], tuple[Array, ...]]:
    return lambda g: tuple(g.uniform(0.5, 1.5, shape) * g.choice([-1.0, 1.0], shape) for shape in shapes)


def positive(*shapes: tuple[int, ...]) -> Callable[[Rng], tuple[Array, ...]]:
    return lambda g: tuple(g.uniform(0.5, 2.0, shape) for shape in shapes)


@dataclass(frozen=True)
class Operation:
    """An operation as both sides write it, and how its inputs are drawn."""

    ours: Callable[..., Variable]
    theirs: Callable[..., torch.Tensor]
    draw: Callable[[Rng], tuple[Array, ...]]


OPERATIONS: dict[str, Operation] = {
    "Add": Operation(lambda x, y: Add()(x, y), torch.add, normal((3, 4), (3, 4))),
    "Add, broadcast": Operation(lambda x, y: x + y, torch.add, normal((3, 1, 4), (2, 1))),
    "Add, a number": Operation(lambda x: 2.5 + x, lambda x: 2.5 + x, normal((3,))),
    "Sub": Operation(lambda x, y: Sub()(x, y), torch.sub, normal((3, 4), (3, 4))),
    "Sub, broadcast": Operation(lambda x, y: x - y, torch.sub, normal((4,), (3, 1))),
    "Sub, from a number": Operation(lambda x: 1.5 - x, lambda x: 1.5 - x, normal((3,))),
    "Mul": Operation(lambda x, y: Mul()(x, y), torch.mul, normal((3, 4), (3, 4))),
    "Mul, broadcast": Operation(lambda x, y: x * y, torch.mul, normal((3, 4), ())),
    "Mul, with itself": Operation(lambda x: x * x * x, lambda x: x * x * x, normal((5,))),
    "Div": Operation(lambda x, y: Div()(x, y), torch.div, off_zero((3, 4), (3, 4))),
    "Div, broadcast": Operation(lambda x, y: x / y, torch.div, off_zero((4,), (3, 1))),
    "Div, a number": Operation(lambda x: 2.0 / x, lambda x: 2.0 / x, off_zero((5,))),
    "Neg": Operation(lambda x: Neg()(x), torch.neg, normal((2, 3))),
    "Square": Operation(lambda x: Square()(x), torch.square, normal((2, 3))),
    "Pow, cube": Operation(lambda x: Pow(3)(x), lambda x: x**3, normal((2, 3))),
    "Pow, root": Operation(lambda x: x**0.5, lambda x: x**0.5, positive((2, 3))),
    "Pow, reciprocal": Operation(lambda x: x**-1, lambda x: x**-1, off_zero((2, 3))),
    "Pow, one": Operation(lambda x: x**1 * x, lambda x: x**1 * x, off_zero((2, 3))),
    "Exp": Operation(lambda x: Exp()(x), torch.exp, normal((2, 3))),
    "Sum": Operation(lambda x: Sum()(Square()(x)), lambda x: x.square().sum(), normal((2, 3))),
    "Sum, one axis": Operation(lambda x: Square()(x.sum(1)), lambda x: x.sum(1).square(), normal((2, 3, 2))),
    "Sum, last axis kept": Operation(
        lambda x: x * x.sum(-1, keepdims=True), lambda x: x * x.sum(-1, keepdim=True), normal((2, 3))
    ),
    "Sum, two axes": Operation(lambda x: Square()(x.sum((0, 2))), lambda x: x.sum((0, 2)).square(), normal((2, 3, 2))),
    "MatMul": Operation(lambda x, y: MatMul()(x, y), torch.matmul, normal((3, 4), (4, 2))),
    "MatMul, stacks": Operation(lambda x, y: x @ y, torch.matmul, normal((2, 1, 3, 4), (5, 4, 2))),
    "Transpose": Operation(lambda x: Square()(Transpose()(x)), lambda x: x.mT.square(), normal((2, 3, 4))),
    "Reshape": Operation(lambda x: Square()(Reshape((3, -1))(x)), lambda x: x.reshape(3, -1).square(), normal((2, 6))),
    "Broadcast": Operation(
        lambda x: Square()(Broadcast((2, 3, 4))(x)), lambda x: x.expand(2, 3, 4).square(), normal((3, 1))
    ),
    "SumTo": Operation(lambda x: Square()(SumTo((3, 1))(x)), lambda x: x.sum_to_size(3, 1).square(), normal((2, 3, 4))),
    "ReLU": Operation(lambda x: Square()(ReLU()(x)), lambda x: x.relu().square(), off_zero((3, 4))),
    "Sigmoid": Operation(lambda x: Sigmoid()(x), torch.sigmoid, normal((3, 4))),
    "Tanh": Operation(lambda x: Tanh()(x), torch.tanh, normal((3, 4))),
    "Softmax": Operation(lambda x: Softmax()(x), lambda x: x.softmax(1), normal((4, 3))),
    "SoftmaxCrossEntropy": Operation(
        lambda x: SoftmaxCrossEntropy(LABELS)(x),
        lambda x: functional.cross_entropy(x, torch.tensor(LABELS)),
        normal((4, 3)),
    ),
    "SoftmaxCrossEntropy, one row of one class": Operation(
        lambda x: SoftmaxCrossEntropy(np.array([0]))(x),
        lambda x: functional.cross_entropy(x, torch.tensor([0])),
        normal((1, 1)),
    ),
    "SoftmaxCrossEntropy, one row": Operation(
        lambda x: SoftmaxCrossEntropy(LABELS[:1])(x),
        lambda x: functional.cross_entropy(x, torch.tensor(LABELS[:1])),
        normal((1, 3)),
    ),
    "SoftmaxCrossEntropy, soft labels": Operation(
        lambda x: SoftmaxCrossEntropy(SOFT)(x),
        lambda x: functional.cross_entropy(x, torch.tensor(SOFT, dtype=x.dtype)),
        normal((4, 3)),
    ),
}

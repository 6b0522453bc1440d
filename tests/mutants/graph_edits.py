"""Edits of the graph's operations: their derivatives, and the derivatives of those."""

# ruff: noqa: PLW0108 - a function is one node of one graph: every call of a lambda makes its own

from collections.abc import Callable
from typing import Any

import numpy as np

import gradcheck_kit as gk
from reference_impls.autograd import (
    Broadcast,
    Div,
    Exp,
    MatMul,
    Mul,
    Pow,
    ReLU,
    Reshape,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Square,
    Sub,
    Sum,
    Tanh,
    Variable,
    gradients,
)
from tests.mutants.planting import Array, Build, Mutant, Rng, off_zero, one, two

Graph = Callable[..., Variable]
Cotangents = tuple[Variable, ...]
LABELS = np.array([2, 0, 1, 2])


class MulDoesNotSwap(Mul):
    def backward(self, cotangent: Variable) -> Cotangents:
        x, y = self.inputs
        return cotangent * x, cotangent * y


class SubForgetsTheSign(Sub):
    def backward(self, cotangent: Variable) -> Cotangents:
        return cotangent, cotangent


class DivDividesOnce(Div):
    def backward(self, cotangent: Variable) -> Cotangents:
        x, y = self.inputs
        return cotangent / y, -cotangent * x / y


class SquareLosesTheTwo(Square):
    def backward(self, cotangent: Variable) -> Cotangents:
        return (cotangent * self.inputs[0],)


class PowKeepsTheExponent(Pow):
    def backward(self, cotangent: Variable) -> Cotangents:
        return (cotangent * (self.exponent * self.inputs[0] ** self.exponent),)


class ExpOfTheInput(Exp):
    def backward(self, cotangent: Variable) -> Cotangents:
        return (cotangent * self.inputs[0],)


class SumAverages(Sum):
    def backward(self, cotangent: Variable) -> Cotangents:
        (dx,) = super().backward(cotangent)
        assert dx is not None
        return (dx * (cotangent.data.size / dx.data.size),)


class BroadcastTakesTheFirstRow(Broadcast):
    def backward(self, cotangent: Variable) -> Cotangents:
        first = np.zeros(cotangent.shape)
        first[0] = 1.0
        return ((cotangent * first).sum(0),)


class ReshapeInColumnOrder(Reshape):
    def backward(self, cotangent: Variable) -> Cotangents:
        rows, columns = self.inputs[0].shape
        return (cotangent.reshape(columns, rows).T,)


class MatMulForgetsToTranspose(MatMul):
    def backward(self, cotangent: Variable) -> Cotangents:
        x, y = self.inputs
        return cotangent @ y, x.T @ cotangent


class MatMulInTheOtherOrder(MatMul):
    def backward(self, cotangent: Variable) -> Cotangents:
        x, y = self.inputs
        return cotangent @ y.T, cotangent @ x.T


class TanhOfTheInput(Tanh):
    def backward(self, cotangent: Variable) -> Cotangents:
        (x,) = self.inputs
        return (cotangent * (1.0 - x * x),)


class SigmoidWithoutComplement(Sigmoid):
    def backward(self, cotangent: Variable) -> Cotangents:
        return (cotangent * self.output,)


class ReLUMasksByCotangent(ReLU):
    def backward(self, cotangent: Variable) -> Cotangents:
        return (ReLU()(cotangent),)


class SoftmaxElementByElement(Softmax):
    def backward(self, cotangent: Variable) -> Cotangents:
        return (cotangent * self.output * (1.0 - self.output),)


class CrossEntropyForgetsTheMean(SoftmaxCrossEntropy):
    def backward(self, cotangent: Variable) -> Cotangents:
        (dx,) = super().backward(cotangent)
        assert dx is not None
        return (dx * float(len(self.labels)),)


class CrossEntropyIgnoresTheCotangent(SoftmaxCrossEntropy):
    def backward(self, cotangent: Variable) -> Cotangents:
        (dx,) = super().backward(cotangent * 0.0 + 1.0)
        assert dx is not None
        return (dx,)


class ExpLeavesTheGraph(Exp):
    """Right as a number, and a constant to whoever differentiates it."""

    def backward(self, cotangent: Variable) -> Cotangents:
        return (cotangent * self.output.data,)


class TanhLeavesTheGraph(Tanh):
    def backward(self, cotangent: Variable) -> Cotangents:
        return (cotangent * (1.0 - self.output.data**2),)


def _subject(title: str, forward: Graph, backward: Graph, points: tuple[Array, ...]) -> gk.Subject:
    """The value of one graph with the backward of another."""

    def vjp(cotangent: Array, *arrays: Array) -> tuple[Array, ...]:
        variables = [Variable(array) for array in arrays]
        return tuple(found.data for found in gradients(backward(*variables), variables, cotangent))

    def value(*arrays: Array) -> Array:
        return forward(*map(Variable, arrays)).data

    return gk.function(value, *points, vjp=vjp, names=("x", "y")[: len(points)], name=title)


def graph(
    name: str,
    right: Graph,
    wrong: Graph,
    draw: Callable[[Rng], tuple[Any, ...]],
    input: str = "x",
    cause: str | None = None,
    question: str = "directional",
) -> Mutant:
    """An operation and its wrong version, which computes the same values."""

    def build(title: str, backward: Graph) -> Build:
        return lambda g: _subject(title, right, backward, draw(g))

    return Mutant(name, build(f"right {name}", right), build(name, wrong), question, input, cause)


def slope_of(f: Graph) -> Graph:
    """The derivative of the sum of f(x) · x, as a graph."""

    def slope(x: Variable) -> Variable:
        (found,) = gradients((f(x) * x).sum(), [x], create_graph=True)
        return found

    return slope


def detached(x: Variable) -> Variable:
    return Variable(x.data, requires_grad=False)


GRAPH_EDITS = (
    graph(
        "graph: Mul does not swap",
        lambda x, y: x * y,
        lambda x, y: MulDoesNotSwap()(x, y),
        two((3, 4), (3, 4)),
        "x",
        "swapped-gradients",
    ),
    graph(
        "graph: Sub forgets the sign",
        lambda x, y: x - y,
        lambda x, y: SubForgetsTheSign()(x, y),
        two((3, 4), (3, 4)),
        "y",
        "sign-flip",
    ),
    graph(
        "graph: Div divides once",
        lambda x, y: x / y,
        lambda x, y: DivDividesOnce()(x, y),
        lambda g: (*off_zero(3, 4)(g), *off_zero(3, 4)(g)),
        "y",
        "extra-factor",
    ),
    graph(
        "graph: Square loses the 2",
        lambda x: x * x,
        lambda x: SquareLosesTheTwo()(x),
        one(3, 4),
        "x",
        "constant-factor",
    ),
    graph(
        "graph: Pow keeps the exponent",
        lambda x: x**3,
        lambda x: PowKeepsTheExponent(3)(x),
        one(3, 4),
        "x",
        "extra-factor",
    ),
    graph("graph: Exp of the input", lambda x: Exp()(x), lambda x: ExpOfTheInput()(x), one(3, 4), "x", "wrong-factor"),
    graph(
        "graph: Sum averages", lambda x: x.sum(0), lambda x: SumAverages(0)(x), one(3, 4), "x", "averaged-not-summed"
    ),
    graph(
        "graph: Broadcast takes the first row",
        lambda x: Broadcast((3, 4))(x),
        lambda x: BroadcastTakesTheFirstRow((3, 4))(x),
        one(4),
        "x",
        "missing-sum",
    ),
    graph(
        "graph: Reshape in column order",
        lambda x: x.reshape(12),
        lambda x: ReshapeInColumnOrder((12,))(x),
        one(3, 4),
    ),
    graph(
        "graph: MatMul forgets to transpose",
        lambda x, y: x @ y,
        lambda x, y: MatMulForgetsToTranspose()(x, y),
        two((3, 3), (3, 3)),
    ),
    graph(
        "graph: MatMul in the other order",
        lambda x, y: x @ y,
        lambda x, y: MatMulInTheOtherOrder()(x, y),
        two((3, 3), (3, 3)),
        "y",
    ),
    graph(
        "graph: Tanh of the input", lambda x: Tanh()(x), lambda x: TanhOfTheInput()(x), one(3, 4), "x", "wrong-factor"
    ),
    graph(
        "graph: Sigmoid loses (1 - out)",
        lambda x: Sigmoid()(x),
        lambda x: SigmoidWithoutComplement()(x),
        one(3, 4),
        "x",
        "missing-factor",
    ),
    graph(
        "graph: ReLU masks by the cotangent",
        lambda x: ReLU()(x),
        lambda x: ReLUMasksByCotangent()(x),
        off_zero(3, 4),
        "x",
        "nonlinear-in-cotangent",
        "linearity",
    ),
    graph(
        "graph: Softmax alone, element by element",
        lambda x: Softmax()(x),
        lambda x: SoftmaxElementByElement()(x),
        one(4, 3),
    ),
    graph(
        "graph: cross entropy forgets the mean",
        lambda x: SoftmaxCrossEntropy(LABELS)(x),
        lambda x: CrossEntropyForgetsTheMean(LABELS)(x),
        one(4, 3),
        "x",
        "summed-not-averaged",
    ),
    graph(
        "graph: cross entropy ignores its cotangent",
        lambda x: SoftmaxCrossEntropy(LABELS)(x),
        lambda x: CrossEntropyIgnoresTheCotangent(LABELS)(x),
        one(4, 3),
        "x",
        "cotangent-ignored",
        "linearity",
    ),
    graph(
        "graph: one of two ways is cut", lambda x: x * x, lambda x: x * detached(x), one(3, 4), "x", "constant-factor"
    ),
    graph(
        "graph: the derivative of Exp is a constant",
        slope_of(lambda x: Exp()(x)),
        slope_of(lambda x: ExpLeavesTheGraph()(x)),
        one(3, 4),
    ),
    graph(
        "graph: the derivative of Tanh is a constant",
        slope_of(lambda x: Tanh()(x)),
        slope_of(lambda x: TanhLeavesTheGraph()(x)),
        one(3, 4),
    ),
)

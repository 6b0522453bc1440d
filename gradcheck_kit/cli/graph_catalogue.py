"""Which operations of the graph are verified, at which points, and which torch function is their twin."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck_kit.cli.catalogue import Entry
from reference_impls import autograd
from reference_impls.autograd import Function, Variable, gradients
from reference_impls.autograd.operations.activations import Blocked
from reference_impls.autograd.operations.shapes import Copy

BLOCKED = np.arange(12).reshape(3, 4) % 3 == 0
LABELS = np.array([2, 0, 1, 2])

DType = type[np.floating[Any]]
Values = npt.NDArray[Any]
Draw = Callable[[np.random.Generator], tuple[Values, ...]]


class OnGraph:
    """An operation of the graph as a layer: each forward makes a node, and backward asks for its gradients."""

    def __init__(self, operation: Callable[[], Function]) -> None:
        self._operation = operation

    def forward(self, *operands: Values) -> Values:
        """Compute the operation of the arrays."""
        self._inputs = [Variable(operand) for operand in operands]
        self._output = self._operation()(*self._inputs)
        return self._output.data

    def backward(self, cotangent: Values) -> tuple[Values, ...]:
        """Compute one gradient for each operand."""
        return tuple(np.array(found.data) for found in gradients(self._output, self._inputs, cotangent))


def _normal(*shapes: tuple[int, ...]) -> Draw:
    return lambda g: tuple(g.normal(size=shape) for shape in shapes)


def _off_zero(*shapes: tuple[int, ...]) -> Draw:
    return lambda g: tuple(g.uniform(0.5, 1.5, shape) * g.choice([-1.0, 1.0], shape) for shape in shapes)


def _entry(name: str, operation: Callable[[], Function], draw: Draw) -> Entry:
    def drawn(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
        return OnGraph(operation), tuple(np.asarray(values, dtype) for values in draw(g))

    return Entry(f"{name} (graph)", drawn)


GRAPH_CATALOGUE = (
    _entry("Add", autograd.Add, _normal((3, 1, 4), (2, 1))),
    _entry("Sub", autograd.Sub, _normal((4,), (3, 1))),
    _entry("Mul", autograd.Mul, _normal((3, 1, 4), (2, 1))),
    _entry("Div", autograd.Div, _off_zero((4,), (3, 1))),
    _entry("Neg", autograd.Neg, _normal((3, 4))),
    _entry("Square", autograd.Square, _normal((3, 4))),
    _entry("Pow", lambda: autograd.Pow(3), _normal((3, 4))),
    _entry("Exp", autograd.Exp, _normal((3, 4))),
    _entry("MatMul", autograd.MatMul, _normal((2, 1, 3, 4), (5, 4, 2))),
    _entry("Transpose", autograd.Transpose, _normal((2, 3, 4))),
    _entry("Copy", Copy, _normal((3, 4))),
    _entry("Reshape", lambda: autograd.Reshape((3, -1)), _normal((2, 6))),
    _entry("Sum", lambda: autograd.Sum((0, 2)), _normal((2, 3, 2))),
    _entry("Broadcast", lambda: autograd.Broadcast((2, 3, 4)), _normal((3, 1))),
    _entry("SumTo", lambda: autograd.SumTo((3, 1)), _normal((2, 3, 4))),
    _entry("ReLU", autograd.ReLU, _off_zero((3, 4))),
    _entry("Blocked", lambda: Blocked(BLOCKED), _normal((3, 4))),
    _entry("Sigmoid", autograd.Sigmoid, _normal((3, 4))),
    _entry("Tanh", autograd.Tanh, _normal((3, 4))),
    _entry("Softmax", autograd.Softmax, _normal((4, 3))),
    _entry("SoftmaxCrossEntropy", lambda: autograd.SoftmaxCrossEntropy(LABELS), _normal((4, 3))),
)
"""Every operation of `reference_impls.autograd`; a test compares this with what the package exports."""

GRAPH_TWINS: dict[str, Callable[..., Any]] = {
    "Add (graph)": lambda x, y: x + y,
    "Sub (graph)": lambda x, y: x - y,
    "Mul (graph)": lambda x, y: x * y,
    "Div (graph)": lambda x, y: x / y,
    "Neg (graph)": lambda x: -x,
    "Square (graph)": lambda x: x.square(),
    "Pow (graph)": lambda x: x**3,
    "Exp (graph)": lambda x: x.exp(),
    "MatMul (graph)": lambda x, y: x @ y,
    "Transpose (graph)": lambda x: x.mT,
    "Copy (graph)": lambda x: x.clone(),
    "Reshape (graph)": lambda x: x.reshape(3, -1),
    "Sum (graph)": lambda x: x.sum((0, 2)),
    "Broadcast (graph)": lambda x: x.expand(2, 3, 4),
    "SumTo (graph)": lambda x: x.sum_to_size(3, 1),
    "ReLU (graph)": lambda x: x.relu(),
    "Blocked (graph)": lambda x: x.masked_fill(x.new_tensor(BLOCKED).bool(), 0.0),
    "Sigmoid (graph)": lambda x: x.sigmoid(),
    "Tanh (graph)": lambda x: x.tanh(),
    "Softmax (graph)": lambda x: x.softmax(1),
    "SoftmaxCrossEntropy (graph)": lambda x: (x.logsumexp(1) - x[range(len(LABELS)), LABELS]).mean(),
}
"""Each operation on tensors, in the order of its operands."""

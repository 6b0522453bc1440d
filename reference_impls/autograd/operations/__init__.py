"""The operations of the graph, each with its derivative written in operations of the graph."""

from reference_impls.autograd.operations.activations import ReLU, Sigmoid, Tanh
from reference_impls.autograd.operations.arithmetic import Add, Div, Exp, Mul, Neg, Pow, Square, Sub
from reference_impls.autograd.operations.matrices import MatMul, Transpose
from reference_impls.autograd.operations.shapes import Broadcast, Copy, Reshape, Sum, SumTo
from reference_impls.autograd.operations.softmax import Softmax, SoftmaxCrossEntropy

__all__ = [
    "Add",
    "Broadcast",
    "Copy",
    "Div",
    "Exp",
    "MatMul",
    "Mul",
    "Neg",
    "Pow",
    "ReLU",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Square",
    "Sub",
    "Sum",
    "SumTo",
    "Tanh",
    "Transpose",
]

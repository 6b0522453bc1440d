"""Define-by-run differentiation: computing with ``Variable`` records a graph, and ``backward`` walks it.

``y = Exp()(x)`` and ``y = a * b + c`` compute at once and leave behind which ``Function`` made y of which inputs.
``y.backward()`` then puts the derivative of y into the ``grad`` of every variable that y was computed from;
``gradients(y, [x])`` returns it instead, and with ``create_graph=True`` as a graph that can be differentiated
again. ``with no_grad():`` records nothing. ``numerical_diff`` is the check beside it.

What the graph promises:

- it is walked in a loop and not by recursion, so its depth is bounded by memory alone;
- nothing in it refers back to an output, so a graph is freed when its last output is, without garbage collection;
- within a pass the cotangents of a variable that is used several times add up; between passes nothing adds
  up: a second ``backward`` replaces ``grad``, as a layer's backward replaces ``grads``.
"""

from reference_impls.autograd.function import Function
from reference_impls.autograd.gradients import gradients
from reference_impls.autograd.mode import no_grad
from reference_impls.autograd.numerical import numerical_diff
from reference_impls.autograd.operations import (
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
)
from reference_impls.autograd.variable import Variable

__all__ = [
    "Add",
    "Broadcast",
    "Div",
    "Exp",
    "Function",
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
    "Variable",
    "gradients",
    "no_grad",
    "numerical_diff",
]

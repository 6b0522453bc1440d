"""Function: how one output was made of its inputs, and how its cotangent becomes theirs."""

import weakref
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np

from reference_impls.autograd.mode import is_recording
from reference_impls.layers.layer import Array

if TYPE_CHECKING:
    from reference_impls.autograd.variable import Variable

Operand: TypeAlias = Union["Variable", Array, float]
Cotangents: TypeAlias = tuple["Variable | None", ...]


class Function:
    """Base class of the operations. ``Square()(x)`` computes, and joins the graph.

    A subclass writes

    - ``forward(*arrays)``: the output array of the inputs' arrays; it may put what it needs into attributes;
    - ``backward(cotangent)``: one cotangent for each input, None for an input that has no derivative. It computes
      with variables, so that it is itself a graph when derivatives of derivatives are asked for, and finds
      the inputs and the output of the call as ``self.inputs`` and ``self.output``.

    An instance is one node of one graph, so it can be called once. It refers strongly to its inputs and weakly to
    its output: the output refers to it, and a strong reference back would keep both alive.
    """

    inputs: tuple["Variable", ...] = ()
    generation = 0  # more than that of every function the inputs came from
    _called = False
    _output: "weakref.ref[Variable] | None" = None

    def __call__(self, *operands: Operand) -> "Variable":
        """Return ``forward`` of the operands as a variable, of the operands' dtype.

        Args:
            operands: variables of one dtype; NumPy arrays of that dtype and Python numbers are constants.

        Raises:
            RuntimeError: this instance has been called before.
            TypeError: an operand is of no such kind, or the dtypes differ.
            ValueError: the shapes do not fit the operation.
        """
        # Here, because variable.py imports the operations, and they this file.
        from reference_impls.autograd.variable import Variable, as_variables

        name = type(self).__name__
        if self._called:
            raise RuntimeError(f"{name}: this instance is a node of a graph already; make another, {name}(...)")
        inputs = as_variables(name, operands)
        data = np.asarray(self.forward(*(x.data for x in inputs)), dtype=inputs[0].dtype)
        self._called = True
        if not is_recording() or not any(x.requires_grad for x in inputs):
            return Variable(data, requires_grad=False)
        output = Variable(data)
        output.creator = self
        self.inputs = inputs
        self.generation = 1 + max(x.generation for x in inputs)
        self._output = weakref.ref(output)
        return output

    @property
    def output(self) -> "Variable":
        """What the call returned; during backward it is alive, because the graph above refers to it.

        Raises:
            RuntimeError: nothing refers to it any more.
        """
        output = self._output() if self._output is not None else None
        if output is None:
            raise RuntimeError(f"{type(self).__name__}: the output of this call is gone; keep the variable")
        return output

    def forward(self, *arrays: Array) -> Array:
        """Compute the output array.

        Raises:
            NotImplementedError: a subclass lacks it.
        """
        raise NotImplementedError(f"{type(self).__name__}: write forward(*arrays) -> array")

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Compute the inputs' cotangents from the output's.

        Raises:
            NotImplementedError: a subclass lacks it.
        """
        raise NotImplementedError(f"{type(self).__name__}: write backward(cotangent) -> (one for each input,)")

"""Variable: an array that remembers how it was made."""

from typing import Any

import numpy as np

from reference_impls.autograd.function import Function, Operand
from reference_impls.autograd.operations import Add, Div, MatMul, Mul, Neg, Pow, Reshape, Sub, Sum, Transpose
from reference_impls.autograd.walk import propagate
from reference_impls.layers.arguments import cotangent_array, float_array, is_python_number, same_dtype
from reference_impls.layers.layer import Array


class Variable:
    """A float16/32/64 array, its gradient, and the function that made it.

    Attributes:
        data: the array itself, not a copy: an optimizer may update it in place, but not between computing with
            it and backward.
        grad: after ``backward``, the gradient: a variable of data's shape and dtype; None before.
        creator: the function whose output this is; None for a leaf, a variable that the user made.
        requires_grad: whether backward goes here. Constants and all that is computed under ``no_grad`` do not.

    ``+ - * / @ **`` work with other variables and, as constants, with NumPy arrays and Python numbers; shapes
    broadcast as NumPy's do. Both sides of an operator have one dtype.
    """

    __slots__ = ("__weakref__", "creator", "data", "grad", "requires_grad")
    __array_ufunc__ = None  # so that array * variable asks the variable

    def __init__(self, data: Array | float, *, requires_grad: bool = True) -> None:
        """Make a leaf of an array, or of a Python number, which becomes float64.

        Raises:
            TypeError: data is no float16, float32 or float64 array and no Python number.
        """
        array = np.asarray(float(data)) if is_python_number(data) else data
        self.data: Array = float_array("Variable", "data", array)
        self.grad: Variable | None = None
        self.creator: Function | None = None
        self.requires_grad = requires_grad

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self.data.dtype

    @property
    def generation(self) -> int:
        """The number of functions on the longest way from a leaf to here."""
        return 0 if self.creator is None else self.creator.generation

    def backward(self, cotangent: Array | float | None = None, *, retain_grads: bool = False) -> None:
        """Set ``grad`` of every leaf that this variable was computed from.

        A grad that an earlier backward left there is replaced and not added to; if this raises, none has
        changed. For derivatives of derivatives see ``gradients``: a grad that is itself a graph would refer to
        the variable that holds it.

        Args:
            cotangent: the derivative of some scalar with respect to this variable, of its shape. May be left
                out for a variable of one element, and is then 1.
            retain_grads: set ``grad`` of this variable and of the intermediate ones too.

        Raises:
            RuntimeError: this variable depends on none that requires a gradient.
            TypeError, ValueError: the cotangent is no float array of this variable's shape, or left out for
                more than one element; or a function's backward returned what does not fit its inputs.
        """
        found = propagate(self, seed(self, cotangent), lambda v: retain_grads or v.creator is None)
        for variable, gradient in found:
            variable.grad = gradient

    def clear_grad(self) -> None:
        """Set ``grad`` to None."""
        self.grad = None

    def sum(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> "Variable":
        """Return the sum over ``axis``, or over all axes."""
        return Sum(axis, keepdims=keepdims)(self)

    def reshape(self, *shape: int) -> "Variable":
        """Return the same elements in another shape; one length may be -1."""
        return Reshape(shape)(self)

    @property
    def T(self) -> "Variable":  # noqa: N802 - NumPy's name
        """The matrix, or stack of matrices, with its last two axes swapped."""
        return Transpose()(self)

    def __add__(self, other: Operand) -> "Variable":
        return Add()(self, other)

    def __radd__(self, other: Operand) -> "Variable":
        return Add()(other, self)

    def __sub__(self, other: Operand) -> "Variable":
        return Sub()(self, other)

    def __rsub__(self, other: Operand) -> "Variable":
        return Sub()(other, self)

    def __mul__(self, other: Operand) -> "Variable":
        return Mul()(self, other)

    def __rmul__(self, other: Operand) -> "Variable":
        return Mul()(other, self)

    def __truediv__(self, other: Operand) -> "Variable":
        return Div()(self, other)

    def __rtruediv__(self, other: Operand) -> "Variable":
        return Div()(other, self)

    def __matmul__(self, other: Operand) -> "Variable":
        return MatMul()(self, other)

    def __rmatmul__(self, other: Operand) -> "Variable":
        return MatMul()(other, self)

    def __pow__(self, exponent: float) -> "Variable":
        return Pow(exponent)(self)

    def __neg__(self) -> "Variable":
        return Neg()(self)

    def __repr__(self) -> str:
        made_by = "" if self.creator is None else f", made by {type(self.creator).__name__}"
        return f"Variable({self.data}{made_by})"


def as_variables(owner: str, operands: tuple[Operand, ...]) -> tuple[Variable, ...]:
    """Return the operands as variables of one dtype: arrays and Python numbers as constants.

    Raises:
        TypeError: an operand is of no such kind, or the dtypes differ, or there is no operand.
    """
    if not operands:
        raise TypeError(f"{owner}: called without operands; pass at least one Variable")
    # A Python number has no dtype of its own and takes the first one that there is.
    dtypes = [np.asarray(x.data if isinstance(x, Variable) else x).dtype for x in operands if not is_python_number(x)]
    common = dtypes[0] if dtypes else np.dtype(np.float64)
    variables = tuple(_as_variable(owner, f"operand {i}", x, common) for i, x in enumerate(operands))
    for i, variable in enumerate(variables):
        if variable.dtype != common:
            raise TypeError(
                f"{owner}: operand {i} is {variable.dtype}, an operand before it is {common}; make both from arrays "
                f"of one dtype, as Variable(array.astype(np.{common}))"
            )
    return variables


def _as_variable(owner: str, name: str, operand: Operand, dtype: np.dtype[Any]) -> Variable:
    if isinstance(operand, Variable):
        return operand
    array = np.asarray(operand, dtype) if is_python_number(operand) else operand
    return Variable(float_array(owner, name, array), requires_grad=False)


def seed(output: Variable, cotangent: Variable | Array | float | None) -> Variable:
    """Return the cotangent as a variable, 1 if it was left out for one element; errors as ``Variable.backward``."""
    if not output.requires_grad:
        raise RuntimeError(
            "Variable: backward from a variable that depends on none that requires a gradient: it was computed of "
            "constants, or under no_grad; compute it again from Variable(array), outside of no_grad"
        )
    if cotangent is None:
        if output.data.size != 1:
            # Ones would be the gradient of the sum, which hides bugs: that of a softmax's outputs is 0.
            raise ValueError(
                f"Variable: backward of shape {output.shape} needs a cotangent of that shape; "
                "pass one, or call backward on a scalar such as variable.sum()"
            )
        return Variable(np.ones(output.shape, output.dtype), requires_grad=False)
    if isinstance(cotangent, Variable):
        cotangent_array("Variable", cotangent.data, output.shape, output.dtype)
        # Cast, it would be another variable, and no derivative would reach this one.
        same_dtype("Variable", "cotangent", cotangent.data, "the output", output.data)
        return cotangent
    return Variable(cotangent_array("Variable", cotangent, output.shape, output.dtype), requires_grad=False)

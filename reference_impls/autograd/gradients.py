"""What is the gradient, without setting ``grad``, and if wanted as a graph?"""

from collections.abc import Sequence

from reference_impls.autograd.variable import Variable, seed
from reference_impls.autograd.walk import propagate
from reference_impls.layers.layer import Array


def gradients(
    output: Variable,
    inputs: Sequence[Variable],
    cotangent: Variable | Array | float | None = None,
    *,
    create_graph: bool = False,
) -> tuple[Variable, ...]:
    """Return the gradient of ``output`` with respect to each of ``inputs``, and set no ``grad``.

    With ``create_graph`` the gradients are a graph of ``inputs``, and of a cotangent that is a variable, and can
    be differentiated again:

        (dy,) = gradients(y, [x], create_graph=True)
        (ddy,) = gradients(dy, [x])

    Args:
        output: what is differentiated.
        inputs: leaves or intermediate variables that it was computed from.
        cotangent: as for ``Variable.backward``.
        create_graph: whether backward is recorded.

    Raises:
        RuntimeError: the output depends on no variable that requires a gradient.
        TypeError, ValueError: as ``Variable.backward``; or the output was not computed from one of the inputs.
    """
    wanted = {id(variable) for variable in inputs}
    found = propagate(output, seed(output, cotangent), lambda v: id(v) in wanted, create_graph=create_graph)
    by_id = {id(variable): gradient for variable, gradient in found}
    for i, variable in enumerate(inputs):
        if id(variable) not in by_id:
            raise ValueError(
                f"gradients: the output was not computed from inputs[{i}], {variable!r}, or not in a way that was "
                "recorded; leave it out, its gradient is 0"
            )
    return tuple(by_id[id(variable)] for variable in inputs)

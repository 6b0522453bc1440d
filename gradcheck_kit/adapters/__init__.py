"""From anything with a gradient to a `Subject`. One world a file; `resolve` picks one."""

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

from gradcheck_kit.adapters import function, numpy_layer
from gradcheck_kit.adapters.signature import is_nest, taken_apart
from gradcheck_kit.subject import Subject, UsageError


def resolve(
    target: Any,
    inputs: Sequence[Any],
    *,
    vjp: Callable[..., Any] | None = None,
    names: Sequence[str] | None = None,
) -> Subject:
    """The subject that `target` at `inputs` is.

    Raises:
        UsageError: there is no way to see a gradient in `target`; the message says what would be one.
    """
    if isinstance(target, Subject):
        if inputs or vjp is not None or names is not None:
            raise UsageError("a Subject brings its own inputs, names and VJP; pass it alone")
        return target
    if vjp is not None:
        return function.subject_of(target, inputs, vjp=vjp, names=names)
    if _belongs_to_torch(target, inputs):
        from gradcheck_kit.adapters import torch

        return torch.subject_of(target, inputs, names=names)
    if inspect.isclass(target):
        raise UsageError(f"{target.__name__} is a class; pass an instance, such as {target.__name__}(...)")
    if callable(getattr(target, "forward", None)) and callable(getattr(target, "backward", None)):
        return numpy_layer.subject_of(target, inputs, names=names)
    raise UsageError(_no_gradient(target, inputs))


def _belongs_to_torch(target: Any, inputs: Sequence[Any]) -> bool:
    """Whether torch's autograd supplies the VJP. torch is not imported to find out.

    Raises:
        UsageError: the target is an instance of an `autograd.Function`, which torch never calls.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    if isinstance(target, torch.nn.Module):
        return True
    if isinstance(target, torch.autograd.Function):
        name = type(target).__name__
        raise UsageError(f"this is an instance of the autograd.Function {name}; pass the class itself, {name}")
    if inspect.isclass(target) and issubclass(target, torch.autograd.Function):
        return True
    layer = hasattr(target, "forward") and hasattr(target, "backward")
    return callable(target) and not layer and any(isinstance(value, torch.Tensor) for value in inputs)


def _no_gradient(target: Any, inputs: Sequence[Any]) -> str:
    kinds = ", ".join(type(value).__name__ for value in inputs) or "no inputs"
    if any(type(value).__module__.startswith(("jax", "jaxlib")) for value in inputs):
        return "JAX arrays are not supported yet; pass NumPy arrays and vjp=lambda u, *x: jax.vjp(f, *x)[1](u)"
    if callable(target) and callable(getattr(target, "backward", None)):
        name = type(target).__name__
        return f"{name} has a backward and no forward; write `forward = __call__` into its class"
    if callable(target):
        name = getattr(target, "__name__", type(target).__name__)
        nests = [value for value in inputs if is_nest(value)]
        if nests:
            form, called = type(nests[0]).__name__, "target" if name == "<lambda>" else name
            return (
                f"{name} is a function on {kinds}; the entries of a {form} are inputs: {taken_apart(called, nests[0])}"
            )
        return (
            f"{name} is a function on {kinds} and nothing says what its gradient is; "
            "pass vjp=your_backward, called as vjp(cotangent, *inputs), or pass torch tensors; one that returns "
            "(value, gradient) is passed as gk.check(lambda *x: f(*x)[0], *inputs, vjp=lambda u, *x: u * f(*x)[1])"
        )
    lacking = [method for method in ("forward", "backward") if not callable(getattr(target, method, None))]
    return (
        f"{type(target).__name__} has no method {' and no method '.join(lacking)}; pass a layer with "
        "forward(*inputs) and backward(cotangent), a function with vjp=, or a callable on torch tensors"
    )

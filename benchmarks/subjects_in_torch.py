"""Any subject as torch's gradcheck takes it: a function of tensors, and the tensors."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import gradcheck_kit as gk

Asked = tuple[Callable[..., Any], tuple[Tensor, ...]]
PROBES = 1_000_003
"""Added to the seed: gradcheck's random vectors are not the numbers that the parameters were made of."""


def wrapped(subject: gk.Subject) -> Asked:
    """The subject's forward and pullback as an `autograd.Function`; both are given the tensors' own memory."""
    names, outputs = subject.differentiable, tuple(subject.forward(_point(subject, {})))

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Tensor) -> Any:
            ctx.save_for_backward(*tensors)
            found = subject.forward(_point(subject, dict(zip(names, tensors, strict=True))))
            returned = tuple(_tensor(found[n]) for n in outputs)
            return returned if len(returned) > 1 else returned[0]

        @staticmethod
        def backward(ctx: Any, *cotangents: Tensor) -> Any:  # type: ignore[override]
            at = _point(subject, dict(zip(names, ctx.saved_tensors, strict=True)))
            again = subject.forward(at)  # a layer's backward belongs to its latest forward
            u = {n: _viewed(subject, again[n], c) for n, c in zip(outputs, cotangents, strict=True)}
            gradients = subject.pullback(at, u)
            return tuple(None if gradients.get(n) is None else _tensor(gradients[n]) for n in names)

    return Wrapped.apply, tuple(_tensor(subject.point[n]).requires_grad_() for n in names)


def of_target(target: Any, inputs: Sequence[Tensor], seed: int, parameters: bool = True) -> Asked:
    """torch's own target as it is. The random state is the same in every call: dropout is one fixed function.

    Args:
        target: a module, an `autograd.Function` or a callable.
        inputs: its tensors; the floating-point ones are differentiated.
        seed: of torch's random state.
        parameters: whether a module's parameters join the tensors that gradcheck is given; it does not look for them.
    """
    leaves = [_leaf(x) for x in inputs]
    names: list[str] = []
    if isinstance(target, nn.Module) and parameters:
        names = [n for n, p in target.named_parameters() if p.requires_grad]
        leaves += [_leaf(p) for n, p in target.named_parameters() if p.requires_grad]
    call = getattr(target, "apply", target) if isinstance(target, type) else target

    def run(*tensors: Tensor) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            given, own = tensors[: len(inputs)], dict(zip(names, tensors[len(inputs) :], strict=True))
            returned = torch.func.functional_call(target, own, given) if names else call(*given)
        return tuple(_leaves_of(returned))

    return run, tuple(leaves)


def passes(asked: Asked, seed: int, fast: bool) -> bool:
    """torch's verdict with its default eps, atol and rtol.

    Raises:
        Exception: whatever the function under it raises.
    """
    function, inputs = asked
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that an input is not float64
        torch.manual_seed(seed + PROBES)
        return bool(torch.autograd.gradcheck(function, inputs, raise_exception=False, fast_mode=fast))


def _leaf(x: Tensor) -> Tensor:
    x = x.detach().clone()
    return x.requires_grad_() if x.is_floating_point() else x


def _leaves_of(returned: Any) -> Iterator[Any]:
    """A recurrent layer returns tuples in tuples, which gradcheck does not take."""
    if isinstance(returned, dict):
        returned = tuple(returned.values())
    if not isinstance(returned, tuple | list):
        yield returned
        return
    for one in returned:
        yield from _leaves_of(one)


def _point(subject: gk.Subject, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """A copy of the subject's point, but some inputs are the memory of tensors."""
    library = subject.library
    fixed = {n: library.copy(array) for n, array in subject.point.items() if n not in tensors}
    return {**fixed, **{n: _viewed(subject, subject.point[n], t) for n, t in tensors.items()}}


def _viewed(subject: gk.Subject, array: Any, tensor: Tensor) -> Any:
    """The tensor's memory as an array of the subject's library."""
    tensor = tensor.detach()
    return tensor if subject.library.name == "torch" else tensor.numpy().astype(array.dtype, copy=False)


def _tensor(array: Any) -> Tensor:
    return torch.as_tensor(array.detach().clone() if isinstance(array, Tensor) else np.array(array))

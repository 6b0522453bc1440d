"""Modules that a callable runs itself, such as `lambda x: module(x)`: found, and afterwards put back as they were."""

from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gradcheck_kit.adapters.held import held

DEPTH = 4  # callables within callables, containers and objects are followed no further


def modules_of(target: Any) -> list[nn.Module]:
    """The modules that a callable can be seen to hold.

    Looked through are closures, defaults and the globals that the code names, `functools.partial`, the object of a
    bound method, the attributes of a callable object, and lists, tuples and dicts of these. A module that is reached
    by other ways, such as a global inside a function of another file, is not found.
    """
    found: dict[int, nn.Module] = {}
    seen: dict[int, Any] = {}  # holds what it has seen, so that no id is used twice
    waiting = [(target, 0)]
    while waiting:
        item, depth = waiting.pop()
        if id(item) in seen or depth > DEPTH:
            continue
        seen[id(item)] = item
        if isinstance(item, nn.Module):
            found[id(item)] = item
        elif not isinstance(item, Tensor):
            waiting += [(inner, depth + 1) for inner in held(item)]
    return list(found.values())


@contextmanager
def unchanged(modules: Sequence[nn.Module], replaced: Container[int] = ()) -> Iterator[None]:
    """Afterwards the modules are as before: parameters, buffers, gradients, training mode, attributes.

    What an attribute refers to is put back, not what was done to it in place, unless it is a parameter or a buffer. Of
    tensors whose id is in `replaced` no copy is kept: others take their place in every call, and they may be large.
    """
    with ExitStack() as stack:
        for module in {id(inner): inner for outer in modules for inner in outer.modules()}.values():
            stack.enter_context(_same_attributes(module))
        tensors = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
        for tensor in {id(tensor): tensor for tensor in tensors if id(tensor) not in replaced}.values():
            stack.enter_context(_same_tensor(tensor))
        yield


@contextmanager
def _same_attributes(module: nn.Module) -> Iterator[None]:
    """What the module's attributes refer to, and the entries of its dicts: those of parameters and buffers too."""
    held = vars(module)
    before = dict(held)
    entries = [(value, dict(value)) for value in held.values() if isinstance(value, dict)]
    try:
        yield
    finally:
        for found, wanted in ((held, before), *entries):
            if [(key, id(value)) for key, value in found.items()] != [(k, id(v)) for k, v in wanted.items()]:
                found.clear()
                found.update(wanted)


@contextmanager
def _same_tensor(tensor: Tensor) -> Iterator[None]:
    """The values, the gradient and whether it is required; only what has changed is written to."""
    values, required = tensor.detach().clone(), tensor.requires_grad
    gradient = tensor.grad if tensor.is_leaf else None
    of_gradient = None if gradient is None else gradient.detach().clone()
    try:
        yield
    finally:
        with torch.no_grad():
            _put_back(tensor, values)
            if tensor.is_leaf:
                tensor.requires_grad_(required)
                tensor.grad = gradient
            if gradient is not None and of_gradient is not None:
                _put_back(gradient, of_gradient)


def _put_back(tensor: Tensor, values: Tensor) -> None:
    """By value: batch norm moves its running statistics past autograd's version counter."""
    dense = tensor.layout is torch.strided  # torch compares no others
    if not torch.equal(*((tensor, values) if dense else (tensor.to_dense(), values.to_dense()))):
        tensor.copy_(values)

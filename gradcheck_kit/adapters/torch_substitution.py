"""A module's private copy, and other tensors in the place of its own for as long as one call and its backward last."""

import copy
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn

from gradcheck_kit.adapters.held import held
from gradcheck_kit.subject import UsageError

NOTHING_INSIDE = (str, bytes, int, float, complex, type(None), np.ndarray, Tensor, type, ModuleType)
MOST = 10_000  # objects looked at through functions, whose globals lead far


@dataclass(frozen=True)
class Place:
    """Where a module holds a tensor of its own: an entry of a list or dict, of that of an object's attributes too."""

    holder: Any
    key: Any
    tensor: Tensor


def shell_of(module: nn.Module) -> nn.Module:
    """A copy that shares the module's parameters and buffers, which no call touches, and none of its other state.

    A forward may count its calls or fill a cache: in the copy's attributes, not in the caller's.

    Raises:
        UsageError: the module cannot be copied.
    """
    memo: dict[int, Any] = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:
        name = type(module).__name__
        raise UsageError(
            f"{name} cannot be copied ({type(error).__name__}: {error}), and its own state is not to be touched; "
            f"pass a function instead: lambda *inputs: {name.lower()}(*inputs)"
        ) from error


def places_of(shell: nn.Module) -> list[Place]:
    """Every place in which the copy holds one of its parameters and buffers, registered or beside: in a plain list too.

    What a copy does not make its own is left out: tuples, sets, and what functions hold in closures and globals.
    """
    own = {id(tensor) for tensor in (*shell.parameters(), *shell.buffers())}
    registers = [register for module in shell.modules() for register in (module._parameters, module._buffers)]
    holders: list[Any] = [held for held in registers if not isinstance(held, MutableMapping)]  # those of torch.jit
    for item in _reached(shell):
        holders += [item] if isinstance(item, MutableMapping | list) else []
        holders += [vars(item)] if hasattr(item, "__dict__") else []
    return [
        Place(holder, key, value)
        for holder in holders
        for key, value in (enumerate(holder) if isinstance(holder, list) else holder.items())
        if id(value) in own
    ]


@contextmanager
def substituted(places: Iterable[Place], tensors: Mapping[int, Tensor]) -> Iterator[None]:
    """Within the block other tensors, by the id of the one whose place they take, stand in these places."""
    changed = [(place, place.holder[place.key]) for place in places if id(place.tensor) in tensors]
    try:
        for place, _ in changed:
            place.holder[place.key] = tensors[id(place.tensor)]
        yield
    finally:
        for place, before in changed:
            place.holder[place.key] = before


def held_elsewhere(shell: nn.Module, tensor: Tensor) -> bool:
    """Whether a tuple, a set or a function within the copy holds this tensor, where nothing can take its place."""
    fixed = (tuple, set, frozenset, FunctionType)
    holders = islice(_reached(shell, through_functions=True), MOST)
    return any(inner is tensor for holder in holders if isinstance(holder, fixed) for inner in held(holder))


def _reached(root: Any, *, through_functions: bool = False) -> Iterator[Any]:
    """Everything that holds something and can be reached from an object, each once; tensors hold nothing."""
    seen: dict[int, Any] = {}  # holds what it has seen, so that no id is used twice
    waiting = [root]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, NOTHING_INSIDE):
            continue
        if isinstance(item, FunctionType) and not through_functions:
            continue
        seen[id(item)] = item
        yield item
        waiting += held(item)

"""A copy of a layer that shares nothing with it, in its own precision or in float64."""

import copy
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck_kit.adapters.held import held_by

NDArray = npt.NDArray[Any]
LOW_PRECISION = (np.dtype(np.float32), np.dtype(np.float16))


def private_copy(original: Any, *, float64: bool = False) -> Any:
    """A deep copy in which arrays that were views of one another still are.

    `copy.deepcopy` gives every view memory of its own, so that a layer with `self.WT = W.T` would no longer see a
    change of W. Here the copies of all views are views of one copy of their owner.

    Args:
        original: any object; arrays are found in attributes, mappings, lists and tuples.
        float64: whether every float16 and float32 array becomes float64.

    Raises:
        Exception: whatever `copy.deepcopy` raises for an object that cannot be copied.
    """
    memo: dict[int, Any] = {}
    owners: dict[int, NDArray] = {}
    for item in reachable(original, (np.ndarray, ModuleType)):
        if isinstance(item, ModuleType):  # such as self.xp = numpy: nothing to copy
            memo[id(item)] = item
        else:
            memo[id(item)] = _rebuilt(item, owners, float64)
    return copy.deepcopy(original, memo)


def _rebuilt(array: NDArray, owners: dict[int, NDArray], float64: bool) -> NDArray:
    """The copy of an array, as the same view of its owner's copy."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    dtype = np.dtype(np.float64) if float64 and array.dtype in LOW_PRECISION else array.dtype
    simple = owner.dtype == array.dtype and (owner.flags.c_contiguous or owner.flags.f_contiguous)
    if not simple or type(array) is not np.ndarray:
        return np.array(array, dtype=dtype, copy=True)
    if id(owner) not in owners:
        owners[id(owner)] = np.array(owner, dtype=dtype, order="A", copy=True).ravel(order="K")
    start = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    factor = dtype.itemsize // array.dtype.itemsize
    strides = tuple(stride * factor for stride in array.strides)
    view: NDArray = np.ndarray(array.shape, dtype, owners[id(owner)], start * factor, strides)
    view.flags.writeable = array.flags.writeable
    return view


def reachable(root: Any, kinds: tuple[type, ...]) -> Iterator[Any]:
    """Everything of these kinds that can be reached from an object, each once; nothing is looked for inside it."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type):
            continue
        seen.add(id(item))
        if isinstance(item, kinds):
            yield item
        elif isinstance(item, Mapping):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            waiting.extend(item)
        else:
            waiting.extend(held_by(item).values())

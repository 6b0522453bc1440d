"""In which order is a graph walked back? By generation, the latest function first.

A function's generation is more than that of every function its inputs came from. So when it is its turn, all
functions that used its output have had theirs, and the output's cotangent is complete: diamonds and reused
variables come out right. A heap holds the functions that wait, so depth costs no recursion.
"""

import heapq
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from reference_impls.autograd.function import Function
from reference_impls.autograd.mode import recording
from reference_impls.autograd.operations import Add, Copy

if TYPE_CHECKING:
    from reference_impls.autograd.variable import Variable


def propagate(
    output: "Variable", cotangent: "Variable", wanted: "Callable[[Variable], bool]", *, create_graph: bool = False
) -> "list[tuple[Variable, Variable]]":
    """Walk back from ``output``; return every variable that is ``wanted`` with its gradient, a fresh array."""
    complete: list[tuple[Variable, Variable]] = []
    pending = {id(output): (output, cotangent)}  # what is known so far of each variable's cotangent
    waiting = _Waiting()
    waiting.add(output.creator)
    with recording(create_graph):
        while (function := waiting.latest()) is not None:
            variable, gradient = pending.pop(id(function.output))
            if wanted(variable):
                complete.append((variable, gradient))
            for x, dx in zip(function.inputs, _fitting(function, gradient), strict=True):
                if dx is not None and x.requires_grad:
                    pending[id(x)] = (x, Add()(pending[id(x)][1], dx) if id(x) in pending else dx)
                    waiting.add(x.creator)
        complete += [leaf for leaf in pending.values() if wanted(leaf[0])]
        # A copy: Add hands one cotangent to both its inputs, and their gradients must not share memory.
        return [(variable, Copy()(gradient)) for variable, gradient in complete]


class _Waiting:
    """The functions whose turn is still to come, each once."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Function]] = []
        self._met: set[int] = set()

    def add(self, function: Function | None) -> None:
        if function is not None and id(function) not in self._met:
            self._met.add(id(function))
            heapq.heappush(self._heap, (-function.generation, len(self._met), function))

    def latest(self) -> Function | None:
        return heapq.heappop(self._heap)[2] if self._heap else None


def _fitting(function: Function, cotangent: "Variable") -> "Sequence[Variable | None]":
    """The inputs' cotangents from the function's backward; ValueError or TypeError if they do not fit the inputs."""
    name, found = type(function).__name__, function.backward(cotangent)
    if not isinstance(found, tuple) or len(found) != len(function.inputs):
        count = len(found) if isinstance(found, tuple) else f"a {type(found).__name__}"
        raise ValueError(f"{name}: backward returned {count}; return a tuple of {len(function.inputs)}, one an input")
    for i, (x, dx) in enumerate(zip(function.inputs, found, strict=True)):
        if dx is not None and dx.shape != x.shape:
            raise ValueError(f"{name}: backward returned shape {dx.shape} for input {i} of shape {x.shape}")
        if dx is not None and dx.dtype != x.dtype:
            raise TypeError(f"{name}: backward returned {dx.dtype} for input {i}, which is {x.dtype}")
    return found

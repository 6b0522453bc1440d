"""Random graphs as data: a list of steps that our graph and torch's carry out alike.

Every step takes the results of any earlier ones: they are shared, reused, and met again over ways of unequal length.
"""

# ruff: noqa: PLW0108 - a function is one node of one graph: every call of a lambda makes its own

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from reference_impls.autograd import Exp, ReLU, Sigmoid, Square, Tanh, Variable, no_grad

Rng = np.random.Generator


@dataclass(frozen=True)
class Step:
    """What is done, ours and theirs, to the results of which earlier steps."""

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    operands: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """The leaves' shapes and the steps; the last result is the output."""

    leaves: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]

    def ours(self, *inputs: Variable) -> Variable:
        return self._run(inputs, lambda step: step.ours)

    def theirs(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self._run(inputs, lambda step: step.theirs)

    def _run(self, inputs: Sequence[Any], side: Callable[[Step], Callable[..., Any]]) -> Any:
        results = list(inputs)
        for step in self.steps:
            results.append(side(step)(*(results[i] for i in step.operands)))
        return results[-1]


UNARY: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "square": (lambda x: Square()(x), torch.square),
    "exp of tanh": (lambda x: Exp()(Tanh()(x)), lambda x: x.tanh().exp()),
    "sigmoid": (lambda x: Sigmoid()(x), torch.sigmoid),
    "tanh": (lambda x: Tanh()(x), torch.tanh),
    "relu": (lambda x: ReLU()(x), torch.relu),
    "neg": (lambda x: -x, torch.neg),
    "cube": (lambda x: x**3, lambda x: x**3),
    "root": (lambda x: (x * x + 0.5) ** 0.5, lambda x: (x * x + 0.5) ** 0.5),
    "row sums": (lambda x: x.sum(-1, keepdims=True), lambda x: x.sum(-1, keepdim=True)),
    "gram": (lambda x: x @ x.T @ x, lambda x: x @ x.mT @ x),
    "flip": (lambda x: x.reshape(x.shape[1], x.shape[0]).T, lambda x: x.reshape(x.shape[1], x.shape[0]).mT),
}
BINARY: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "add": (lambda x, y: x + y, torch.add),
    "sub": (lambda x, y: x - y, torch.sub),
    "mul": (lambda x, y: x * y, torch.mul),
    "div": (lambda x, y: x / (y * y + 1.0), lambda x, y: x / (y * y + 1.0)),
    "product": (lambda x, y: (x * y) @ (x + y).T @ (x - y), lambda x, y: (x * y) @ (x + y).mT @ (x - y)),
}
LARGEST = 3.0  # a result beyond it goes on as its tanh


def random_graph(rng: Rng, steps: int = 12, leaves: int = 3, *, smooth: bool = False) -> Graph:
    """A graph of (3, 2), (3, 1), (1, 2) and (1, 1) results, which broadcast; the output sums all but the huge."""
    shapes = tuple([(3, 2), (3, 1), (1, 2)][int(rng.integers(3))] for _ in range(leaves))
    unary = [name for name in UNARY if not (smooth and name == "relu")]
    made: list[Step] = []
    with no_grad():
        values = [Variable(rng.normal(size=shape)) for shape in shapes]
        for _ in range(steps):
            if rng.random() < 0.5:
                name, count = str(rng.choice(unary)), 1
                ours, theirs = UNARY[name]
            else:
                name, count = str(rng.choice(list(BINARY))), 2
                ours, theirs = BINARY[name]
            # Late results are likelier, for depth; any may come again, and both operands may be one.
            weights = np.arange(1.0, len(values) + 1)
            operands = tuple(int(i) for i in rng.choice(len(values), count, p=weights / weights.sum()))
            _append(made, values, Step(name, ours, theirs, operands))
            if np.abs(values[-1].data).max() > LARGEST:
                _append(made, values, Step("tanh", *UNARY["tanh"], (len(values) - 1,)))
        tame = [i for i in range(len(values) - 1) if i < leaves or np.abs(values[i].data).max() <= LARGEST]
        for i in tame:
            _append(made, values, Step("add", *BINARY["add"], (i, len(values) - 1)))
    return Graph(shapes, tuple(made))


def _append(made: list[Step], values: list[Variable], step: Step) -> None:
    made.append(step)
    values.append(step.ours(*(values[i] for i in step.operands)))

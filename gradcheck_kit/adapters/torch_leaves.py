"""What a recorded forward reads: the leaves of its graph, and those among them that nobody has passed or registered."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from gradcheck_kit.adapters.held import held_by
from gradcheck_kit.adapters.torch_substitution import held_elsewhere
from gradcheck_kit.subject import UsageError

LOOKS = 2
"""A leaf that two forwards find is not made by the forward itself."""


def nodes_of(outputs: Mapping[str, Tensor]) -> Iterator[Any]:
    """Every node of the graphs that end in these outputs, each once."""
    waiting, seen = [output.grad_fn for output in outputs.values()], set[Any]()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        waiting += [following for following, _ in node.next_functions]


def leaves_of(outputs: Mapping[str, Tensor]) -> list[Tensor]:
    """The tensors at which the graphs of these outputs begin."""
    begun = [output for output in outputs.values() if output.is_leaf and output.requires_grad]
    return begun + [n.variable for n in nodes_of(outputs) if n.name() == "torch::autograd::AccumulateGrad"]


@dataclass
class Strangers:
    """The leaves of the first recorded forwards that are neither inputs nor parameters which the check can move.

    Attributes:
        title: what messages call the target.
        roots: the module's private copy, or the callable and the modules that it runs.
        registered: the parameters of a module, by public name, as the caller's own tensors.
    """

    title: str
    roots: Sequence[Any]
    registered: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._looks = 0
        self._found: list[Tensor] = []

    def look(self, leaves: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
        """At a forward recorded for these leaves.

        Raises:
            UsageError: it reads a parameter by a way on which the check cannot hand it other values.
        """
        if self._looks == LOOKS:
            return
        reached = leaves_of(outputs)
        own = {id(leaf) for leaf in leaves.values()}
        strange = [leaf for leaf in reached if id(leaf) not in own]
        self._expect_by_name(leaves, {id(leaf) for leaf in reached})
        known = {id(leaf) for leaf in self._found}
        self._found = [leaf for leaf in strange if self._looks == 0 or id(leaf) in known]
        self._looks += 1

    def _expect_by_name(self, leaves: Mapping[str, Tensor], reached: set[int]) -> None:
        for name, parameter in self.registered.items():
            if name not in leaves:
                continue
            unread = id(leaves[name]) not in reached
            if id(parameter) in reached or (unread and held_elsewhere(self.roots[0], parameter)):
                raise UsageError(
                    f"{self.title} holds its parameter {name} in a closure, a tuple, a set or a global too, and its "
                    "forward reads it there, where the check cannot give it other values; read it under its "
                    f"registered name, as self.{name}, or leave it out by wrt="
                )

    def names(self) -> list[str]:
        """The leaves that stay what they are from one forward to the next, by the names they are held under."""
        called = dict(_called(self.roots)) if self._found else {}
        return [called.get(id(leaf), f"a tensor of {leaf.numel()} elements") for leaf in self._found]


def _called(roots: Sequence[Any]) -> Iterator[tuple[int, str]]:
    """Tensors by id, and where they stand: parameters and attributes of modules, names of a function's closure."""
    for root in reversed(roots):
        if isinstance(root, nn.Module):
            for path, module in root.named_modules():
                prefix = f"{path}." if path else ""
                yield from ((id(v), prefix + n) for n, v in held_by(module).items() if isinstance(v, Tensor))
            yield from ((id(parameter), name) for name, parameter in root.named_parameters())
        else:
            with suppress(TypeError, ValueError):  # no Python function, or a variable that is not bound yet
                found = inspect.getclosurevars(root)
                yield from ((id(v), n) for n, v in {**found.globals, **found.nonlocals}.items())

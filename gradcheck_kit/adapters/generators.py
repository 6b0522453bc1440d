"""The random generators that a layer or function holds: in attributes, slots, closures, defaults and named globals."""

import pickle
import random
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck_kit.adapters.held import held

MOST = 10_000  # objects looked at: a generator that lies deeper is not found, and its layer counts as random


class OwnGenerator:
    """One generator: NumPy's two kinds, Python's, or torch's."""

    def __init__(self, generator: Any) -> None:
        self._read, self._write = _access(generator)
        self._frozen = self._read()
        self._drawn_by_forward = False

    def state(self) -> Any:
        return self._read()

    def restore(self, state: Any) -> None:
        self._write(state)

    def rewind(self) -> None:
        """Before a forward: back to the state at construction, if an earlier forward drew from it."""
        if self._drawn_by_forward:
            self._write(self._frozen)
        self._before = pickle.dumps(self._read())

    def look(self) -> None:
        """After a forward: whether it drew numbers."""
        self._drawn_by_forward = self._drawn_by_forward or pickle.dumps(self._read()) != self._before


def generators_in(*roots: Any) -> list[OwnGenerator]:
    """Every generator that can be reached from the roots, each once."""
    return [OwnGenerator(item) for item in _reachable(roots) if _is_generator(item)]


def _is_generator(item: Any) -> bool:
    if isinstance(item, np.random.Generator | np.random.RandomState):
        return True
    if isinstance(item, random.Random):
        return not isinstance(item, random.SystemRandom)
    return type(item).__module__.split(".")[0] == "torch" and type(item).__name__ == "Generator"


def _access(generator: Any) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    if isinstance(generator, np.random.Generator):
        bits = generator.bit_generator
        return lambda: bits.state, lambda state: setattr(bits, "state", state)
    if isinstance(generator, random.Random):
        return generator.getstate, generator.setstate
    return generator.get_state, generator.set_state


def _reachable(roots: Iterable[Any]) -> Iterator[Any]:
    seen: set[int] = set()
    waiting = list(roots)
    while waiting and len(seen) < MOST:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, str | bytes | int | float | np.ndarray | ModuleType | type | None):
            continue
        seen.add(id(item))
        yield item
        if not _is_generator(item):
            methods = (getattr(type(item), name, None) for name in ("forward", "backward", "__call__"))
            waiting += (*held(item), *(m for m in methods if isinstance(m, FunctionType)))

"""An optimizer that allocates nothing in a step, and walks through large arrays in blocks that stay in the cache."""

import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from reference_impls.layers.layer import Array
from reference_impls.optimizers.optimizer import Optimizer


@dataclass
class Rows:
    """Some rows of a parameter, of its gradient and of what is kept for it: views, and scratch memory of their shape.

    Attributes:
        kept: by kind, such as "velocity".
        fresh: whether what is kept is zeros that no step has written to yet.
    """

    p: Array
    g: Array
    kept: dict[str, Array]
    s: Array
    t: Array
    fresh: bool


class InPlace(Optimizer):
    """A readable optimizer to the last bit, beside which a subclass writes ``_update_rows``; from ``p -= lr * g``:

    1. ``lr * g`` goes into a scratch array that is kept: ``multiply(g, lr, out=s); subtract(p, s, out=p)``.
    2. The second of the two finds s in the cache if s is small. So both are done for some rows of p, then for the
       next rows; every element sees the same operations in the same order as before.
    3. A network that writes its gradients into the same memory at every backward brings the same arrays to every
       step. Whether they fit, and where their rows begin, is then asked once.

    A copy (``copy.deepcopy``, pickle) goes on from the same state.
    """

    block: ClassVar[int] = 1 << 16  # elements: four blocks of float32 are 1 MiB, which a second-level cache holds
    _known_options: tuple[Any, ...]
    _known: list[Array | None]
    _blocks: list[Rows]
    _scratch: Array

    def __init__(self, params: Mapping[str, Array], *hyperparameters: Any, **options: Any) -> None:
        """As the readable optimizer."""
        super().__init__(params, *hyperparameters, **options)
        self._forget()

    def step(self, grads: Mapping[str, Array]) -> None:
        """As ``Optimizer.step``."""
        if not self._knows(grads):
            self._check(grads)
            self._known_options, self._known = self._options(), self._arrays(grads)
            # Those of the first layer come last: there the next forward begins, and finds them in the cache.
            names = reversed(list(self.params))
            self._blocks = [rows for name in names for rows in self._cut(name, np.asarray(grads[name]))]
        self._steps += 1
        for rows in self._blocks:
            self._update_rows(rows)

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """As ``Optimizer.load_state_dict``."""
        super().load_state_dict(state)
        self._forget()

    def _update_rows(self, rows: Rows) -> None:
        """``_update`` of the readable optimizer, line by line, for some rows."""
        raise NotImplementedError(f"{type(self).__name__}: write _update_rows(rows)")

    def _options(self) -> tuple[Any, ...]:
        """What decides which arrays a step needs."""
        return self._kinds()

    def _kinds(self) -> tuple[str, ...]:
        """What is kept for every parameter from step to step."""
        raise NotImplementedError(f"{type(self).__name__}: write _kinds()")

    def _end(self, name: str, g: Array) -> int:
        """How many of the first rows are walked through."""
        return len(g)

    def _forget(self) -> None:
        self._known_options, self._known, self._blocks = (), [], []
        self._scratch = np.empty(0, np.uint8)

    def _knows(self, grads: Mapping[str, Array]) -> bool:
        """Whether these are the arrays and the options of the step before, and the parameters may be written to."""
        arrays = self._arrays(grads)
        return (
            self._known_options == self._options()
            and len(grads) == len(self.params)
            and len(arrays) == len(self._known)
            and all(map(operator.is_, arrays, self._known))
            and all(p.flags.writeable for p in self.params.values())
        )

    def _arrays(self, grads: Mapping[str, Array]) -> list[Array | None]:
        """All that a step reads: the parameters, and the gradient of each if it has one."""
        return [*self.params.values(), *map(grads.get, self.params)]

    def _cut(self, name: str, gradient: Array) -> Iterator[Rows]:
        own, kinds = self._state[name], self._kinds()
        fresh = any(kind not in own for kind in kinds)
        for kind in kinds:
            own.setdefault(kind, np.zeros_like(self.params[name]))
        p, g = np.atleast_1d(self.params[name]), np.atleast_1d(gradient)
        kept = {kind: np.atleast_1d(own[kind]) for kind in kinds}
        end = self._end(name, g)
        at_once = max(1, self.block * len(p) // max(1, p.size))
        scratch = self._scratch_of((2, min(end, at_once), *p.shape[1:]), p.dtype)
        for start in range(0, end, at_once):
            rows = slice(start, min(start + at_once, end))
            s, t = scratch[:, : end - start]
            yield Rows(p[rows], g[rows], {kind: array[rows] for kind, array in kept.items()}, s, t, fresh)

    def _scratch_of(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """The same memory for every parameter: what one has used is in the cache for the next."""
        size = math.prod(shape) * dtype.itemsize
        if size > len(self._scratch):
            self._scratch = np.empty(size, np.uint8)
        return self._scratch[:size].view(dtype).reshape(shape)

    def __getstate__(self) -> dict[str, Any]:
        # Copies of views would no longer be views of the copies.
        return {**self.__dict__, "_known": [], "_blocks": [], "_scratch": np.empty(0, np.uint8)}

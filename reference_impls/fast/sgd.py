"""SGD that allocates nothing in a step, and walks through large arrays in blocks that stay in the cache."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_impls.layers.layer import Array
from reference_impls.optimizers.sgd import SGD

BLOCK = 1 << 15  # elements: four blocks of float32 are 512 KiB, which a second-level cache holds


@dataclass
class Rows:
    """Some rows of a parameter, of its gradient and of its velocity, all views, and scratch memory of that shape."""

    p: Array
    g: Array
    v: Array
    s: Array
    t: Array


class InPlaceSGD(SGD):
    """``SGD`` to the last bit, with the same arguments and errors. From its ``p -= lr * g`` in steps:

    1. ``lr * g`` goes into a scratch array that is kept: ``multiply(g, lr, out=s); subtract(p, s, out=p)``.
    2. The second of the two finds s in the cache if s is small. So both are done for some rows of p, then for the
       next rows; every element sees the same operations in the same order as before.
    3. A network that writes its gradients into the same memory at every backward brings the same arrays to every
       step. Whether they fit, and where their rows begin, is then asked once.
    """

    def __init__(self, params: Mapping[str, Array], lr: float, **options: Any) -> None:
        """As ``SGD``."""
        super().__init__(params, lr, **options)
        self._velocities: dict[str, Array] = {}
        self._known: list[tuple[Array, Array]] = []
        self._blocks: list[Rows] = []

    def step(self, grads: Mapping[str, Array]) -> None:
        """As ``SGD.step``."""
        if not self._knows(grads):
            self._check(grads)
            self._known = [(p, np.asarray(grads[name])) for name, p in self.params.items()]
            self._blocks = [rows for name in self.params for rows in self._cut(name, np.asarray(grads[name]))]
        self._steps += 1
        for rows in self._blocks:
            self._update_rows(rows)

    def _knows(self, grads: Mapping[str, Array]) -> bool:
        """Whether these are the arrays of the step before, still to be written to."""
        return len(grads) == len(self.params) == len(self._known) and all(
            p is known_p and grads.get(name) is known_g and p.flags.writeable
            for (name, p), (known_p, known_g) in zip(self.params.items(), self._known, strict=True)
        )

    def _cut(self, name: str, g: Array) -> Iterator[Rows]:
        p = np.atleast_1d(self.params[name])
        if self.momentum and name not in self._velocities:
            self._velocities[name] = np.empty_like(p)
        g, v = np.atleast_1d(g), self._velocities.get(name, p[:0])
        at_once = max(1, BLOCK * len(p) // max(1, p.size))
        scratch = np.empty((2, min(len(p), at_once), *p.shape[1:]), p.dtype)
        for start in range(0, len(p), at_once):
            rows = slice(start, start + at_once)
            yield Rows(p[rows], g[rows], v[rows], *scratch[:, : len(p) - start])

    def _update_rows(self, rows: Rows) -> None:
        """``SGD._update``, line by line, for some rows."""
        p, g, v, t, number = rows.p, rows.g, rows.v, rows.t, rows.p.dtype.type
        if self.weight_decay:
            g = np.add(g, np.multiply(p, number(self.weight_decay), out=rows.s), out=rows.s)
        if self.momentum:
            if self._steps == 1:
                v[...] = g
            else:
                np.multiply(v, number(self.momentum), out=v)
                np.add(v, np.multiply(g, number(1 - self.dampening), out=t), out=v)
            g = np.add(g, np.multiply(v, number(self.momentum), out=t), out=t) if self.nesterov else v
        np.subtract(p, np.multiply(g, number(self.lr), out=t), out=p)

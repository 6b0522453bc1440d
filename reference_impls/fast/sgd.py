"""SGD that allocates nothing in a step, and walks through large arrays in blocks that stay in the cache."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from reference_impls.layers.layer import Array
from reference_impls.optimizers.sgd import SGD

BLOCK = 1 << 16  # elements: three blocks of float32 are 768 KiB, which a second-level cache holds


class InPlaceSGD(SGD):
    """``SGD`` to the last bit, with the same arguments and errors. From its ``p -= lr * g`` in steps:

    1. ``lr * g`` goes into a scratch array that is kept: ``multiply(g, lr, out=s); subtract(p, s, out=p)``.
    2. The second of the two finds s in the cache if s is small. So both are done for some rows of p, then for the
       next rows; every element sees the same operations in the same order as before.
    3. Whether the gradients fit their parameters is asked once, as long as they are the very same arrays, which they
       are from a network that writes its gradients into the same memory at every backward.
    """

    def __init__(self, params: Mapping[str, Array], lr: float, **options: Any) -> None:
        """As ``SGD``."""
        super().__init__(params, lr, **options)
        self._checked: dict[str, Array] = {}

    def _check(self, grads: Mapping[str, Array]) -> None:
        the_same = grads.keys() == self._checked.keys() and all(g is self._checked[name] for name, g in grads.items())
        if not the_same or not all(p.flags.writeable for p in self.params.values()):
            super()._check(grads)
            self._checked = dict(grads)

    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        if p.ndim == 0:
            p, g = p[np.newaxis], g[np.newaxis]
        first = not state
        if first:
            rows_at_once = max(1, BLOCK * len(p) // max(1, p.size))
            state["scratch"] = np.empty((2, min(len(p), rows_at_once), *p.shape[1:]), p.dtype)
            state["velocity"] = np.empty_like(p if self.momentum else p[:0])
        scratch, v = state["scratch"], state["velocity"]
        for start in range(0, len(p), scratch.shape[1]):
            rows = slice(start, start + scratch.shape[1])
            self._update_rows(p[rows], g[rows], v[rows], scratch[:, : len(p) - start], first)

    def _update_rows(self, p: Array, g: Array, v: Array, scratch: Array, first: bool) -> None:
        """``SGD._update``, line by line, for some rows."""
        number, (s, t) = p.dtype.type, scratch
        if self.weight_decay:
            np.multiply(p, number(self.weight_decay), out=s)
            g = np.add(g, s, out=s)
        if self.momentum:
            if first:
                v[...] = g
            else:
                np.multiply(v, number(self.momentum), out=v)
                np.add(v, np.multiply(g, number(1 - self.dampening), out=t), out=v)
            g = np.add(g, np.multiply(v, number(self.momentum), out=t), out=t) if self.nesterov else v
        np.subtract(p, np.multiply(g, number(self.lr), out=t), out=p)

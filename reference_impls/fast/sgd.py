"""SGD that allocates nothing in a step, and walks through large arrays in blocks that stay in the cache."""

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_impls.fast.sparse_rows import SparseRows
from reference_impls.layers.layer import Array
from reference_impls.optimizers.sgd import SGD

BLOCK = 1 << 16  # elements: four blocks of float32 are 1 MiB, which a second-level cache holds


@dataclass
class Rows:
    """Some rows of a parameter, of its gradient and of its velocity, all views, and scratch memory of that shape.

    Attributes:
        moving: whether the velocity holds that of the step before.
    """

    p: Array
    g: Array
    v: Array
    s: Array
    t: Array
    moving: bool


class InPlaceSGD(SGD):
    """``SGD`` to the last bit, with the same arguments and errors. From its ``p -= lr * g`` in steps:

    1. ``lr * g`` goes into a scratch array that is kept: ``multiply(g, lr, out=s); subtract(p, s, out=p)``.
    2. The second of the two finds s in the cache if s is small. So both are done for some rows of p, then for the
       next rows; every element sees the same operations in the same order as before.
    3. A network that writes its gradients into the same memory at every backward brings the same arrays to every
       step. Whether they fit, and where their rows begin, is then asked once.
    4. Without momentum and weight decay, rows whose gradient is zero stay as they are. So where it is known which rows
       these are, nothing is done for them.
    """

    def __init__(
        self,
        params: Mapping[str, Array],
        lr: float,
        *,
        sparse_rows: Mapping[str, SparseRows] | None = None,
        **options: Any,
    ) -> None:
        """As ``SGD``.

        Args:
            params, lr, options: as there.
            sparse_rows: by parameter, gradients of which it is known where they are zero, as ``FastMLP`` has them. A
                step that brings another array for such a parameter, or with momentum or weight decay, reads all rows.

        Raises:
            TypeError: as there.
            ValueError: as there; one of ``sparse_rows`` has no parameter of its name and shape.
        """
        super().__init__(params, lr, **options)
        self._sparse_rows = dict(sparse_rows or {})
        for name, sparse in self._sparse_rows.items():
            if name not in self.params or self.params[name].shape != sparse.array.shape:
                shapes = {name: p.shape for name, p in self.params.items()}
                raise ValueError(
                    f"InPlaceSGD: sparse_rows has {name!r}, {sparse.array.shape}, which is not among {shapes}; "
                    "pass network.sparse_rows with network.params"
                )
        self._velocities: dict[str, Array] = {}
        self._known_options = self._options()
        self._known: list[Array | None] = []
        self._tails: dict[str, SparseRows] = {}
        self._blocks: list[Rows] = []

    def step(self, grads: Mapping[str, Array]) -> None:
        """As ``SGD.step``."""
        if not self._knows(grads):
            self._check(grads)
            self._known_options = self._options()
            self._known = self._arrays(grads)
            self._tails = {
                name: sparse for name, sparse in self._sparse_rows.items() if self._skips(sparse, grads[name])
            }
            # Those of the first layer come last: there the next forward begins, and finds them in the cache.
            names = reversed(list(self.params))
            self._blocks = [rows for name in names for rows in self._cut(name, np.asarray(grads[name]))]
        self._steps += 1
        for rows in self._blocks:
            self._update_rows(rows)
        for name, sparse in self._tails.items():
            p, tail = self.params[name], sparse.tail
            p[tail] -= p.dtype.type(self.lr) * sparse.rows

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

    def _cut(self, name: str, g: Array) -> Iterator[Rows]:
        p = np.atleast_1d(self.params[name])
        moving = name in self._velocities
        if self.momentum and not moving:
            self._velocities[name] = np.empty_like(p)
        g, v = np.atleast_1d(g), self._velocities.get(name, p[:0])
        end = self._tails[name].dense if name in self._tails else len(p)
        at_once = max(1, BLOCK * len(p) // max(1, p.size))
        scratch = np.empty((2, min(end, at_once), *p.shape[1:]), p.dtype)
        for start in range(0, end, at_once):
            rows = slice(start, min(start + at_once, end))
            s, t = scratch[:, : end - start]
            yield Rows(p[rows], g[rows], v[rows], s, t, moving)

    def _options(self) -> tuple[bool, bool]:
        """What decides which arrays a step needs."""
        return self.momentum != 0, self.weight_decay != 0

    def _skips(self, sparse: SparseRows, g: Array) -> bool:
        """Whether rows that are zero in ``sparse`` stay as they are."""
        return g is sparse.array and not any(self._options())

    def _update_rows(self, rows: Rows) -> None:
        """``SGD._update``, line by line, for some rows."""
        p, g, v, t, number = rows.p, rows.g, rows.v, rows.t, rows.p.dtype.type
        if self.weight_decay:
            g = np.add(g, np.multiply(p, number(self.weight_decay), out=rows.s), out=rows.s)
        if self.momentum:
            if not rows.moving:
                v[...], rows.moving = g, True
            else:
                np.multiply(v, number(self.momentum), out=v)
                np.add(v, np.multiply(g, number(1 - self.dampening), out=t), out=v)
            g = np.add(g, np.multiply(v, number(self.momentum), out=t), out=t) if self.nesterov else v
        np.subtract(p, np.multiply(g, number(self.lr), out=t), out=p)

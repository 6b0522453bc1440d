"""SGD in blocks, in place, without the rows of which it is known that their gradient is zero."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from reference_impls.fast.in_place import InPlace, Rows
from reference_impls.fast.sparse_rows import SparseRows
from reference_impls.layers.layer import Array
from reference_impls.optimizers.sgd import SGD


class InPlaceSGD(InPlace, SGD):
    """``SGD`` to the last bit, with the same arguments and errors.

    Beyond what ``InPlace`` does: without momentum and weight decay, rows whose gradient is zero stay as they are. So
    where it is known which rows these are, nothing is done for them.
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

    def step(self, grads: Mapping[str, Array]) -> None:
        """As ``SGD.step``."""
        super().step(grads)
        for name, sparse in self._sparse_rows.items():
            if self._skips(sparse, grads[name]):
                p, tail = self.params[name], sparse.tail
                p[tail] -= p.dtype.type(self.lr) * sparse.rows

    def _options(self) -> tuple[bool, bool]:
        return self.momentum != 0, self.weight_decay != 0

    def _kinds(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def _end(self, name: str, g: Array) -> int:
        sparse = self._sparse_rows.get(name)
        return sparse.dense if sparse is not None and self._skips(sparse, g) else len(g)

    def _skips(self, sparse: SparseRows, g: Array) -> bool:
        """Whether rows that are zero in ``sparse`` stay as they are."""
        return g is sparse.array and not any(self._options())

    def _update_rows(self, rows: Rows) -> None:
        p, g, t, number = rows.p, rows.g, rows.t, rows.p.dtype.type
        if self.weight_decay:
            g = np.add(g, np.multiply(p, number(self.weight_decay), out=rows.s), out=rows.s)
        if self.momentum:
            v = rows.kept["velocity"]
            if rows.fresh:
                v[...], rows.fresh = g, False
            else:
                np.multiply(v, number(self.momentum), out=v)
                np.add(v, np.multiply(g, number(1 - self.dampening), out=t), out=v)
            g = np.add(g, np.multiply(v, number(self.momentum), out=t), out=t) if self.nesterov else v
        np.subtract(p, np.multiply(g, number(self.lr), out=t), out=p)

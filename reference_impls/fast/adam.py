"""Adam and AdamW in blocks, in place."""

import math
from typing import ClassVar

import numpy as np

from reference_impls.fast.in_place import InPlace, Rows
from reference_impls.layers.layer import Array
from reference_impls.optimizers.adam import Adam, AdamW


class InPlaceAdam(InPlace, Adam):
    """``Adam`` to the last bit, with the same arguments and errors. Its steps are those of ``InPlace``.

    A block is passed a dozen times, once for each operation of the formula, and read from the cache each time.
    """

    block: ClassVar[int] = 1 << 15  # elements: p, g, m, v and the scratch memory of float32 are 3/4 MiB

    def _kinds(self) -> tuple[str, ...]:
        return ("mean", "square", "largest square") if self.amsgrad else ("mean", "square")

    def _update_rows(self, rows: Rows) -> None:
        g = rows.g
        if self.weight_decay:
            np.multiply(rows.p, rows.p.dtype.type(self.weight_decay), out=rows.s)
            g = np.add(g, rows.s, out=rows.s)
        self._move_rows(rows, g)

    def _move_rows(self, rows: Rows, g: Array) -> None:
        """``Adam._move``, line by line."""
        p, t, number, (beta1, beta2) = rows.p, rows.t, rows.p.dtype.type, self.betas
        m, v = rows.kept["mean"], rows.kept["square"]
        np.multiply(m, number(beta1), out=m)
        np.add(m, np.multiply(g, number(1 - beta1), out=t), out=m)
        np.multiply(v, number(beta2), out=v)
        np.add(v, np.multiply(np.multiply(g, g, out=t), number(1 - beta2), out=t), out=v)
        if self.amsgrad:
            v = np.maximum(rows.kept["largest square"], v, out=rows.kept["largest square"])
        rate = self.lr / (1 - beta1**self._steps)
        np.divide(np.sqrt(v, out=t), number(math.sqrt(1 - beta2**self._steps)), out=t)
        np.divide(m, np.add(t, number(self.eps), out=t), out=t)
        np.subtract(p, np.multiply(t, number(rate), out=t), out=p)


class InPlaceAdamW(InPlaceAdam, AdamW):
    """``AdamW`` to the last bit."""

    def _update_rows(self, rows: Rows) -> None:
        np.multiply(rows.p, rows.p.dtype.type(1 - self.lr * self.weight_decay), out=rows.p)
        self._move_rows(rows, rows.g)

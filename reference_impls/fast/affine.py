"""The products of an affine layer and its gradients, written into memory that is there.

The textbook: ``z = x @ W + b``, ``dW = x.T @ dz``, and ``db = sum(dz)`` over the rows. That sum is a product with a row
of ones, which a BLAS does faster than a reduction: ``db = 1 @ dz``.
"""

from typing import Any, Protocol

import numpy as np

from reference_impls.layers.layer import Array


class Affine(Protocol):
    """An affine layer of one batch size, in any of its forms."""

    def forward(self, x: Any, W: Array, b: Array, out: Array) -> None:
        """Write ``x @ W + b`` into ``out``."""

    def gradients(self, x: Any, dz: Array, dW: Array, db: Array) -> None:
        """Write those of W and b into ``dW`` and ``db``, for the x of the latest forward."""


class DenseAffine:
    """One product a direction."""

    def __init__(self, rows: int, dtype: np.dtype[Any]) -> None:
        """Allocate for so many rows."""
        self._ones = np.ones(rows, dtype)

    def forward(self, x: Array, W: Array, b: Array, out: Array) -> None:
        """As ``Affine.forward``."""
        np.matmul(x, W, out=out)
        np.add(out, b, out=out)

    def gradients(self, x: Array, dz: Array, dW: Array, db: Array) -> None:
        """As ``Affine.gradients``."""
        np.matmul(x.T, dz, out=dW)
        np.matmul(self._ones, dz, out=db)

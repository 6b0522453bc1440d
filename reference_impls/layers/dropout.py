"""Dropout: some units are silenced at random while training."""

import numpy as np

from reference_impls.layers.arguments import check_generator, cotangent_array, float_array, real_number
from reference_impls.layers.layer import Array, Layer


class Dropout(Layer[Array]):
    """In training ``out = x * mask / (1 - p)``, so ``dx = cotangent * mask / (1 - p)``; else ``out = x``.

    The mask is 0 with probability p and else 1, drawn anew by each forward; the division keeps the mean
    ("inverted" dropout), so that evaluation needs none. Srivastava et al. (2014). With p = 1 all is 0.
    """

    def __init__(self, p: float, rng: np.random.Generator) -> None:
        """Choose the share of units to drop and the only source of randomness.

        Raises:
            TypeError: p is no number, or rng no Generator.
            ValueError: p is outside [0, 1].
        """
        super().__init__()
        self.p = real_number("Dropout", "p", p, 0.0, 1.0)
        check_generator("Dropout", rng)
        self.rng = rng

    def forward(self, x: Array) -> Array:
        """Return the output for a float16/32/64 array of any shape; TypeError for anything else."""
        x = float_array("Dropout", "x", x)
        factor = np.ones(x.shape, x.dtype)
        if self.training:
            kept = self.rng.random(x.shape) >= self.p
            factor = np.asarray(kept / (1 - self.p) if self.p < 1 else kept, dtype=x.dtype)
        self._save(factor)
        return np.asarray(x * factor)

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx``, of the input's shape and dtype, for a cotangent of that shape.

        Raises:
            RuntimeError: called before forward.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        factor = self._saved_by_forward()
        return np.asarray(cotangent_array("Dropout", cotangent, factor.shape, factor.dtype) * factor)

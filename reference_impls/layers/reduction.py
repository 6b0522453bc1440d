"""How do the terms of a loss become one number? By their sum or their mean."""

from typing import Any, Literal, TypeAlias

import numpy as np

from reference_impls.layers.arguments import cotangent_array
from reference_impls.layers.layer import Array, Layer, Saved
from reference_impls.layers.summation import sum_over

Reduction: TypeAlias = Literal["mean", "sum"]


class ReducedLoss(Layer[Saved]):
    """Base class of the losses: ``loss = sum(terms)``, or that divided by their number for ``"mean"``."""

    def __init__(self, reduction: Reduction = "mean") -> None:
        """Choose "mean" or "sum"; ValueError for any other reduction."""
        super().__init__()
        if reduction not in ("mean", "sum"):
            raise ValueError(f'{type(self).__name__}: reduction is {reduction!r}; pass "mean" or "sum"')
        self.reduction = reduction

    def _reduce(self, terms: Array) -> Any:
        """Return the terms' sum or mean as a NumPy scalar of their dtype; the mean of none is nan."""
        if self.reduction == "sum":
            return sum_over(terms, None)[()]
        if terms.size == 0:
            return terms.dtype.type(np.nan)
        return terms.dtype.type(np.mean(terms))

    def _term_cotangent(self, cotangent: Array | float, number_of_terms: int, dtype: np.dtype[Any]) -> Any:
        """Return d(loss)/d(term), the same for every term, times the loss's cotangent; of ``dtype``."""
        cotangent = cotangent_array(type(self).__name__, cotangent, (), dtype)
        if self.reduction == "sum":
            return cotangent[()]
        # Divided as Python floats, because the number of terms may overflow float16.
        return dtype.type(float(cotangent) / max(number_of_terms, 1))

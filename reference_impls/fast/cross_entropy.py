"""Softmax cross entropy that works in the logits' own memory and never writes a one-hot label.

The textbook, for logits z (rows, classes) and one-hot labels t (rows, classes):

``p = exp(z) / sum(exp(z))``, ``loss = -sum(t * log p) / rows``, ``dz = (p - t) / rows``.

1. One-hot t picks one term a row, of its label k, so ``loss = sum(log(sum(exp(z))) - z[k]) / rows``: neither t nor
   log p is needed. For the same reason ``p - t`` is p with 1 taken away at one place of each row.
2. ``m = max(z)`` may be taken from every logit of a row: it cancels, and no exponential overflows.
3. The division by ``rows`` joins the one by the sum: ``dz = exp(z) / (rows * sum(exp(z))) - t / rows``.
4. With z stored transposed, (classes, rows), the maximum and the sum of every row are taken for all rows at once, one
   class after another, over contiguous memory; z, exp(z) and dz are one array after another in the same memory.
"""

from typing import Any

import numpy as np

from reference_impls.layers.arguments import class_labels
from reference_impls.layers.layer import Array


class CrossEntropy:
    """The mean cross entropy of ``logits``, an array (classes, rows) that the network fills, and its gradient."""

    def __init__(self, classes: int, rows: int, dtype: np.dtype[Any]) -> None:
        """Allocate all that a batch of ``rows`` rows needs."""
        self.logits = np.empty((classes, rows), dtype)
        self._by_place = self.logits.reshape(-1)
        self._row = np.arange(rows)
        self._place = np.empty(rows, np.intp)
        self._largest, self._sum, self._of_label = (np.empty(rows, dtype) for _ in range(3))
        self._is_gradient = False

    def loss(self, labels: Array) -> Any:
        """Return the loss, a NumPy scalar of the logits' dtype; ``logits`` becomes ``exp(logits - largest)``.

        Args:
            labels: integers (rows,) from 0 to classes - 1.

        Raises:
            TypeError, ValueError: the labels are others.
        """
        z, rows = self.logits, len(self._row)
        self._find_places(labels)
        np.maximum.reduce(z, axis=0, out=self._largest)
        np.subtract(z, self._largest, out=z)
        self._by_place.take(self._place, out=self._of_label, mode="clip")  # the default mode copies `out` first
        np.exp(z, out=z)
        np.add.reduce(z, axis=0, out=self._sum)
        self._is_gradient = False
        terms = np.log(self._sum, out=self._largest)
        np.subtract(terms, self._of_label, out=terms)
        return np.add.reduce(terms) / z.dtype.type(rows)

    def gradient(self) -> Array:
        """Return the gradient of the logits, (classes, rows): ``logits``, which from now on holds it."""
        if not self._is_gradient:
            rows = self._sum.dtype.type(len(self._row))
            np.multiply(self._sum, rows, out=self._sum)
            np.divide(self.logits, self._sum, out=self.logits)
            self._by_place[self._place] -= 1 / rows
            self._is_gradient = True
        return self.logits

    def _find_places(self, labels: Array) -> None:
        """Where in the flattened logits each row's label is: ``label * rows + row``."""
        classes, rows = self.logits.shape
        # A negative number read as an unsigned one is huge, so one maximum asks both bounds.
        if not (is_plain(labels, rows) and np.maximum.reduce(labels.view(np.uintp)) < classes):
            labels = class_labels("CrossEntropy", labels, rows, classes)
        if labels.ndim != 1:
            raise ValueError(
                f"CrossEntropy: labels have shape {labels.shape}; the fast form takes integers of shape ({rows},), "
                "such as labels.argmax(axis=1), and soft labels need reference_impls.networks"
            )
        np.multiply(labels, rows, out=self._place)
        np.add(self._place, self._row, out=self._place)


def is_plain(labels: object, rows: int) -> bool:
    """Are these contiguous integers (rows,) of the dtype that NumPy indexes with?"""
    return (
        isinstance(labels, np.ndarray)
        and labels.dtype == np.intp
        and labels.shape == (rows,)
        and labels.flags.c_contiguous
    )

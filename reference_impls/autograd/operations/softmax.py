"""Softmax, and SoftmaxCrossEntropy, which needs it for its derivative."""

from typing import TYPE_CHECKING

import numpy as np

from reference_impls.autograd.function import Cotangents, Function
from reference_impls.layers.arguments import class_labels
from reference_impls.layers.layer import Array
from reference_impls.layers.softmax import log_softmax
from reference_impls.layers.summation import sum_over

if TYPE_CHECKING:
    from reference_impls.autograd.variable import Variable


class Softmax(Function):
    """``out = exp(x) / sum(exp(x))`` for each row, so ``dx = out * (cotangent - sum(cotangent * out))``."""

    def forward(self, *arrays: Array) -> Array:
        """Return the softmax along the last axis, of x of shape (rows, classes)."""
        (x,) = arrays
        return np.asarray(np.exp(_log_softmax("Softmax", x)))

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return dx."""
        out = self.output
        return (out * (cotangent - (cotangent * out).sum(1, keepdims=True)),)


class SoftmaxCrossEntropy(Function):
    """The mean over the rows of ``-sum(t * log p)`` with ``p = softmax(logits)``, so, for n rows,

    ``d(logits) = cotangent * (p * sum(t) - t) / n``

    which is ``(p - t) / n`` times the cotangent for labels ``t`` that sum to 1.
    """

    def __init__(self, labels: Array) -> None:
        """Keep integer labels (rows,), or one-hot or soft ones (rows, classes); they get no gradient."""
        self.labels = labels

    def forward(self, *arrays: Array) -> Array:
        """Return the loss of logits (rows, classes), of shape (); without rows it is nan.

        Raises:
            TypeError, ValueError: the logits are no matrix, or the labels do not fit them.
        """
        (logits,) = arrays
        log_p = _log_softmax("SoftmaxCrossEntropy", logits)
        labels = class_labels("SoftmaxCrossEntropy", self.labels, *logits.shape)
        if labels.ndim == 1:
            labels = np.eye(logits.shape[1])[labels]
        self._targets = labels.astype(logits.dtype)
        terms = -sum_over(self._targets * log_p, 1)
        return np.asarray(np.mean(terms) if len(terms) else np.nan)

    def backward(self, cotangent: "Variable") -> Cotangents:
        """Return d(logits)."""
        (logits,) = self.inputs
        p = Softmax()(logits)
        total = sum_over(self._targets, 1, keepdims=True)
        return ((p * total - self._targets) * (cotangent / float(max(len(total), 1))),)


def _log_softmax(owner: str, logits: Array) -> Array:
    if logits.ndim != 2 or logits.shape[1] == 0:
        raise ValueError(f"{owner}: the input has shape {logits.shape}; pass (rows, classes), with at least one class")
    return log_softmax(logits, 1)

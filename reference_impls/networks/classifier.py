"""Classifier: a network whose outputs are logits, one for each class, and softmax cross entropy as the loss."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from reference_impls.layers import SoftmaxWithLoss
from reference_impls.layers.arguments import class_labels
from reference_impls.layers.layer import Array
from reference_impls.networks.network import ChainedLayer, Network

ROWS_AT_ONCE = 500  # a convolution's windows of ten thousand images at once would fill gigabytes


class Classifier(Network):
    """``loss(x, labels)`` takes integer labels (batch,) or one-hot or soft ones (batch, classes)."""

    def __init__(self, layers: Sequence[ChainedLayer]) -> None:
        """Chain the layers, the last of which returns logits (batch, classes)."""
        super().__init__(layers, SoftmaxWithLoss())

    def loss(self, x: Array, labels: Array) -> Any:
        """Return the mean softmax cross entropy of ``forward(x)`` against ``labels``.

        Raises:
            TypeError, ValueError: as ``forward``, and as ``SoftmaxWithLoss.forward`` for the labels.
        """
        return super().loss(x, labels)

    def accuracy(self, x: Array, labels: Array) -> float:
        """Return the share of rows whose largest logit is the label's, in evaluation mode; nan for no rows.

        Labels are as for ``loss``; a row of one-hot or soft ones counts as its largest entry. A
        pending backward and the layers' modes are left undisturbed.

        Raises:
            TypeError, ValueError: as ``loss``.
        """
        starts = range(0, max(len(x), 1), ROWS_AT_ONCE)
        logits = np.concatenate([self._evaluated(x[start : start + ROWS_AT_ONCE]) for start in starts])
        labels = class_labels(type(self).__name__, labels, *logits.shape)
        if len(logits) == 0:
            return float("nan")
        classes = labels if labels.ndim == 1 else labels.argmax(axis=1)
        return float(np.mean(logits.argmax(axis=1) == classes))

    def _evaluated(self, x: Array) -> Array:
        for layer in self.layers:
            # A copy that shares the parameters: forward saves into the copy, not over what a backward waits for.
            x = copy.copy(layer).train(False).forward(x)
        return x

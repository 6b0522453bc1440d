"""The losses: softmax cross entropy, squared error, binary cross entropy of probabilities and of logits."""

from typing import Any

import numpy as np

from reference_impls.layers.activations import sigmoid
from reference_impls.layers.arguments import (
    class_labels,
    float_array,
    real_number,
    target_like,
    within_unit_interval,
)
from reference_impls.layers.layer import Array
from reference_impls.layers.reduction import ReducedLoss, Reduction
from reference_impls.layers.softmax import log_softmax
from reference_impls.layers.summation import sum_over


class SoftmaxWithLoss(ReducedLoss[tuple[Array, Array]]):
    """Softmax and cross entropy in one layer: for each row, with ``p = softmax(logits)``,

    ``term = -sum(t * log p)``, so ``d(term)/d(logits) = p * sum(t) - t``

    which is ``p - t`` for labels ``t`` that sum to 1; an integer label k stands for the one-hot row with its
    1 at k. "mean" divides the sum of the terms by the number of rows.

    Label smoothing s (Szegedy et al. 2016, section 7) moves a share of every label to all K classes alike:
    ``(1 - s) * t + s / K`` takes the place of ``t``.
    """

    def __init__(self, reduction: Reduction = "mean", *, label_smoothing: float = 0.0) -> None:
        """Choose "mean" or "sum", and s from 0 to 1; ValueError for others, TypeError if s is no number."""
        super().__init__(reduction)
        self.label_smoothing = real_number("SoftmaxWithLoss", "label_smoothing", label_smoothing, 0.0, 1.0)

    def forward(self, logits: Array, labels: Array) -> Any:
        """Return the loss, a NumPy scalar of the logits' dtype.

        Args:
            logits: float16/32/64, shape (rows, classes). Large ones, such as 1e4, do not overflow.
            labels: integers of shape (rows,) from 0 to classes - 1; or one-hot or soft labels of shape
                (rows, classes) and any real dtype, cast to the logits'.

        Without rows the mean is nan and the sum 0.

        Raises:
            TypeError: logits are no float array; labels are no real array, or (rows,) and not integers.
            ValueError: a shape does not fit, or a label is no class (the message names the first such row).
        """
        logits = float_array("SoftmaxWithLoss", "logits", logits)
        if logits.ndim != 2 or logits.shape[1] == 0:
            raise ValueError(
                f"SoftmaxWithLoss: logits have shape {logits.shape}; pass logits of shape (rows, classes), "
                "with at least one class"
            )
        labels = class_labels("SoftmaxWithLoss", labels, *logits.shape)
        log_p = log_softmax(logits, 1)
        if self.label_smoothing:
            labels = self._smoothed(labels, logits)
        if labels.ndim == 1:
            terms = -log_p[np.arange(len(labels)), labels]
        else:
            labels = labels.astype(logits.dtype, copy=False)
            terms = -sum_over(labels * log_p, 1)
        self._save((log_p, labels))
        return self._reduce(terms)

    def backward(self, cotangent: Array | float = 1.0) -> Array:
        """Return the gradient of the logits, in their shape and dtype; the labels get none.

        Args:
            cotangent: a Python number or an array of shape (), by which the gradient is multiplied.

        Raises:
            RuntimeError: called before forward.
            TypeError, ValueError: the cotangent is no float array of shape ().
        """
        log_p, labels = self._saved_by_forward()
        row_cotangent = self._term_cotangent(cotangent, len(log_p), log_p.dtype)
        dlogits: Array = np.exp(log_p)
        if labels.ndim == 1:
            dlogits[np.arange(len(labels)), labels] -= 1
        else:
            dlogits = dlogits * sum_over(labels, 1, keepdims=True) - labels
        dlogits *= row_cotangent
        return dlogits

    def _smoothed(self, labels: Array, logits: Array) -> Array:
        classes = logits.shape[1]
        if labels.ndim == 1:
            labels = np.eye(classes)[labels]
        smoothed: Array = labels * (1 - self.label_smoothing) + self.label_smoothing / classes
        return smoothed


class MSELoss(ReducedLoss[Array]):
    """Squared error of predictions y and targets t, element by element:

    ``term = (y - t)**2``, so ``d(term)/dy = 2 * (y - t)``

    "mean" divides the sum of the terms by the number of elements.
    """

    def forward(self, prediction: Array, target: Array) -> Any:
        """Return the loss, a NumPy scalar of the prediction's dtype.

        Args:
            prediction: float16/32/64 of any shape.
            target: the same shape, any real dtype, cast to the prediction's.

        Without elements the mean is nan and the sum 0.

        Raises:
            TypeError: prediction is no float array, or target no real one.
            ValueError: the shapes differ; they are not broadcast.
        """
        prediction = float_array("MSELoss", "prediction", prediction)
        target = target_like("MSELoss", target, "prediction", prediction)
        difference = np.asarray(prediction - target)
        self._save(difference)
        return self._reduce(difference * difference)

    def backward(self, cotangent: Array | float = 1.0) -> Array:
        """Return the gradient of the prediction; the target gets none. As ``SoftmaxWithLoss.backward``."""
        difference = self._saved_by_forward()
        term_cotangent = self._term_cotangent(cotangent, difference.size, difference.dtype)
        return np.asarray(difference * (2 * term_cotangent), dtype=difference.dtype)


class BCELoss(ReducedLoss[tuple[Array, Array]]):
    """Binary cross entropy of probabilities p and targets t, element by element:

    ``term = -(t * log(p) + (1 - t) * log(1 - p))``, so ``d(term)/dp = (p - t) / (p * (1 - p))``

    with torch's two conventions that keep both finite at p = 0 and p = 1: a logarithm below -100 counts as
    -100, and the divisor ``p * (1 - p)`` is at least 1e-12 (float16 has no 1e-12: at least its smallest
    normal number). There the gradient is not the derivative of the clamped loss, and differences disagree.
    "mean" divides the sum of the terms by the number of elements.
    """

    def forward(self, probability: Array, target: Array) -> Any:
        """Return the loss, a NumPy scalar of the probability's dtype.

        Args:
            probability: float16/32/64 of any shape, in [0, 1].
            target: the same shape, in [0, 1], any real dtype, cast to the probability's.

        Without elements the mean is nan and the sum 0.

        Raises:
            TypeError: probability is no float array, or target no real one.
            ValueError: the shapes differ (they are not broadcast), or an element, nan included, is outside
                [0, 1].
        """
        p = float_array("BCELoss", "probability", probability)
        t = target_like("BCELoss", target, "probability", p)
        within_unit_interval("BCELoss", "probability", p)
        within_unit_interval("BCELoss", "target", t)
        self._save((p, t))
        with np.errstate(divide="ignore"):
            log_p = np.maximum(np.log(p), p.dtype.type(-100))
            log_not_p = np.maximum(np.log1p(-p), p.dtype.type(-100))
        return self._reduce(np.asarray(-(t * log_p + (1 - t) * log_not_p), dtype=p.dtype))

    def backward(self, cotangent: Array | float = 1.0) -> Array:
        """Return the gradient of the probability; the target gets none. As ``SoftmaxWithLoss.backward``."""
        p, t = self._saved_by_forward()
        term_cotangent = self._term_cotangent(cotangent, p.size, p.dtype)
        # float32's 1e-12 in every dtype, as in torch.
        smallest_divisor = max(float(np.float32(1e-12)), float(np.finfo(p.dtype).tiny))
        divisor = np.maximum(p * (1 - p), p.dtype.type(smallest_divisor))
        return np.asarray((p - t) / divisor * term_cotangent, dtype=p.dtype)


class BCEWithLogitsLoss(ReducedLoss[tuple[Array, Array]]):
    """Binary cross entropy of ``p = sigmoid(z)`` for logits z and targets t, element by element:

    ``term = max(z, 0) - t * z + log(1 + exp(-|z|))``, so ``d(term)/dz = sigmoid(z) - t``

    which is ``BCELoss`` after ``Sigmoid`` without its logarithms of numbers rounded to 0 or 1: no clamp is
    needed, and large logits keep their gradient. "mean" divides by the number of elements.
    """

    def forward(self, logits: Array, target: Array) -> Any:
        """Return the loss, a NumPy scalar of the logits' dtype.

        Args:
            logits: float16/32/64 of any shape, any real numbers.
            target: the same shape, any real dtype, cast to the logits'. As in torch, targets outside [0, 1]
                are taken as they are.

        Without elements the mean is nan and the sum 0.

        Raises:
            TypeError: logits are no float array, or target no real one.
            ValueError: the shapes differ; they are not broadcast.
        """
        z = float_array("BCEWithLogitsLoss", "logits", logits)
        t = target_like("BCEWithLogitsLoss", target, "logits", z)
        self._save((z, t))
        terms = np.maximum(z, z.dtype.type(0)) - t * z + np.log1p(np.exp(-np.abs(z)))
        return self._reduce(np.asarray(terms, dtype=z.dtype))

    def backward(self, cotangent: Array | float = 1.0) -> Array:
        """Return the gradient of the logits; the target gets none. As ``SoftmaxWithLoss.backward``."""
        z, t = self._saved_by_forward()
        term_cotangent = self._term_cotangent(cotangent, z.size, z.dtype)
        return np.asarray((sigmoid(z) - t) * term_cotangent, dtype=z.dtype)

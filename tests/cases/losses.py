"""The losses, by reduction and kind of labels."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st
from torch.nn import functional

from reference_impls.layers import BCELoss, BCEWithLogitsLoss, MSELoss, SoftmaxWithLoss
from tests.cases.case import ANY_SHAPE, ROWS, SIDES, ZEROS, Array, Case, Example, LayerAndInputs, Shape, Twin, Values

Reduction = Literal["mean", "sum"]
_SMOOTHINGS = st.sampled_from([0.0, 0.25, 0.5])


def _softmax(reduction: Reduction, labels: str) -> Callable[[Values, Any], LayerAndInputs]:
    def build(values: Values, drawn: tuple[int, int, float]) -> LayerAndInputs:
        rows, classes, smoothing = drawn
        layer = SoftmaxWithLoss(reduction, label_smoothing=smoothing)
        logits = values.real(rows, classes)
        chosen = values.rng.integers(0, classes, rows)
        if labels == "integer":
            return layer, (logits, chosen)
        if labels == "one-hot":
            return layer, (logits, values.placed(np.eye(classes)[chosen]))
        if values.kind == ZEROS:  # rows that do not sum to 1, some of them nothing but zeros
            return layer, (logits, values.placed(values.rng.integers(0, 3, (rows, classes)) / 2))
        return layer, (logits, values.placed(values.rng.dirichlet(np.ones(classes), rows)))

    return build


def _softmax_twin(reduction: Reduction) -> Callable[[Any], Twin]:
    return lambda drawn: (
        lambda p: functional.cross_entropy(p["logits"], p["labels"], reduction=reduction, label_smoothing=drawn[2])
    )


def _targets(values: Values, shape: Shape) -> Array:
    return values.placed(values.rng.uniform(size=shape).round(1 if values.kind == ZEROS else 16))


def _divisor(example: Example) -> Array:
    p = example.inputs[0].astype(np.float64)
    return np.maximum(p * (1 - p), 1e-12)


def _of(reduction: Reduction) -> list[Case]:
    with_labels = [
        Case(
            f"SoftmaxWithLoss, {reduction}, {labels} labels",
            SoftmaxWithLoss,
            st.tuples(ROWS, SIDES, _SMOOTHINGS),
            _softmax(reduction, labels),
            twin_with=_softmax_twin(reduction),
            wrt=("logits",),
            batched=2,
        )
        for labels in ("integer", "one-hot", "soft")
    ]
    return [
        *with_labels,
        Case(
            f"MSELoss, {reduction}",
            MSELoss,
            ANY_SHAPE,
            lambda v, shape: (MSELoss(reduction), (v.real(*shape), v.real(*shape))),
            lambda p: functional.mse_loss(p["prediction"], p["target"], reduction=reduction),
            wrt=("prediction",),
            batched=2,
        ),
        Case(
            f"BCELoss, {reduction}",
            BCELoss,
            ANY_SHAPE,
            lambda v, shape: (BCELoss(reduction), (v.probability(*shape), _targets(v, shape))),
            lambda p: functional.binary_cross_entropy(p["probability"], p["target"], reduction=reduction),
            wrt=("probability",),
            # At probability 0 and 1 the clamped loss has torch's gradient, which is no derivative.
            kinks=frozenset({ZEROS}),
            batched=2,
            divides_by=_divisor,
        ),
        Case(
            f"BCEWithLogitsLoss, {reduction}",
            BCEWithLogitsLoss,
            ANY_SHAPE,
            lambda v, shape: (BCEWithLogitsLoss(reduction), (v.real(*shape), _targets(v, shape))),
            lambda p: functional.binary_cross_entropy_with_logits(p["logits"], p["target"], reduction=reduction),
            wrt=("logits",),
            batched=2,
        ),
    ]


LOSSES = (*_of("mean"), *_of("sum"))

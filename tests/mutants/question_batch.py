"""Backwards that are right for this batch and not for another order of it, or for a single row."""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by
import numpy as np
import torch
from torch import Tensor

from reference_impls.layers import Affine
from tests.mutants.planting import Array, Rng, function, layer, one, torch_mutant
from tests.mutants.reference_edits import affine
from tests.mutants.torch_functions import RightExp


def _sorted_rows(g: Rng) -> tuple[Array]:
    return (np.sort(g.permutation(20).reshape(5, 4) / 10 - 1, axis=0),)


def _in_order_of_first_column(u: Array, x: Array) -> Array:
    return np.asarray((u * np.cos(x))[np.argsort(x[:, 0])])


class AffineAveragesOneRow(Affine):
    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        if len(cotangent) == 1:
            self.grads["b"] = np.full_like(self.params["b"], cotangent.mean())
        return dx


class ExpDropsSingleRows(RightExp):
    @staticmethod
    def backward(ctx: object, u: Tensor) -> Tensor:
        gradient = RightExp.backward(ctx, u)
        return gradient if len(u) > 1 else torch.zeros_like(gradient)


BATCH = (
    function(
        "rows come back in the order of their first column",
        lambda x: np.sin(x),
        lambda u, x: u * np.cos(x),
        _in_order_of_first_column,
        _sorted_rows,
        cause="batch-order",
        question="batch",
    ),
    layer(
        "Affine averages db over the columns of a single row",
        affine(Affine),
        affine(AffineAveragesOneRow),
        one(5, 4),
        input="b",
        cause="batch-of-one",
        question="batch",
    ),
    torch_mutant(
        "a Function has no gradient for a single row",
        lambda: RightExp,
        lambda: ExpDropsSingleRows,
        one(5, 4),
        cause="batch-of-one",
        question="batch",
    ),
)

"""Rewrites of a right trainee that only round otherwise: none may raise an alarm."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.parity_settings import OPTIMISERS, Data, Params, Values, mlp, ours
from benchmarks.planted_differences import Planted
from benchmarks.textbook_optimizers import Textbook
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.trainee import Named
from reference_impls.layers import Affine
from reference_impls.layers.layer import Array


class PermutedRows(Planted):
    def batch(self, inputs: Values, labels: Values) -> tuple[Values, Values]:
        order = np.random.default_rng(self.at).permutation(len(labels))
        return inputs[order], labels[order]


class MovedByOneUlp(Planted):
    def load(self, parameters: Named) -> None:
        generator = np.random.default_rng(1)
        up = {n: np.where(generator.random(p.shape) < 0.5, np.inf, -np.inf) for n, p in parameters.items()}
        super().load({n: np.where(p == 0, p, np.nextafter(p, up[n])) for n, p in parameters.items()})


class ProductTransposed(Affine):
    """(Wᵀ xᵀ)ᵀ for x W, and likewise behind."""

    def forward(self, x: Array) -> Array:
        super().forward(x)
        out: Array = (np.ascontiguousarray(self.params["W"].T) @ x.T).T + self.params["b"]
        return out

    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        rows = self._saved_by_forward()[0]
        self.grads["W"] = np.ascontiguousarray((cotangent.T @ rows).T)
        return dx


class SummedInBlocks(Affine):
    """x W as a sum over blocks of features, the last first; the batch's gradient as a sum of two halves."""

    def forward(self, x: Array) -> Array:
        super().forward(x)
        W = self.params["W"]
        out = np.zeros((len(x), W.shape[1])) + self.params["b"]
        for start in reversed(range(0, len(W), 7)):
            out += x[:, start : start + 7] @ W[start : start + 7]
        return out

    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        rows, half = self._saved_by_forward()[0], len(cotangent) // 2
        self.grads["W"] = rows[half:].T @ cotangent[half:] + rows[:half].T @ cotangent[:half]
        return dx


@dataclass(frozen=True)
class Rewrite:
    """Another way to write the same trainee."""

    name: str
    trainee: type[Planted] = Planted
    layer: type[Affine] = Affine
    textbook: bool = False

    def candidate(self, optimiser: str, data: Data, plan: Schedule) -> Planted:
        """A fresh trainee, so rewritten."""
        network = mlp(data.inputs.shape[1])
        for layer in network.layers:
            if isinstance(layer, Affine):
                layer.__class__ = self.layer
        numbers: dict[str, Any] = OPTIMISERS[optimiser]
        optimizer: Callable[[Params], Any] = ours(numbers)
        if self.textbook:
            optimizer = lambda params: Textbook(params, **numbers)  # noqa: E731
        return self.trainee(network, optimizer, data, plan)


REWRITES = [
    Rewrite("NumPy for torch"),
    Rewrite("the rows of every batch permuted", trainee=PermutedRows),
    Rewrite("a start moved by one unit in the last place", trainee=MovedByOneUlp),
    Rewrite("products transposed", layer=ProductTransposed),
    Rewrite("products summed in blocks", layer=SummedInBlocks),
    Rewrite("the optimiser's formula in another order", textbook=True),
]
SEEDS = (0, 1, 2)

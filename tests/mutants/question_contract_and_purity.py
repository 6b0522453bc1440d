"""Right numbers in shared memory, and right numbers only as long as nobody else calls."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from reference_impls.layers.layer import Layer
from tests.mutants.planting import Array, Rng, layer, one, torch_mutant
from tests.mutants.torch_functions import RightExp


class TwoBiases(Layer[Array]):
    def __init__(self, b: Array, c: Array) -> None:
        super().__init__()
        self.params = {"b": b, "c": c}
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array) -> Array:
        return x + self.params["b"] + self.params["c"]

    def backward(self, cotangent: Array) -> Array:
        self.grads = {name: cotangent.sum(axis=0) for name in self.params}
        return cotangent


class TwoBiasesWithOneGradient(TwoBiases):
    def backward(self, cotangent: Array) -> Array:
        super().backward(cotangent)
        self.grads["c"] = self.grads["b"]
        return cotangent


class ExpKeepsItsOutputOnTheClass(RightExp):
    kept: ClassVar[Tensor]

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ExpKeepsItsOutputOnTheClass.kept = torch.exp(x)
        return torch.exp(x)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return u * ExpKeepsItsOutputOnTheClass.kept


def _two_biases(cls: type[TwoBiases]) -> Any:
    def build(g: Rng) -> TwoBiases:
        return cls(g.normal(size=4), g.normal(size=4))

    return build


CONTRACT_AND_PURITY = (
    layer(
        "two parameters share the memory of one gradient",
        _two_biases(TwoBiases),
        _two_biases(TwoBiasesWithOneGradient),
        one(5, 4),
        input="c",
        cause="aliased",
        question="contract",
    ),
    torch_mutant(
        "a Function keeps its output on the class",
        lambda: RightExp,
        lambda: ExpKeepsItsOutputOnTheClass,
        one(6),
        cause="stale-state",
        question="purity",
    ),
)

"""Any right subject, with its gradients times a factor on their way back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from tests.mutants.right_torch import Right


class Overstate(torch.autograd.Function):
    """The identity, whose backward multiplies by a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return ctx.factor * u, None


class Overstated(nn.Module):
    """`target`, its gradients `factor` times the right ones: those of everything, or of one input alone.

    Args:
        target: a module or a callable on tensors.
        factor: what the gradients are multiplied by.
        only: the position of the one input; None for all inputs and parameters.
    """

    def __init__(self, target: Any, factor: float, only: int | None) -> None:
        super().__init__()
        self.target, self.factor, self.only = target, factor, only

    def forward(self, *inputs: Tensor) -> Any:
        if self.only is None:
            return self._behind(self.target(*inputs))
        return self.target(*(self._behind(x) if i == self.only else x for i, x in enumerate(inputs)))

    def _behind(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self._behind, value))
        return Overstate.apply(value, self.factor) if value.is_floating_point() else value


def overstated_torch(right: Right, seed: int, dtype: torch.dtype, factor: float) -> gk.Subject:
    """A torch function or module wrong by a factor: at even seeds in everything, at odd ones in one input if it has."""
    target, inputs = right.at(seed, dtype)
    floating = [i for i, x in enumerate(inputs) if x.is_floating_point()]
    only = floating[seed // 2 % len(floating)] if floating and seed % 2 else None
    names = gk.module(target, *inputs).call
    return gk.module(Overstated(target, factor, only), *inputs, names=names, name=f"{factor:g} × {right.name}")


def overstated(subject: gk.Subject, seed: int, factor: float) -> gk.Subject:
    """Any subject whose backward is wrong by a factor: at even seeds in every gradient, at odd ones in one."""
    names = subject.differentiable
    wrong = (names[seed // 2 % len(names)],) if seed % 2 else names

    def spoilt(pullback: Any) -> Any:
        def run(point: Mapping[str, Any], cotangents: Mapping[str, Any]) -> dict[str, Any]:
            pulled = pullback(point, cotangents)
            return {n: g.dtype.type(factor) * g if n in wrong else g for n, g in pulled.items()}

        return run

    wide = subject.reference_pullback
    return replace(
        subject,
        name=f"{factor:g} × {subject.name}",
        pullback=spoilt(subject.pullback),
        reference_pullback=None if wide is None else spoilt(wide),
    )

"""A wrong JVP beside a right VJP."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

import gradcheck_kit as gk
from tests.mutants.planting import Array, Build, Mutant, layer, one, torch_mutant
from tests.mutants.stateful import Square


def _product(jvp: Callable[..., Any], name: str) -> Build:
    def build(g: np.random.Generator) -> gk.Subject:
        return gk.function(
            lambda x, y: np.sin(x) * y,
            *(g.normal(size=6), g.normal(size=6)),
            vjp=lambda u, x, y: (u * np.cos(x) * y, u * np.sin(x)),
            jvp=jvp,
            name=name,
        )

    return build


def _right(tangents: tuple[Array, Array], x: Array, y: Array) -> Array:
    return np.asarray(tangents[0] * np.cos(x) * y + tangents[1] * np.sin(x))


def _first_only(tangents: tuple[Array, Array], x: Array, y: Array) -> Array:
    return np.asarray(tangents[0] * np.cos(x) * y)


class SquareWithJVP(Square):
    def jvp(self, tangent: Array) -> Array:
        return np.asarray(2 * self._saved_by_forward() * tangent)


class SquareHalvesItsJVP(SquareWithJVP):
    def jvp(self, tangent: Array) -> Array:
        return super().jvp(tangent) / 2


class SineWithJVP(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return torch.sin(x)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return u * torch.cos(ctx.saved_tensors[0])

    @staticmethod
    def jvp(ctx: Any, v: Tensor) -> Tensor:
        return v * torch.cos(ctx.saved_tensors[0])


class SineFlipsItsJVP(SineWithJVP):
    @staticmethod
    def jvp(ctx: Any, v: Tensor) -> Tensor:
        return -SineWithJVP.jvp(ctx, v)


FORGETS = "a JVP forgets its second tangent"

ADJOINT = (
    Mutant(
        FORGETS, _product(_right, f"right {FORGETS}"), _product(_first_only, FORGETS), "adjoint", "y", "not-adjoint"
    ),
    layer(
        "a layer's JVP is half of it",
        lambda _: SquareWithJVP(),
        lambda _: SquareHalvesItsJVP(),
        one(6),
        cause="not-adjoint",
        question="adjoint",
    ),
    torch_mutant(
        "a Function's JVP has the wrong sign",
        lambda: SineWithJVP,
        lambda: SineFlipsItsJVP,
        one(6),
        cause="not-adjoint",
        question="adjoint",
    ),
)

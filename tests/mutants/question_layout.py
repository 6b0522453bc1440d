"""Backwards that read memory as if it were contiguous."""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.mutants.planting import Array, function, layer, one, torch_mutant
from tests.mutants.stateful import Square
from tests.mutants.torch_functions import RightExp


def _in_memory_order(a: Array) -> Array:
    return a.ravel(order="K").reshape(a.shape)


def _in_place(u: Array, x: Array) -> Array:
    before = u.copy()
    u *= np.cos(x)
    gradient = u.copy()
    u[...] = before
    return gradient


class SquareReadsItsInputInMemoryOrder(Square):
    def backward(self, cotangent: Array) -> Array:
        return np.asarray(2 * _in_memory_order(self._saved_by_forward()) * cotangent)


class ExpIgnoresStrides(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return torch.as_strided(u, y.shape, torch.empty(y.shape, device="meta").stride()) * y


class ExpIgnoresOffset(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        return torch.as_strided(u, u.shape, u.stride(), 0) * ctx.saved_tensors[0]


class ExpViews(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return (u.view(-1) * y.reshape(-1)).reshape(y.shape)


class ExpTakesStrideZeroForOnes(RightExp):
    """As `y.sum().backward()` sends them: ones, but of any size if the sum is scaled."""

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return y.clone() if not any(u.stride()) else u * y


class ExpDoublesALastStrideOfZero(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return u * y if u.stride(-1) else 2 * u * y


def _ones_where_stride_zero(u: Array, x: Array) -> Array:
    return np.cos(x) if not any(u.strides) else np.asarray(u * np.cos(x))


LAYOUT = (
    function(
        "a NumPy backward takes a cotangent of stride 0 for ones",
        lambda x: np.sin(x),
        lambda u, x: u * np.cos(x),
        _ones_where_stride_zero,
        one(4, 3),
        cause="layout",
        question="layout",
    ),
    torch_mutant(
        "a Function takes a cotangent of stride 0 for ones",
        lambda: RightExp,
        lambda: ExpTakesStrideZeroForOnes,
        one(4, 3),
        cause="layout",
        question="layout",
    ),
    torch_mutant(
        "a Function doubles a cotangent whose last stride is 0",
        lambda: RightExp,
        lambda: ExpDoublesALastStrideOfZero,
        one(4, 3),
        cause="layout",
        question="layout",
    ),
    function(
        "a NumPy backward reads its cotangent in the order of the memory",
        lambda x: np.sin(x),
        lambda u, x: u * np.cos(x),
        lambda u, x: _in_memory_order(u) * np.cos(x),
        one(4, 3),
        cause="layout",
        question="layout",
    ),
    function(
        "a NumPy backward borrows its cotangent's memory",
        lambda x: np.sin(x),
        lambda u, x: u * np.cos(x),
        _in_place,
        one(4, 3),
        input="the cotangent",
        cause="layout",
        question="layout",
    ),
    layer(
        "a layer reads its saved input in the order of the memory",
        lambda _: Square(),
        lambda _: SquareReadsItsInputInMemoryOrder(),
        one(4, 3),
        cause="layout",
        question="layout",
    ),
    torch_mutant(
        "a Function reads its cotangent's storage and ignores the strides",
        lambda: RightExp,
        lambda: ExpIgnoresStrides,
        one(4, 3),
        cause="layout",
        question="layout",
    ),
    torch_mutant(
        "a Function ignores its cotangent's storage offset",
        lambda: RightExp,
        lambda: ExpIgnoresOffset,
        one(7),
        cause="layout",
        question="layout",
    ),
    torch_mutant(
        "a Function views its cotangent as contiguous",
        lambda: RightExp,
        lambda: ExpViews,
        one(4, 3),
        input="the cotangent",
        cause="layout",
        question="layout",
    ),
)

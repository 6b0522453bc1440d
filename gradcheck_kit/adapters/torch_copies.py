"""Copies of tensors in the very same memory layout: recorded, with a tangent, or plain."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad


def fresh(leaf: Tensor) -> Tensor:
    """A recorded copy in the very same memory layout."""
    plain = leaf.is_contiguous() and leaf.storage_offset() == 0
    return leaf.clone() if plain else _Fresh.apply(leaf)  # type: ignore[no-untyped-call]


class _Fresh(torch.autograd.Function):
    """The same where `clone` would not keep the layout."""

    @staticmethod
    def forward(ctx: Any, leaf: Tensor) -> Tensor:
        return same_layout(leaf)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Tensor:
        return cotangent


def same_layout(tensor: Tensor) -> Tensor:
    """A copy with the same strides and storage offset, in a storage of its own; no view of anything."""
    tensor = tensor.detach()
    if tensor.is_contiguous() and tensor.storage_offset() == 0:
        return tensor.clone()
    storage = tensor.untyped_storage().clone()  # type: ignore[no-untyped-call]
    return tensor.new_empty(0).set_(storage, tensor.storage_offset(), tensor.size(), tensor.stride())


def dual(tensor: Tensor, tangent: Tensor, *, leaf: bool) -> Tensor:
    """A copy that carries a tangent and requires a gradient: a leaf, as a parameter is, or else free to be changed."""
    if leaf:
        made: Tensor = forward_ad.make_dual(same_layout(tensor), tangent).requires_grad_()  # type: ignore[no-untyped-call]
    else:
        made = forward_ad.make_dual(fresh(tensor.detach().requires_grad_()), tangent)  # type: ignore[no-untyped-call]
    return made

"""Backwards that count on uninitialised memory to be harmless.

Their scratch memory is large enough to come fresh from the operating system each time, and so to be zero as long as
nobody fills it: every other question sees right gradients.
"""

from typing import Any

import torch
from torch import Tensor

from tests.mutants.planting import one, torch_mutant
from tests.mutants.torch_functions import RightExp

FRESH = 16_000_000  # 128 MB of float64: twice what glibc keeps of freed memory before it gives it back


class ExpAddsToFreshMemory(RightExp):
    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        gradient = u.new_empty(FRESH)[: u.numel()]
        return gradient.add(u * ctx.saved_tensors[0])


class ExpTrustsMemoryToBeSmall(RightExp):
    """NaN is looked after, a large number is not."""

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Tensor:
        scratch = torch.nan_to_num(torch.empty(FRESH, dtype=u.dtype)[: u.numel()], nan=0.0)
        return u * ctx.saved_tensors[0] * (1 + scratch)


POISON = (
    torch_mutant(
        "a Function adds to memory that it did not zero",
        lambda: RightExp,
        lambda: ExpAddsToFreshMemory,
        one(6),
        cause="uninitialised-memory",
        question="poison",
    ),
    torch_mutant(
        "a Function trusts memory to hold small numbers",
        lambda: RightExp,
        lambda: ExpTrustsMemoryToBeSmall,
        one(6),
        cause="uninitialised-memory",
        question="poison",
    ),
)

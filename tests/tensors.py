"""Tensors to check at: random numbers that are the same in every run."""

import torch
from torch import Tensor


def drawn(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """Normal numbers of this shape, drawn in float64 in every dtype."""
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)

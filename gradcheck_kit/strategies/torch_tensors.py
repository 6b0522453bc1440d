"""From NumPy arrays to tensors."""

from typing import Any

import numpy.typing as npt
import torch

from gradcheck_kit.subject import UsageError


def expect_dtype(name: str | None) -> torch.dtype | None:
    """torch's dtype of this name.

    Raises:
        UsageError: torch has none.
    """
    dtype = None if name is None else getattr(torch, str(name), None)
    if name is not None and (not isinstance(dtype, torch.dtype) or not dtype.is_floating_point):
        raise UsageError(f"dtype={name!r} is no floating-point dtype of torch; pass one such as 'bfloat16'")
    return dtype


def tensor_of(values: npt.NDArray[Any], device: Any, dtype: torch.dtype | None, requires_grad: bool) -> torch.Tensor:
    """A leaf tensor of these values; integers keep their dtype."""
    tensor = torch.from_numpy(values).to(device)
    if not tensor.is_floating_point():
        return tensor
    return tensor.to(dtype or tensor.dtype).requires_grad_(requires_grad)

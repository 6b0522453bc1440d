"""Uninitialised memory, filled with something that does not go unnoticed."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

LARGE = 0.25  # of the largest number of the dtype


class Poisoned(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is on, every floating-point tensor that torch hands out uninitialised is full of poison.

    It sees what is dispatched: `torch.empty`, `empty_like`, `new_empty`, `empty_strided` in Python or in compositions
    of operators, and not the memory that a kernel takes for itself.
    """

    def __init__(self, share: float) -> None:
        """`share` of the largest number of each dtype, or NaN."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._share = share

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """torch would import its whole compiler to keep this class out of compiled code."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in EMPTY and isinstance(made, Tensor) and made.is_floating_point():
            made.fill_(self._share if math.isnan(self._share) else self._share * torch.finfo(made.dtype).max)
        return made


EMPTY = ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted")

POISONS: Mapping[str, Callable[[], Poisoned]] = {
    "zeros": partial(Poisoned, 0.0),
    "NaN": partial(Poisoned, math.nan),
    "large numbers": partial(Poisoned, LARGE),
}

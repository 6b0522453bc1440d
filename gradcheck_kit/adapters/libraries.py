"""Which array library a call is made in."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gradcheck_kit.adapters.randomness import FrozenRandomness
from gradcheck_kit.space import Library, NumPy


def library_of(values: Iterable[Any]) -> Library:
    """torch if any value is a tensor, else NumPy. torch is not imported to find out."""
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(value, torch.Tensor) for value in values):
        from gradcheck_kit.adapters.torch_library import Torch

        return Torch()
    return NumPy()


def randomness_of(
    library: Library, arrays: Iterable[Any], functions: Sequence[Callable[..., Any]] = ()
) -> FrozenRandomness:
    """What freezes the global generators that `functions` of these arrays may draw from, and what they run."""
    if library.name == "torch":
        from gradcheck_kit.adapters.torch_library import FrozenTorchRandomness
        from gradcheck_kit.adapters.torch_modules import modules_of

        return FrozenTorchRandomness(arrays, modules_of(functions))
    return FrozenRandomness()

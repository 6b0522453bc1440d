"""The same as tensors of torch, on any device; torch is imported when a tensor is drawn."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gradcheck_kit.subject import UsageError


def tensors(
    arrays: st.SearchStrategy[Any], *, device: Any = "cpu", dtype: str | None = None, requires_grad: bool = False
) -> st.SearchStrategy[Any]:
    """What another strategy draws, with every NumPy array in it (also in dicts, lists and tuples) as a tensor.

    Args:
        arrays: such as `points(...)` or `array(...)`.
        device: where the tensors are: "cpu", "cuda", a `torch.device`, …
        dtype: of the floating-point ones, such as "bfloat16"; by default the array's own.
        requires_grad: of the floating-point ones.

    Raises:
        UsageError: torch is not installed, or has no such dtype.
    """
    try:
        from gradcheck_kit.strategies.torch_tensors import expect_dtype, tensor_of
    except ImportError as error:
        raise UsageError("strategies.tensors needs torch; pip install 'gradcheck-kit[torch]'") from error
    wanted = expect_dtype(dtype)

    def converted(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return tensor_of(value, device, wanted, requires_grad)
        if isinstance(value, Mapping):
            return {name: converted(held) for name, held in value.items()}
        return type(value)(map(converted, value)) if isinstance(value, tuple | list) else value

    return arrays.map(converted)


def like(values: Any, output: Any) -> Any:
    """Values in the library, dtype and device of an output."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(output, torch.Tensor):
        from gradcheck_kit.strategies.torch_tensors import tensor_of

        return tensor_of(values, output.device, output.dtype, False)
    return values.astype(np.asarray(output).dtype)


def register_types() -> None:
    """Teach `hypothesis.strategies.from_type` (and so `@given(...)` of annotations) `torch.Tensor`.

    NumPy arrays it knows, and frozen values it builds. To say more annotate with a strategy, which Hypothesis takes:
    `x: Annotated[torch.Tensor, tensors(array("n", 3))]`.

    Raises:
        UsageError: torch is not installed.
    """
    from gradcheck_kit.strategies.points import array

    drawn = tensors(array("n", "m"))
    st.register_type_strategy(sys.modules["torch"].Tensor, drawn)

"""What a torch forward computed on its way, and its kinks: for the time of a `with`, the module is left as it was."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradcheck_kit.side_by_side.replay import Pair, Replay

RELU = {torch.relu, torch.relu_, Tensor.relu, torch.nn.functional.relu}
MAX_POOL = {torch.max_pool2d, torch.nn.functional.max_pool2d}


class Watch:
    """Collects the outputs of the module's leaves, in the order of their calls, and asks `replay` at every kink."""

    def __init__(self, module: torch.nn.Module, replay: Replay | None) -> None:
        self.stages: dict[str, Tensor] = {}
        self._module = module
        self._kinks = None if replay is None else _Kinks(replay)
        self._hooks: list[Any] = []

    def __enter__(self) -> Self:
        for name, leaf in self._module.named_modules():
            if not any(True for _ in leaf.children()):
                self._hooks.append(leaf.register_forward_hook(self._keeping(f"{name} {type(leaf).__name__}".strip())))
        if self._kinks is not None:
            self._kinks.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._kinks is not None:
            self._kinks.__exit__(*exception)  # type: ignore[no-untyped-call]
        for hook in self._hooks:
            hook.remove()

    def _keeping(self, name: str) -> Callable[[torch.nn.Module, Any, Any], None]:
        def keep(module: torch.nn.Module, inputs: Any, out: Any) -> None:
            if isinstance(out, Tensor):
                again = sum(stage == name or stage.startswith(f"{name} again") for stage in self.stages)
                # A copy: what comes after may overwrite it, as `inplace=True` and `q += h` do.
                self.stages[f"{name} again {again}" if again else name] = out.detach().clone()

        return keep


class _Kinks(TorchFunctionMode):
    """Hands the input of every ReLU and max-pool to the replay; the gradient goes through as if it had not."""

    def __init__(self, replay: Replay) -> None:
        super().__init__()
        self._replay = replay

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in RELU:
            args = (_moved(args[0], self._replay.relu), *args[1:])
        elif func in MAX_POOL:
            kernel, stride, padding = _windows(*args[1:], **kwargs)
            unit = 2.0**-8 if args[0].dtype is torch.bfloat16 else 0.0  # which NumPy has not: seen as float32
            args = (_moved(args[0], lambda x: self._replay.max_pool(x, kernel, stride, padding, unit)), *args[1:])
        return func(*args, **kwargs)


def _windows(
    kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, *_: Any, **__: Any
) -> tuple[Pair, Pair, Pair]:
    if _pair(dilation) != (1, 1):
        raise NotImplementedError("a dilated max-pool cannot be replayed; pass replay=False")
    return _pair(kernel_size), _pair(stride or kernel_size), _pair(padding)


def _pair(value: Any) -> Pair:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _moved(z: Tensor, replay: Callable[[Any], Any]) -> Tensor:
    """`z` with the replay's values and its own gradient."""
    held = z.detach().cpu()
    own = (held.float() if held.dtype is torch.bfloat16 else held).numpy()
    values = replay(own)
    if values is own:
        return z
    return torch.as_tensor(values).to(z) + (z - z.detach())

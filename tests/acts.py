"""What subjects do in their calls besides computing, and how a check of them may end."""

import random
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


class PlantedError(Exception):
    """What a caller's code raises."""


@dataclass
class Act:
    """What a subject does in its calls: by default nothing but compute.

    Attributes:
        forward: (the number of the call, the inputs, the output) → what the forward returns.
        backward: the number of the call → None; may raise.
        surroundings: called in every forward with the output and the modules at hand.
    """

    forward: Callable[[int, Sequence[Any], Any], Any] = lambda call, inputs, output: output
    backward: Callable[[int], None] = lambda call: None
    surroundings: Callable[[Any, Sequence[nn.Module]], None] = lambda output, modules: None
    forwards: int = field(default=0)
    backwards: int = field(default=0)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Act":
        return self

    def returned(self, inputs: Sequence[Any], output: Any, *modules: nn.Module) -> Any:
        self.forwards += 1
        self.surroundings(output, modules)
        if isinstance(output, Tensor) and output.requires_grad:
            output.register_hook(lambda gradient: self.pulled())
        return self.forward(self.forwards, inputs, output)

    def pulled(self) -> None:
        self.backwards += 1
        self.backward(self.backwards)


def raising(error: type[BaseException], after: int) -> Callable[..., Any]:
    """Raises from the `after`-th call on; else returns the last of what it is given, if there is more than a number."""

    def act(call: int, *given: Any) -> Any:
        if call >= after:
            raise error("planted")
        return given[-1] if given else None

    return act


def as_float32(output: Any) -> Any:
    return output.float() if isinstance(output, Tensor) else np.float32(output)


def everything_drawn(call: int, inputs: Sequence[Any], output: Any) -> Any:
    """As dropout would, from the global generators of its own libraries."""
    of_torch = float(torch.rand(1)) if isinstance(output, Tensor) else 0.0
    return output + 0.25 * (random.random() + float(np.random.rand()) + of_torch)  # noqa: NPY002


def overwritten(call: int, inputs: Sequence[Any], output: Any) -> Any:
    for array in inputs:
        array *= 2
    return output


def overwritten_unseen(call: int, inputs: Sequence[Any], output: Any) -> Any:
    """Where autograd does not notice."""
    return overwritten(call, [array.data if isinstance(array, Tensor) else array for array in inputs], output)


def slept(call: int, inputs: Sequence[Any], output: Any) -> Any:
    time.sleep(0.02)
    return output


def resettled(output: Any, modules: Sequence[nn.Module]) -> None:
    """Every setting of the process that a careless function touches."""
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    if not isinstance(output, Tensor):
        return
    torch.set_default_dtype(torch.float32 if torch.get_default_dtype() == torch.float64 else torch.float64)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.set_float32_matmul_precision("medium")


def disturbed(output: Any, modules: Sequence[nn.Module]) -> None:
    """Everything that a module has, but for what its output depends on."""
    for module in modules:
        module.train(not module.training)
        module.calls = getattr(module, "calls", 0) + 1  # type: ignore[assignment, operator]
        module.register_buffer("extra", torch.ones(2))
        for buffer in module.buffers():
            buffer += 1
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter.grad += 1
                parameter.requires_grad_(False)
            parameter.grad = torch.ones_like(parameter) if parameter.is_leaf else None


Outcome = Verdict | type[BaseException]


@dataclass(frozen=True)
class Behaviour:
    """An act, how the check may end, and the budget that it is given."""

    make: Callable[[], Act]
    ends: tuple[Outcome, ...]
    budget: Any = None


UNSTEADY = (INCONCLUSIVE, gk.UsageError, FAIL)
BEHAVIOURS: dict[str, Behaviour] = {
    "nothing": Behaviour(Act, (PASS,)),
    "draws": Behaviour(lambda: Act(everything_drawn), (PASS,)),
    "NaN always": Behaviour(lambda: Act(lambda call, inputs, y: y * float("nan")), (INCONCLUSIVE,)),
    "infinity always": Behaviour(lambda: Act(lambda call, inputs, y: y + float("inf")), (INCONCLUSIVE,)),
    "NaN in every second call": Behaviour(
        lambda: Act(lambda call, inputs, y: y * float("nan") if call % 2 else y), UNSTEADY
    ),
    "NaN in every tenth call": Behaviour(
        lambda: Act(lambda call, inputs, y: y * float("nan") if call % 10 == 9 else y), (PASS, FAIL, INCONCLUSIVE)
    ),
    "another shape each time": Behaviour(lambda: Act(lambda call, inputs, y: y[: 1 + call % 2]), UNSTEADY),
    "another rank each time": Behaviour(lambda: Act(lambda call, inputs, y: y if call % 2 else y[0]), UNSTEADY),
    "another dtype each time": Behaviour(
        lambda: Act(lambda call, inputs, y: as_float32(y) if call % 2 else y), UNSTEADY
    ),
    "another number of outputs each time": Behaviour(
        lambda: Act(lambda call, inputs, y: (y,) * (1 + call % 2)), UNSTEADY
    ),
    "sleeps": Behaviour(lambda: Act(slept), (INCONCLUSIVE,), 0.05),
    "writes to its inputs": Behaviour(lambda: Act(overwritten), (FAIL, RuntimeError)),  # where autograd notices
    "writes to its inputs unseen": Behaviour(lambda: Act(overwritten_unseen), (FAIL,)),
    "changes settings": Behaviour(lambda: Act(surroundings=resettled), (PASS,)),
    "disturbs its modules": Behaviour(lambda: Act(surroundings=disturbed), (PASS, INCONCLUSIVE)),
}
for planted in (PlantedError, KeyboardInterrupt):
    for count in (1, 2, 3, 5, 8, 20):
        BEHAVIOURS[f"{planted.__name__} in forward {count}"] = Behaviour(
            partial(lambda error, after: Act(raising(error, after)), planted, count),
            (planted,) if planted is KeyboardInterrupt else (planted, INCONCLUSIVE),
        )
    for count in (1, 2, 4):
        BEHAVIOURS[f"{planted.__name__} in backward {count}"] = Behaviour(
            partial(lambda error, after: Act(backward=raising(error, after)), planted, count), (planted,)
        )

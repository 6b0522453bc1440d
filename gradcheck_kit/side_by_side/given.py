"""Are these two trainees and a batch function? If not: what to pass instead. And copies of what a side is handed."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck_kit.side_by_side.trainee import Values
from gradcheck_kit.subject import UsageError

METHODS = ("load", "parameters", "loss_and_gradients", "step")
ATTRIBUTES = ("name", "dtype", "device")
AS_BATCH = "pass a function from positions of examples to inputs and labels, such as lambda i: (x[i], y[i])"


def lack(side: Any) -> str | None:
    """What this lacks to be a trainee, in words; None if it is one."""
    missing = [name for name in METHODS if not callable(getattr(side, name, None))]
    missing += [name for name in ATTRIBUTES if not hasattr(side, name)]
    return f"lacks {', '.join(missing)}; a trainee has them all" if missing else None


def expect_trainee(role: str, side: Any) -> None:
    """Raise a UsageError, which says what to pass as `role`, unless this is a trainee."""
    if isinstance(side, type):
        raise UsageError(f"{role} is the class {side.__name__}; pass an instance, such as {side.__name__}(...)")
    missing = lack(side)
    if missing is not None and callable(getattr(side, "named_parameters", None)):
        wrapped = "gradcheck_kit.torch.TorchTrainee(name, module, optimizer, loss, layout)"
        raise UsageError(f"{role} is a torch module; pass {wrapped}")
    if missing is not None:
        raise UsageError(f"{role}, of type {type(side).__name__}, {missing}")


def expected_batch(batch: Any) -> Callable[..., tuple[Values, Values]]:
    """The batch function, which from now on raises a UsageError where it gives something else than two arrays.

    Raises:
        UsageError: it is no function.
    """
    if not callable(batch):
        raise UsageError(f"batch is a {type(batch).__name__}; {AS_BATCH}")

    def pair(indices: Values) -> tuple[Values, Values]:
        made = batch(indices)
        if not isinstance(made, tuple | list) or len(made) != 2:
            told = f"{len(made)} values" if isinstance(made, tuple | list) else f"a {type(made).__name__}"
            raise UsageError(f"batch returned {told}; {AS_BATCH}")
        return made[0], made[1]

    return pair


def handed(values: Any) -> Any:
    """A copy of an array, so that a side that works in place changes nothing of the other's, nor of the user's."""
    return np.array(values) if isinstance(values, np.ndarray) else values

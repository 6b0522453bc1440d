"""Are these two trainees, a batch function, parameters, a loss? If not: what instead. And copies for the sides."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradcheck_kit.side_by_side.names import check_fit
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.trainee import Named, Trainee, Values
from gradcheck_kit.subject import UsageError

METHODS = ("load", "parameters", "loss_and_gradients", "step")
ATTRIBUTES = ("name", "dtype", "device")
AS_FLOAT = "float(loss), or float(loss.detach()) of a torch tensor"
OWN_TARGETS = "such as (x[i], x[i]) where the inputs are their own targets"
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


def expected_batch(batch: Any, schedule: Schedule) -> Callable[..., tuple[Values, Values]]:
    """The batch function, which from now on raises a UsageError where it gives something else than two arrays, or has
    fewer examples than the schedule.

    Raises:
        UsageError: it is no function.
    """
    if not callable(batch):
        raise UsageError(f"batch is a {type(batch).__name__}; {AS_BATCH}")

    def pair(indices: Values) -> tuple[Values, Values]:
        try:
            made = batch(indices)
        except IndexError as error:
            told = f"batch raised {error!r} for positions up to {np.max(indices)}: the schedule has {schedule.examples}"
            raise UsageError(f"{told} examples; pass a Schedule of as many as there are in the data") from error
        if not isinstance(made, tuple | list) or len(made) != 2:
            told = f"{len(made)} values" if isinstance(made, tuple | list) else f"a {type(made).__name__}"
            raise UsageError(f"batch returned {told}; {AS_BATCH}")
        for what, values in zip(("inputs", "labels"), made, strict=True):
            if values is None:
                raise UsageError(f"batch returned None for the {what}; return an array of each, {OWN_TARGETS}")
        return made[0], made[1]

    return pair


def expect_numbers(owner: str, what: str, values: Any) -> None:
    """Raise a UsageError where this is an array of objects or strings, whatever they are, and not of numbers."""
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind not in "fiubc":
        wanted = "np.int64" if what == "labels" else "np.float32"
        told = f"{owner}: the {what} are an array of dtype {dtype}; pass numbers"
        raise UsageError(f"{told}, such as {what}.astype({wanted}), and classes by their number")


def expect_parameters(side: Trainee, wanted: Named) -> None:
    """Raise a UsageError unless `parameters()` has the schedule's names, each in the schedule's shape."""
    own = expected_arrays(side, "parameters", side.parameters())
    told, due = ({name: np.shape(values) for name, values in arrays.items()} for arrays in (own, wanted))
    check_fit(side.name, told, due)


def expected_arrays(side: Trainee, method: str, told: Any) -> Named:
    """What a method told, or a UsageError unless it is arrays by name, none of them still part of a graph."""
    if not isinstance(told, Mapping):
        raise UsageError(f"{side.name}: {method}() returned a {type(told).__name__}; return a dict of arrays by name")
    held = [name for name, values in told.items() if getattr(values, "requires_grad", False)]
    if held:
        which = f"{', '.join(held)} as tensors that require grad"
        raise UsageError(f"{side.name}: {method}() returned {which}; return arrays, such as p.detach().numpy()")
    return told


def expect_untouched(side: Trainee, loaded: Named) -> None:
    """Raise a UsageError where the other side's step moved this one, which has not made any."""
    now = side.parameters()
    pairs = {
        name: (np.asarray(values, np.float64), np.asarray(now[name], np.float64)) for name, values in loaded.items()
    }
    moved = [name for name, pair in pairs.items() if not np.array_equal(*pair, equal_nan=True)]
    if moved:
        told = f"{', '.join(moved)} of {side.name} moved when the reference made its first step"
        raise UsageError(f"{told}: the two share arrays; give each a network of its own, such as copy.deepcopy of it")


def expect_arguments(reference: Any, candidate: Any, schedule: Any, test: Any) -> None:
    """Raise a UsageError, which says what to pass, unless these are two trainees, a schedule and a test set or None."""
    expect_trainee("reference", reference)
    expect_trainee("candidate", candidate)
    if reference is candidate:
        raise UsageError(f"reference and candidate are one object, {reference.name}; pass two: both are trained")
    if not isinstance(schedule, Schedule):
        wanted = "gradcheck_kit.Schedule(parameters, examples, batch_size, epochs, seed)"
        raise UsageError(f"schedule is a {type(schedule).__name__}; pass {wanted}")
    if not isinstance(schedule.parameters, Mapping):
        raise UsageError(f"the schedule's parameters are a {type(schedule.parameters).__name__}; pass arrays by name")
    if test is not None and (not isinstance(test, tuple | list) or len(test) != 2):
        told = f"{len(test)} values" if isinstance(test, tuple | list) else f"a {type(test).__name__}"
        raise UsageError(f"test is {told}; pass inputs and labels, such as test=(x_test, y_test)")


def as_loss(side: Trainee, loss: Any) -> float:
    """The loss as a float.

    Raises:
        UsageError: it is no number: nothing, an array with an axis, or a tensor that is still part of a graph.
    """
    shape = np.shape(loss) if isinstance(loss, list | tuple) else tuple(getattr(loss, "shape", ()))
    held = bool(getattr(loss, "requires_grad", False))
    try:
        if not held and not shape and not isinstance(loss, str | bytes):
            return float(loss)
    except (TypeError, ValueError):
        pass
    told = f"an array of shape {shape}" if shape else "a tensor that requires grad" if held else repr(loss)
    raise UsageError(f"{side.name}: loss_and_gradients() returned {told}; return one number, such as {AS_FLOAT}")


def handed(values: Any) -> Any:
    """A copy of an array, so that a side that works in place changes nothing of the other's, nor of the user's."""
    return np.array(values) if isinstance(values, np.ndarray) else values

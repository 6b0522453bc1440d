"""How a backward is called, and which input each gradient that it returned belongs to."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck_kit.adapters.signature import expect_call, misfit_of
from gradcheck_kit.space import Array, Library
from gradcheck_kit.subject import UsageError


def expect_backward(title: str, backward: Callable[..., Any]) -> None:
    """Raise a UsageError, which says how it is called, if a layer's backward cannot take one cotangent."""
    misfit = misfit_of(backward, [None])
    if misfit is not None:
        signature, error = misfit
        raise UsageError(
            f"{title}.backward is called as backward(cotangent), with the gradient of what comes after {title} in the "
            f"form of the forward's output: one array, or one tuple for several outputs; yours takes "
            f"{signature} ({error}); for a loss write backward(self, cotangent=1.0), and multiply "
            "by it"
        )


def expect_vjp(vjp: Callable[..., Any], inputs: Sequence[Any]) -> None:
    """Raise a UsageError, which says how it is called, if this cannot take a cotangent and the inputs."""
    try:
        expect_call("vjp, called as vjp(cotangent, *inputs),", vjp, [None, *inputs])
    except UsageError as error:
        raise UsageError(
            f"{error}. A backward that takes what its forward kept is passed as gk.check(lambda *x: forward(*x)[0], "
            "*inputs, vjp=lambda u, *x: backward(u, forward(*x)[1]))"
        ) from None


def matched_gradients(
    subject: str,
    library: Library,
    returned: Any,
    inputs: Sequence[str],
    differentiable: Sequence[str],
    beside: str = "",
) -> dict[str, Array | None]:
    """What a backward returned, by input: one for every input, or one for every differentiable input, or a dict.

    Raises:
        UsageError: the number or kind of what was returned fits neither.
    """
    if isinstance(returned, Mapping):
        unknown = [key for key in returned if key not in inputs]
        if unknown:
            raise UsageError(
                f"{subject}: the backward returned a gradient for {unknown[0]!r}; inputs: {', '.join(inputs)}"
            )
        return {name: _gradient(subject, library, name, returned.get(name)) for name in differentiable}
    values = list(returned) if isinstance(returned, tuple | list) else [returned]
    if len(values) == len(inputs):
        order: Sequence[str] = inputs
    elif len(values) == len(differentiable):
        order = differentiable
    elif len(values) < len(differentiable):
        order = inputs[: len(values)]  # the rest got no gradient, which claims that it is zero
    else:
        raise UsageError(
            f"{subject}: the backward returned {len(values)} gradients for {len(inputs)} "
            f"input{'s' if len(inputs) != 1 else ''} ({', '.join(inputs)}); return one for each, None where there is "
            f"none{beside}"
        )
    by_name = dict(zip(order, values, strict=True))
    return {name: _gradient(subject, library, name, by_name.get(name)) for name in differentiable}


def _gradient(subject: str, library: Library, name: str, value: Any) -> Array | None:
    if value is None:
        return None
    if library.name == "numpy" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not library.owns(value):
        kind = type(value).__name__
        raise UsageError(f"{subject}: the backward returned a {kind} for {name}; return a {library.name} array")
    return np.asarray(value) if library.name == "numpy" else value

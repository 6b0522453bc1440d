"""How a backward is called, and which input each gradient that it returned belongs to."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck_kit.adapters.signature import expect_call, misfit_of
from gradcheck_kit.space import Array, Library
from gradcheck_kit.subject import UsageError

SETTINGS = ("data", "debug", "decay", "delay", "depth", "detach", "device", "dilation", "dim", "dropout", "dt", "dtype")
"""Parameters that begin as those of cotangents do."""


def given_to(title: str, backward: Callable[..., Any], cotangents: Any) -> Sequence[Any]:
    """What a layer's backward is called with: one cotangent, or one tuple of them, or each by itself.

    Of a forward that returns several outputs each is given by itself where the backward has a parameter for each: all
    of them required, but those called as a gradient is that are by default 0 or None, as where an output is not used.

    Raises:
        UsageError: it takes neither; the message says how it is called.
    """
    several = cotangents if isinstance(cotangents, tuple) and len(cotangents) > 1 else ()
    if several and _takes_each(backward, len(several)):
        return several
    expect_backward(title, backward, f"; the forward returned {len(several)} outputs" if several else "")
    return [cotangents]


def _takes_each(backward: Callable[..., Any], count: int) -> bool:
    try:
        parameters = inspect.signature(backward).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) != len(parameters) or len(positional) != count:
        return False
    return all(_is_cotangent(parameter.name, parameter.default) for parameter in positional)


def _is_cotangent(name: str, default: Any) -> bool:
    """Whether a parameter may stand for the cotangent of an output: it has to be given, or is called as one is and by
    default what an output has that is not used."""
    if default is inspect.Parameter.empty:
        return True
    unused = default is None or (type(default) in (int, float) and default == 0)
    return unused and name.startswith(("d", "grad", "cot")) and name not in SETTINGS


def expect_backward(title: str, backward: Callable[..., Any], seen: str = "") -> None:
    """Raise a UsageError, which says how it is called, if a layer's backward cannot take one cotangent."""
    misfit = misfit_of(backward, [None])
    if misfit is not None:
        signature, error = misfit
        raise UsageError(
            f"{title}.backward is called as backward(cotangent), with the gradient of what comes after {title} in the "
            "form of the forward's output: one array, or for several outputs one tuple, or one argument for each; "
            f"yours takes {signature} ({error}{seen}); for a loss write backward(self, cotangent=1.0), and multiply "
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

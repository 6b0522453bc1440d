"""Subjects made explicitly, for whoever wants to say more than `check` can guess."""

from collections.abc import Callable, Sequence
from typing import Any

from gradcheck_kit.adapters import function as _function
from gradcheck_kit.adapters import numpy_layer
from gradcheck_kit.subject import Subject


def layer(
    layer: Any, *inputs: Any, names: Sequence[str] | None = None, name: str | None = None, batch: Sequence[str] = ()
) -> Subject:
    """The subject of a textbook layer; see `gradcheck_kit.adapters.numpy_layer.subject_of`."""
    return numpy_layer.subject_of(layer, inputs, names=names, name=name, batch=batch)


def function(
    forward: Callable[..., Any],
    *inputs: Any,
    vjp: Callable[..., Any],
    jvp: Callable[..., Any] | None = None,
    names: Sequence[str] | None = None,
    name: str | None = None,
    batch: Sequence[str] = (),
) -> Subject:
    """The subject of a function and its VJP; see `gradcheck_kit.adapters.function.subject_of`."""
    return _function.subject_of(forward, inputs, vjp=vjp, jvp=jvp, names=names, name=name, batch=batch)


def module(
    target: Any,
    *inputs: Any,
    names: Sequence[str] | None = None,
    name: str | None = None,
    batch: Sequence[str] = (),
    vmap: bool = False,
) -> Subject:
    """The subject of a torch module, `autograd.Function` or callable; needs torch.

    See `gradcheck_kit.adapters.torch.subject_of`.
    """
    from gradcheck_kit.adapters import torch

    return torch.subject_of(target, inputs, names=names, name=name, batch=batch, vmap=vmap)

"""Any subject as JAX's `check_grads` takes it: its forward and pullback behind `custom_vjp` and `pure_callback`."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import gradcheck_kit as gk


def passes(subject: gk.Subject) -> bool:
    """JAX's verdict, first order, reverse mode, with its default eps, atol and rtol, in the subject's own dtype.

    Raises:
        Exception: whatever the subject raises, as JAX passes it on.
    """
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    inputs = tuple(jax.numpy.asarray(_in_numpy(subject.point[n])) for n in subject.differentiable)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check_grads(_function(subject), inputs, order=1, modes=["rev"])
        except AssertionError:
            return False
    return True


def _function(subject: gk.Subject) -> Callable[..., Any]:
    """JAX arrays, one for each differentiable input → its outputs, with the subject's pullback for a VJP."""
    import jax

    names = subject.differentiable
    of_outputs = {n: _form(o) for n, o in subject.forward(_point(subject, {})).items()}
    of_inputs = tuple(_form(subject.point[n]) for n in names)

    def forward(*values: Any) -> dict[str, Any]:
        found = subject.forward(_point(subject, dict(zip(names, values, strict=True))))
        return {n: _in_numpy(found[n]) for n in of_outputs}

    def pullback(values: tuple[Any, ...], cotangents: Mapping[str, Any]) -> tuple[Any, ...]:
        given = dict(zip(names, values, strict=True))
        outputs = subject.forward(_point(subject, given))  # a layer's backward belongs to its latest forward
        u = {n: _back(subject, outputs[n], c) for n, c in cotangents.items()}
        gradients = subject.pullback(_point(subject, given), u)
        return tuple(
            np.zeros(form.shape, form.dtype) if gradients.get(n) is None else _in_numpy(gradients[n])
            for n, form in zip(names, of_inputs, strict=True)
        )

    @jax.custom_vjp
    def function(*arrays: Any) -> Any:
        return jax.pure_callback(forward, of_outputs, *arrays)

    function.defvjp(
        lambda *arrays: (function(*arrays), arrays),
        lambda arrays, cotangents: jax.pure_callback(pullback, of_inputs, arrays, cotangents),
    )
    return function


def _form(array: Any) -> Any:
    import jax

    values = _in_numpy(array)
    return jax.ShapeDtypeStruct(values.shape, values.dtype)


def _point(subject: gk.Subject, values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the subject's point, but some inputs are JAX arrays."""
    library = subject.library
    fixed = {n: library.copy(array) for n, array in subject.point.items() if n not in values}
    return {**fixed, **{n: _back(subject, subject.point[n], v) for n, v in values.items()}}


def _back(subject: gk.Subject, like: Any, values: Any) -> Any:
    """A JAX array in the subject's library; for NumPy it is JAX's own memory, which is read-only."""
    if subject.library.name != "torch":
        return np.asarray(values)
    import torch

    return torch.from_numpy(np.array(values)).to(like.dtype)


def _in_numpy(array: Any) -> Any:
    return np.array(array.detach().numpy() if hasattr(array, "detach") else array)

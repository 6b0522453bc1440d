"""A call: what its inputs are called, which are chosen, and what is said of one that cannot be carried out."""

import operator
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gradcheck_kit as gk
from tests.refusals import expect_refusal
from tests.textbook import DictParams, W, X, compared

TX = torch.tensor(X)


def _named(a: Any, b: Any) -> Any:
    return a + b


def _many(first: Any, *rest: Any) -> Any:
    return first + sum(rest)


def _keywords(a: Any, *, scale: float = 2.0) -> Any:
    return scale * a


def _defaults(a: Any, b: Any = 1.0) -> Any:
    return a + b


def _positional(a: Any, b: Any, /) -> Any:
    return a + b


class Bound:
    def call(self, p: Any, q: Any) -> Any:
        return p + q


@pytest.mark.parametrize(
    ("forward", "count", "names"),
    [
        (_named, 2, ["a", "b"]),
        (_many, 3, ["first", "rest[0]", "rest[1]"]),
        (lambda *args: sum(args), 2, ["args[0]", "args[1]"]),
        (_keywords, 1, ["a"]),
        (_defaults, 1, ["a"]),
        (_positional, 2, ["a", "b"]),
        (Bound().call, 2, ["p", "q"]),
        (dict.update, 2, ["input0", "input1"]),
    ],
)
def test_inputs_are_named_by_the_signature_or_numbered(
    forward: Callable[..., Any], count: int, names: list[str]
) -> None:
    subject = gk.function(forward, *[X] * count, vjp=lambda u, *x: [u] * count)
    assert list(subject.point) == names


def test_a_builtin_without_a_signature_numbers_its_inputs() -> None:
    class Unsigned:
        __signature__ = "none"

        def __call__(self, a: Any, b: Any) -> Any:
            return operator.mul(a, b)

    subject = gk.function(Unsigned(), X, W, vjp=lambda u, a, b: (u * b, u * a))
    assert list(subject.point) == ["input0", "input1"]
    assert gk.check(subject)


def test_given_names_go_before_the_signature() -> None:
    report = gk.examine(_named, X, W, vjp=lambda u, a, b: (u, u), names=["left", "right"])
    assert compared(report) == ["left", "right"]


@pytest.mark.parametrize(("wrt", "inputs"), [("b", ["b"]), (0, ["a"]), (-1, ["b"]), (["b", "a"], ["a", "b"])])
def test_wrt_chooses_inputs_by_name_or_position(wrt: Any, inputs: list[str]) -> None:
    assert compared(gk.examine(_named, X, W, vjp=lambda u, a, b: (u, u), wrt=wrt)) == inputs


class NoBackward:
    def forward(self, x: Any) -> Any:
        return x


class Locked(DictParams):
    """Holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class JaxLike:
    """Looks like an array of JAX."""

    dtype, shape = np.dtype("float32"), (2,)


JaxLike.__module__ = "jaxlib.xla_extension"


def gradient(u: Any, *inputs: Any) -> Any:
    return tuple(u for _ in inputs)


def examine(*arguments: Any, **options: Any) -> Callable[[], Any]:
    return lambda: gk.examine(*arguments, **options)


def returning(value: Any) -> Callable[[], Any]:
    return examine(_named, X, W, vjp=lambda u, a, b: value)


SUBJECT = gk.function(np.sin, X, vjp=lambda u, x: u * np.cos(x), names=["x"])
BAD: dict[str, tuple[Callable[[], Any], Sequence[str]]] = {
    "complex": (examine(_named, X + 1j, X, vjp=gradient), ["a is complex128", "real and imaginary"]),
    "strings": (examine(_named, np.array(["p", "q"]), X, vjp=gradient), ["a is a ndarray", "numbers"]),
    "objects": (examine(_named, np.array([None]), X, vjp=gradient), ["object", "numbers"]),
    "a ragged list": (examine(_named, [[1.0], [1.0, 2.0]], X, vjp=gradient), ["a is a ragged list", "rectangular"]),
    "no float input": (examine(_named, np.arange(3), np.arange(3), vjp=gradient), ["no floating-point", "a: int64"]),
    "no input at all": (examine(lambda: 1.0, vjp=gradient), ["no floating-point", "no inputs"]),
    "a class": (examine(DictParams, X), ["DictParams is a class", "DictParams(...)"]),
    "a function without vjp": (examine(_named, X, W), ["_named", "vjp="]),
    "a lambda without vjp": (examine(lambda x: x, X), ["<lambda>", "vjp="]),
    "an object without backward": (examine(NoBackward(), X), ["NoBackward has no method backward"]),
    "an object without methods": (examine(object(), X), ["no method forward", "no method backward"]),
    "a target that is no function": (examine(3, X, vjp=gradient), ["target is a int"]),
    "a vjp that is no function": (examine(_named, X, X, vjp=3), ["vjp is a int"]),
    "too few names": (examine(_named, X, W, vjp=gradient, names=["a"]), ["names=['a']", "2 inputs"]),
    "names twice": (examine(_named, X, W, vjp=gradient, names=["a", "a"]), ["names=['a', 'a']", "different"]),
    "wrt unknown": (examine(_named, X, W, vjp=gradient, wrt="c"), ["wrt='c'", "a, b"]),
    "wrt out of range": (examine(_named, X, W, vjp=gradient, wrt=2), ["wrt=2", "a, b"]),
    "wrt a bool": (examine(_named, X, W, vjp=gradient, wrt=True), ["wrt=True"]),
    "wrt an integer input": (
        examine(_named, X[0], np.arange(3), vjp=gradient, wrt="b"),
        ["wrt='b'", "fixed", "choose from a"],
    ),
    "an unknown question": (examine(SUBJECT, questions=["gradient"]), ["'gradient'", "directional"]),
    "a negative seed": (examine(SUBJECT, seed=-1), ["seed=-1", "non-negative"]),
    "a seed that is a float": (examine(SUBJECT, seed=1.5), ["seed=1.5"]),
    "a seed that is a bool": (examine(SUBJECT, seed=True), ["seed=True"]),
    "require 0": (examine(SUBJECT, require=0), ["require=0", "between 0 and 1"]),
    "require 1": (examine(SUBJECT, require=1.0), ["require=1.0"]),
    "require NaN": (examine(SUBJECT, require=float("nan")), ["require=nan"]),
    "require text": (examine(SUBJECT, require="1e-6"), ["require='1e-6'"]),
    "an array beside a module": (examine(nn.Linear(3, 2), X), ["input is a ndarray", "torch array"]),
    "an array beside a tensor": (examine(lambda x, y: x * y, TX, X), ["y is a ndarray", "torch"]),
    "a JAX array": (examine(lambda x: x, JaxLike()), ["JAX", "jax.vjp"]),
    "a layer that cannot be copied": (examine(Locked(), X), ["Locked cannot be deep-copied", "vjp="]),
    "too many gradients": (returning((X, X, X)), ["3 gradients", "2 inputs", "a, b"]),
    "a gradient that is text": (returning((X, "no")), ["a str", "b"]),
    "a gradient for no input": (returning({"c": X}), ["'c'", "a, b"]),
    "a Subject with inputs": (examine(SUBJECT, X), ["Subject", "alone"]),
    "a Subject with a vjp": (examine(SUBJECT, vjp=gradient), ["Subject", "alone"]),
    "a complex tensor": (examine(lambda x: x.abs(), torch.tensor([1j, 2.0])), ["x is complex64"]),
}
if np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant:
    BAD["long doubles"] = (examine(_named, X.astype(np.longdouble), X, vjp=gradient), ["a is float", "float64"])


@pytest.mark.parametrize("name", BAD)
def test_a_call_that_cannot_be_carried_out_says_what_was_passed_and_what_to_type(name: str) -> None:
    call, words = BAD[name]
    expect_refusal(call, gk.UsageError, words)


@pytest.mark.parametrize("call", [gk.examine, gk.check])
def test_what_the_target_raises_at_the_given_inputs_is_the_callers(call: Callable[..., Any]) -> None:
    def broken(x: Any) -> Any:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        call(broken, X, vjp=gradient)

"""The modules that a callable runs itself are found wherever it holds them."""

import sys
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradcheck_kit.adapters.torch_modules import modules_of
from tests.scenes import Holder

GLOBAL = nn.Linear(2, 2)


def runs_a_global(x: Tensor) -> Any:
    return GLOBAL(x)


def in_a_default(x: Tensor, module: nn.Module = GLOBAL) -> Any:
    return module(x)


def later(x: Tensor) -> Any:
    return [(lambda factor: factor * GLOBAL(x))(factor) for factor in (1.0, 2.0)]  # noqa: PLC3002


def keyword_only(x: Tensor, *, module: nn.Module = GLOBAL) -> Any:
    return module(x)


def unbound() -> Any:
    if len(sys.argv) < 0:
        never = GLOBAL
    return lambda x: +never(x)


def one_of(modules: list[nn.Module]) -> Any:
    return lambda x: modules[0](x) + modules[1](x)


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = GLOBAL


FINDS: dict[str, tuple[Any, int]] = {
    "a global": (runs_a_global, 1),
    "a global in an inner function": (later, 1),
    "a default": (in_a_default, 1),
    "a keyword default": (keyword_only, 1),
    "a function that calls one": (lambda x: 2 * runs_a_global(x), 1),
    "a bound method": (Outer().forward, 1),
    "a list in a closure": (one_of([nn.Linear(1, 1), GLOBAL]), 2),
    "a dict in a partial": (partial(lambda modules, x: modules["a"](x), {"a": GLOBAL}), 1),
    "an object": (Holder(GLOBAL), 1),
    "a variable not bound yet": (unbound(), 0),
    "none": (torch.sin, 0),
    "a builtin": (max, 0),
}


@pytest.mark.parametrize("name", FINDS)
def test_the_modules_that_a_callable_holds_are_found(name: str) -> None:
    target, count = FINDS[name]
    assert len(modules_of(target)) == count

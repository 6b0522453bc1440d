"""Every constructor takes integers, NumPy's too, where it counts or numbers something; and no bool for one."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from reference_impls.layers import AvgPool2d, Conv2d, Embedding, LogSoftmax, MaxPool2d, Softmax
from reference_impls.networks import MLP, LeNet


@dataclass(frozen=True)
class Argument:
    """A constructor as a function of one integer.

    Attributes:
        owner: what a message begins with.
        name: of the argument, as a message has it.
        right: an integer that it takes.
        make: the call.
        paired: whether it also takes a pair (rows, columns).
    """

    owner: str
    name: str
    right: int
    make: Callable[[Any], Any]
    paired: bool = False

    def __str__(self) -> str:
        return f"{self.owner}, {self.name}"


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


W = np.ones((4, 2, 3, 3))
ARGUMENTS = [
    Argument("MLP", "sizes[0]", 3, lambda n: MLP([n, 2], generator())),
    Argument("MLP", "sizes[1]", 3, lambda n: MLP((2, n, 2), generator())),
    Argument("MLP", "sizes[2]", 3, lambda n: MLP([2, 2, n], generator())),
    Argument("LeNet", "classes", 3, lambda n: LeNet(generator(), classes=n)),
    Argument("LeNet", "image_size", 32, lambda n: LeNet(generator(), image_size=n)),
    Argument("Embedding", "padding_idx", 1, lambda n: Embedding(np.ones((3, 2)), n)),
    Argument("Softmax", "axis", 1, Softmax),
    Argument("LogSoftmax", "axis", 1, LogSoftmax),
    Argument("Conv2d", "groups", 2, lambda n: Conv2d(W, groups=n)),
    Argument("Conv2d", "stride", 2, lambda n: Conv2d(W, stride=n), paired=True),
    Argument("Conv2d", "padding", 2, lambda n: Conv2d(W, padding=n), paired=True),
    Argument("Conv2d", "dilation", 2, lambda n: Conv2d(W, dilation=n), paired=True),
    Argument("MaxPool2d", "kernel", 2, MaxPool2d, paired=True),
    Argument("MaxPool2d", "stride", 2, lambda n: MaxPool2d(2, stride=n), paired=True),
    Argument("AvgPool2d", "kernel", 2, AvgPool2d, paired=True),
    Argument("AvgPool2d", "padding", 1, lambda n: AvgPool2d(3, padding=n), paired=True),
]
NO_INTEGERS = [True, False, np.True_, 2.0, np.float64(2), "2", 2 + 0j]


@pytest.mark.parametrize("value", NO_INTEGERS, ids=repr)
@pytest.mark.parametrize("argument", ARGUMENTS, ids=str)
def test_what_is_no_integer_is_a_type_error_that_says_what_to_pass(argument: Argument, value: Any) -> None:
    begins = rf"^{argument.owner}: {re.escape(argument.name)} is {re.escape(repr(value))}; pass "
    with pytest.raises(TypeError, match=begins):
        argument.make(value)
    if argument.paired:
        with pytest.raises(TypeError, match=f"^{argument.owner}: {argument.name} is "):
            argument.make((argument.right, value))


def settings(made: Any) -> dict[str, Any]:
    """What a constructor keeps beside its arrays, and the shapes of those."""
    plain = {name: value for name, value in vars(made).items() if isinstance(value, int) or name == "windows"}
    return plain | {name: array.shape for name, array in made.params.items()}


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("argument", ARGUMENTS, ids=str)
def test_every_kind_of_integer_is_taken_and_kept_as_python_s(argument: Argument, kind: type) -> None:
    made = argument.make(kind(argument.right))
    assert settings(made) == settings(argument.make(argument.right))
    assert not any(isinstance(value, np.generic) for value in vars(made).values())

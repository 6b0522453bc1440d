"""On the command line the library's advice names options, and what is not its advice stays as it is."""

from collections.abc import Callable

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.cli.as_typed import TYPED, advice_as_typed, as_typed

X = np.ones((2, 3))


class Half:
    def forward(self, x: object) -> object:
        return x


def right(u: object, x: object) -> object:
    return u


SAID: dict[str, tuple[Callable[[], object], str]] = {
    "a function without its backward": (lambda: gk.examine(np.sin, X), "pass --vjp NAME, called as vjp("),
    "a layer without backward": (lambda: gk.examine(Half(), X), "a function with --vjp NAME, or"),
    "an input that is none": (
        lambda: gk.examine(gk.function(np.copy, X, vjp=right, names=["x"], name="f"), wrt="y"),
        "--wrt y is no input of f",
    ),
    "nothing to draw": (lambda: gk.explore(np.copy, vjp=right), "such as x=n,3"),
    "a function of no such domain": (
        lambda: gk.explore(_raises, x=("n", 3), vjp=right, max_examples=5),
        "NAME=AXES:low..high keeps values",
    ),
}


def _raises(x: object) -> object:
    raise ValueError("never")


@pytest.mark.parametrize("what", SAID)
def test_what_the_library_advises_is_said_in_options(what: str) -> None:
    """The messages are the library's own: one that is worded anew there is noticed here."""
    call, words = SAID[what]
    with pytest.raises(gk.UsageError) as plain:
        call()
    with pytest.raises(gk.UsageError) as typed, advice_as_typed():
        call()
    assert words not in str(plain.value)
    assert words in str(typed.value)
    assert not any(keyword in str(typed.value) for keyword in ("vjp=", "wrt=", "=('", "gk.axes"))


def test_every_keyword_of_the_table_is_one_that_the_library_says() -> None:
    said = []
    for call, _ in SAID.values():
        with pytest.raises(gk.UsageError) as plain:
            call()
        said.append(str(plain.value))
    for row in range(len(TYPED)):
        assert any(as_typed(text) != _without(row, text) for text in said), TYPED[row]


def _without(row: int, message: str) -> str:
    """The message by all rows but one."""
    rest = [(keyword, option) for i, (keyword, option) in enumerate(TYPED) if i != row]
    return as_typed(message, tuple(rest))


@pytest.mark.parametrize(
    "message", ["type gradcheck-kit check f.py:loss --vjp loss_vjp", "x has shape (3,)", "--wrt y"]
)
def test_what_names_options_already_stays_as_it_is(message: str) -> None:
    assert as_typed(message) == message


def test_another_exception_passes_untouched() -> None:
    with pytest.raises(KeyError, match="wrt='y'"), advice_as_typed():
        raise KeyError("wrt='y'")

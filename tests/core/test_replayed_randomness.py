"""A subject that draws random numbers is one function, and the generators are afterwards as before."""

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gradcheck_kit as gk

Values = npt.NDArray[Any]


# ---------------------------------------------------------------- random numbers


def test_dropout_draws_the_same_mask_each_time_and_another_for_another_state() -> None:
    def dropout(x: Any) -> Any:
        return x * (np.random.rand(*x.shape) < 0.5)  # noqa: NPY002

    def vjp(u: Any, x: Any) -> Any:
        return dropout(u)

    state = np.random.get_state()  # noqa: NPY002
    try:
        masks = set()
        for seed in range(4):
            np.random.seed(seed)  # noqa: NPY002
            subject = gk.function(dropout, np.ones(20), vjp=vjp)
            one, other = (subject.forward(subject.point)["output"] for _ in range(2))
            assert (one == other).all()
            assert gk.check(subject)
            masks.add(one.tobytes())
        assert len(masks) == 4
    finally:
        np.random.set_state(state)  # noqa: NPY002


# ---------------------------------------------------------------- generators that a layer holds itself


class Masked:
    """Keeps about half of the elements, as its own generator says."""

    def __init__(self, generator: Any) -> None:
        self.held = {"generator": generator}

    def forward(self, x: Values) -> Values:
        return self.masked(x, self.held["generator"].random)

    def masked(self, x: Values, draw: Callable[[], float]) -> Values:
        mask = np.array([draw() < 0.5 for _ in x])
        self.slope = 2 * mask * x
        return np.asarray(mask * x**2)

    def backward(self, cotangent: Values) -> Values:
        return np.asarray(self.slope * cotangent)


@pytest.mark.parametrize(
    "generator",
    [np.random.default_rng(3), np.random.RandomState(3), random.Random(3)],
    ids=lambda generator: type(generator).__name__,
)
def test_a_layer_that_draws_from_its_own_generator_is_one_function_and_the_generator_stays(generator: Any) -> None:
    untouched = copy.deepcopy(generator)
    subject = gk.layer(Masked(generator), np.linspace(-2.0, 3.0, 12))
    first = subject.forward(subject.point)["output"]
    np.testing.assert_array_equal(subject.forward(subject.point)["output"], first)
    assert 0 < np.count_nonzero(first) < len(first)
    assert gk.check(subject)
    assert generator.random() == untouched.random()


OF_THE_FILE = np.random.default_rng(4)


class Slotted:
    """Holds a generator in a slot."""

    __slots__ = ("generator",)

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


class MaskedByAGlobal(Masked):
    """The same; an inner function names the generator, which is a global."""

    def __init__(self) -> None:
        super().__init__(None)

    def forward(self, x: Values) -> Values:
        def draw() -> float:
            return OF_THE_FILE.random()

        return self.masked(x, draw)


def masked_in_a_slot() -> Masked:
    layer = Masked(None)
    layer.held = Slotted(np.random.default_rng(4))  # type: ignore[assignment]
    return layer


@pytest.mark.parametrize("make", [masked_in_a_slot, MaskedByAGlobal])
def test_a_generator_in_a_slot_or_named_by_an_inner_function_is_found(make: Callable[[], Masked]) -> None:
    subject = gk.layer(make(), np.linspace(-2.0, 3.0, 12))
    first = subject.forward(subject.point)["output"]
    np.testing.assert_array_equal(subject.forward(subject.point)["output"], first)
    assert gk.check(subject)

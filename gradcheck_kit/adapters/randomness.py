"""Every evaluation sees the same global random numbers, and the caller's generators never notice."""

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradcheck_kit.adapters.private_copy import reachable


class FrozenRandomness:
    """Replays Python's and NumPy's global generators from the state they had at construction.

    A layer that draws from them (dropout) is then one fixed function, with a gradient that can be checked. A call that
    was seen to draw nothing is not wound back again, which would cost more than many a forward does.
    """

    def __init__(self) -> None:
        self._state = self._read()
        self._draws_nothing: set[str] = set()
        self._in_session = False

    @contextmanager
    def session(self) -> Iterator[None]:
        """Around all evaluations of a check: whatever happens within, the generators are afterwards as before.

        So are NumPy's handling of floating-point errors and the filters of warnings.
        """
        before = self._read()
        present: list[Any] = warnings.filters  # type: ignore[assignment]
        filters = list(present)
        self._in_session = True
        try:
            with np.errstate():
                yield
        finally:
            self._in_session = False
            self._write(before)
            if filters != warnings.filters:
                warnings.resetwarnings()  # so that Python notices
                warnings.filters = present
                present[:] = filters

    @contextmanager
    def replayed(self, call: str) -> Iterator[None]:
        """Within the block the generators start from the frozen state; afterwards they are as they were before.

        Within a session that is left to the session.

        Args:
            call: what kind of call is made within, such as "forward".
        """
        if call in self._draws_nothing:
            yield
            return
        before = None if self._in_session else self._read()
        self._write(self._state)
        try:
            yield
            if self._same(self._read(), self._state):
                self._draws_nothing.add(call)
        finally:
            if before is not None:
                self._write(before)

    # The legacy global generator is what user code may draw from; ours never does.

    def _read(self) -> tuple[Any, ...]:
        return random.getstate(), np.random.get_state()  # noqa: NPY002

    def _write(self, state: tuple[Any, ...]) -> None:
        random.setstate(state[0])
        np.random.set_state(state[1])  # noqa: NPY002

    def _same(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
        return bool(one[0] == other[0] and all(np.array_equal(a, b) for a, b in zip(one[1], other[1], strict=True)))


class OwnGenerators:
    """The generators that a layer holds itself, such as `self.rng`: in every forward they draw the same numbers.

    A backward has nothing to draw, so there they go on, and what they change is seen. To be made of a private copy,
    whose generators nobody else draws from.
    """

    def __init__(self, layer: Any) -> None:
        self._held = list(reachable(layer, (np.random.Generator, np.random.RandomState, random.Random)))
        self._frozen = self._read()

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Within the block the generators start from their first state; afterwards they are as they were before."""
        if not self._held:
            yield
            return
        before = self._read()
        self._write(self._frozen)
        try:
            yield
        finally:
            self._write(before)

    def _read(self) -> list[Any]:
        return [_state(generator) for generator in self._held]

    def _write(self, states: list[Any]) -> None:
        for generator, state in zip(self._held, states, strict=True):
            if isinstance(generator, np.random.Generator):
                generator.bit_generator.state = state
            elif isinstance(generator, np.random.RandomState):
                generator.set_state(state)
            else:
                generator.setstate(state)


def _state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state() if isinstance(generator, np.random.RandomState) else generator.getstate()

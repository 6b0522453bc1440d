"""Every evaluation sees the same global random numbers, and the caller's generators never notice."""

import random
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from gradcheck_kit.adapters.generators import OwnGenerator, generators_in

NOTHING_TO_REPLAY = nullcontext()


class FrozenRandomness:
    """Replays Python's and NumPy's global generators from the state they had at construction.

    A layer that draws from them (dropout) is then one fixed function, with a gradient that can be checked. A call that
    was seen to draw nothing is not wound back again, which would cost more than many a forward does.
    """

    def __init__(self) -> None:
        self._state = self._read()
        self._draws_nothing: set[str] = set()
        self._draws_behind_the_forward = False
        self._in_session = False
        self._own: list[OwnGenerator] = []

    def adopt(self, *roots: Any) -> None:
        """Rewind the generators that these objects hold of their own before every forward too, as `continued` says."""
        self._own += generators_in(*roots)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Around all evaluations of a check: whatever happens within, the generators are afterwards as before.

        So are NumPy's handling of floating-point errors and the filters of warnings.
        """
        before, own = self._read(), [generator.state() for generator in self._own]
        present: list[Any] = warnings.filters  # type: ignore[assignment]
        filters = list(present)
        self._in_session = True
        try:
            with np.errstate():
                yield
        finally:
            self._in_session = False
            self._write(before)
            for generator, state in zip(self._own, own, strict=True):
                generator.restore(state)
            if filters != warnings.filters:
                warnings.resetwarnings()  # so that Python notices
                warnings.filters = present
                present[:] = filters

    def replayed(self, call: str) -> AbstractContextManager[None]:
        """Within the block the generators start from the frozen state; afterwards they are as they were before.

        Within a session that is left to the session.

        Args:
            call: what kind of call is made within: "forward", or "backward" for one that goes on after a forward, or
                another that runs a forward of its own.
        """
        own = [] if call == "backward" else self._own
        of_globals = NOTHING_TO_REPLAY if call in self._draws_nothing else self._replayed(call)
        return self._all_replayed(own, of_globals) if own else of_globals

    def draws(self, call: str) -> bool:
        """Whether such a call, of which there has been one, was not seen to draw nothing."""
        return bool(self._own) or call not in self._draws_nothing

    @contextmanager
    def continued(self) -> Iterator[None]:
        """Around the backward of a layer, which goes on from where its forward left the generators.

        One that draws again gets other numbers than its forward did, and the same ones after every forward, so that its
        gradient is wrong and not random.
        """
        if "continued" in self._draws_nothing:
            yield
            return
        before = self._read()
        try:
            yield
            if self._same(self._read(), before):
                self._draws_nothing.add("continued")
            else:  # the next forward is wound back, though it draws nothing itself
                self._draws_behind_the_forward = True
                self._draws_nothing.discard("forward")
        finally:
            if not self._in_session:
                self._write(before)

    @contextmanager
    def _all_replayed(self, own: list[OwnGenerator], of_globals: AbstractContextManager[None]) -> Iterator[None]:
        for generator in own:
            generator.rewind()
        with of_globals:
            yield
        for generator in own:
            generator.look()

    @contextmanager
    def _replayed(self, call: str) -> Iterator[None]:
        """The same for the global generators."""
        before = None if self._in_session else self._read()
        self._write(self._state)
        try:
            yield
            if self._same(self._read(), self._state) and not (call == "forward" and self._draws_behind_the_forward):
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

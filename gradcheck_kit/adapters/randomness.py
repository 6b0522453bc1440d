"""Every evaluation sees the same global random numbers, and the caller's generators never notice."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


class FrozenRandomness:
    """Replays Python's and NumPy's global generators from the state they had at construction.

    A layer that draws from them (dropout) is then one fixed function, with a gradient that can be checked.
    """

    def __init__(self) -> None:
        self._state = _read()

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Within the block the generators start from the frozen state; afterwards they are as they were before."""
        before = _read()
        _write(self._state)
        try:
            yield
        finally:
            _write(before)


# The legacy global generator is what user code may draw from; ours never does.
def _read() -> tuple[object, ...]:
    return random.getstate(), np.random.get_state()  # noqa: NPY002


def _write(state: tuple[object, ...]) -> None:
    random.setstate(state[0])  # type: ignore[arg-type]
    np.random.set_state(state[1])  # type: ignore[arg-type]  # noqa: NPY002

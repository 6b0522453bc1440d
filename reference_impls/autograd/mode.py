"""Is a graph being recorded? Yes, unless the code runs ``with no_grad():``."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# A context variable, so that no_grad in one thread or task leaves the others alone.
_recording: ContextVar[bool] = ContextVar("recording", default=True)


def is_recording() -> bool:
    """Whether functions that are called now join a graph."""
    return _recording.get()


@contextmanager
def recording(wanted: bool) -> Iterator[None]:
    """Record a graph inside the ``with``, or none; afterwards, also after an exception, as before."""
    before = _recording.set(wanted)
    try:
        yield
    finally:
        _recording.reset(before)


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording: ``with no_grad(): y = f(x)``. No intermediate result is kept for backward."""
    with recording(False):
        yield

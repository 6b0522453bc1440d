"""How far long work has come: a line on standard error that is written over, on a terminal alone."""

import sys
from types import TracebackType

CLEAR = "\r\x1b[K"


class Progress:
    """Use it as a context; the line is gone afterwards."""

    def __init__(self, what: str, total: int, quiet: bool) -> None:
        self._what, self._total = what, total
        self._shown = not quiet and sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        return self

    def advance(self, done: int) -> None:
        if self._shown:
            sys.stderr.write(f"{CLEAR}{done} of {self._total} {self._what}")
            sys.stderr.flush()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._shown:
            sys.stderr.write(CLEAR)
            sys.stderr.flush()

"""What is a source of the MNIST files, and how does it say that it failed?"""

from collections.abc import Callable, Sequence
from typing import Protocol

from reference_impls.datasets.idx import ExpectedFile

Deliver = Callable[[ExpectedFile, bytes], None]
"""Takes one decompressed file, verifies it and stores it; raises SourceError if it is wrong."""

REASON_LENGTH = 240


class Progress(Protocol):
    """Called while downloading with a file name, the bytes received, and the total if it is known."""

    def __call__(self, name: str, received: int, total: int | None, /) -> None: ...


class Source(Protocol):
    """A place outside this machine that can supply the files."""

    @property
    def name(self) -> str:
        """What the user knows it by."""

    @property
    def by_hand(self) -> str:
        """How to get the files from there by hand, in one line."""

    def fetch(self, wanted: Sequence[ExpectedFile], deliver: Deliver, progress: Progress) -> None:
        """Hand every wanted file to `deliver`, each as soon as it is there. Raises SourceError."""


class SourceError(Exception):
    """A source did not supply the files; the text is the reason, in one line."""

    def __init__(self, reason: str) -> None:
        line = " ".join(reason.split())
        super().__init__(line if len(line) <= REASON_LENGTH else line[: REASON_LENGTH - 3] + "...")


def no_progress(name: str, received: int, total: int | None, /) -> None:
    """Show nothing."""

"""Where the four MNIST files are, and whether each is what was published."""

import os
import sys
from enum import Enum
from pathlib import Path

from gradcheck_kit.subject import UsageError
from reference_impls.datasets import mnist
from reference_impls.datasets.idx import ContentError, ExpectedFile, read
from reference_impls.datasets.mnist_errors import MNISTUnavailable
from reference_impls.datasets.mnist_places import ExplicitDirectory, cache_directory, explicit_directory, find


class State(Enum):
    """Of one file."""

    RIGHT = "verified"
    WRONG = "there, but not the file that was published"
    MISSING = "missing"


def where(directory: Path | None = None) -> ExplicitDirectory:
    """The directory that is read: the one named, that of the environment, or the user's cache.

    Raises:
        UsageError: no home directory is known.
    """
    try:
        named = explicit_directory(directory, os.environ)
        return named or ExplicitDirectory(cache_directory(os.environ, sys.platform), "the user's cache")
    except MNISTUnavailable as error:
        raise UsageError(str(error)) from None


def states(directory: Path | None = None) -> dict[str, State]:
    """Every file by name, read and its SHA-256 compared.

    Raises:
        UsageError: the directory or a file cannot be read.
    """
    folder = where(directory).path
    return {expected.name: _state(folder, expected) for expected in mnist.FILES}


def _state(folder: Path, expected: ExpectedFile) -> State:
    try:
        path = find(folder, expected)
        if path is None:
            return State.MISSING
        read(path, expected)
    except ContentError:
        return State.WRONG
    except (OSError, MNISTUnavailable) as problem:
        raise UsageError(f"cannot read {folder / expected.name}: {problem}") from None
    return State.RIGHT

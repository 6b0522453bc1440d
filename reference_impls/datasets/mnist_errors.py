"""What is the user told when MNIST cannot be had?"""

from collections.abc import Sequence
from pathlib import Path

from reference_impls.datasets.idx import ExpectedFile

ENVIRONMENT_VARIABLE = "GRADCHECK_KIT_MNIST"
COMMAND_LINE_OPTION = "--mnist-dir"


class MNISTUnavailable(RuntimeError):  # noqa: N818 - it names the state of the data
    """MNIST was not found; the text lists what was tried and every way to supply the data."""


class MNISTCorrupt(ValueError):  # noqa: N818 - likewise
    """A file is there but wrong; the text names it, what was found, and what to do."""


def missing_in_explicit(path: Path, origin: str, missing: Sequence[ExpectedFile]) -> MNISTUnavailable:
    """The error for a directory the user named that lacks some of the files."""
    state = "" if path.is_dir() else " (there is no such directory)"
    return MNISTUnavailable(
        f"MNIST directory {path}{state}, given by {origin}, lacks {_names(missing)}.\n"
        "Each file is also accepted as .gz, or with '.idx' in place of '-idx'.\n"
        f"Put what is missing there, or name another directory with {COMMAND_LINE_OPTION} or"
        f" {ENVIRONMENT_VARIABLE}, or give neither to use the cache and downloads."
    )


def corrupt_in_explicit(path: Path, origin: str, finding: object) -> MNISTCorrupt:
    """The error for a wrong file in a directory the user named."""
    return MNISTCorrupt(
        f"{path}: {finding}.\n"
        f"The directory was given by {origin}. Replace that file with the right one, or point"
        f" {COMMAND_LINE_OPTION} or {ENVIRONMENT_VARIABLE} elsewhere."
    )


def corrupt_in_cache(path: Path, finding: object) -> MNISTCorrupt:
    """The error for a wrong file in the cache directory."""
    return MNISTCorrupt(
        f"{path}: {finding}.\n"
        f"Delete that file and run again to download it anew, or point {COMMAND_LINE_OPTION} or"
        f" {ENVIRONMENT_VARIABLE} at a directory that holds the right files."
    )


def unreadable(path: Path, problem: OSError) -> MNISTUnavailable:
    """The error for a file or directory that exists but cannot be read."""
    return MNISTUnavailable(
        f"{path} cannot be read: {problem.strerror or problem}.\n"
        f"Make it readable, or point {COMMAND_LINE_OPTION} or {ENVIRONMENT_VARIABLE} elsewhere."
    )


def unwritable_cache(cache: Path, problem: OSError) -> MNISTUnavailable:
    """The error for a cache directory that downloads cannot be stored in."""
    return MNISTUnavailable(
        f"The MNIST cache directory {cache} cannot be written: {problem.strerror or problem}.\n"
        "Make it writable, or set XDG_CACHE_HOME (on Windows LOCALAPPDATA) to a directory that is, or point"
        f" {COMMAND_LINE_OPTION} or {ENVIRONMENT_VARIABLE} at a directory that holds the four files."
    )


def nothing_found(
    files: Sequence[ExpectedFile], cache: Path, tried: Sequence[str], manual: Sequence[str]
) -> MNISTUnavailable:
    """The error when no place and no source had the files.

    `tried` holds one line per place and source, `manual` one way to obtain the files by hand per line.
    """
    ways = (
        f"Name a directory that holds the four files: {COMMAND_LINE_OPTION} DIRECTORY, or load(DIRECTORY).",
        f"Set the environment variable {ENVIRONMENT_VARIABLE} to such a directory.",
        f"Put the four files into the cache directory {cache}",
        *manual,
    )
    lines = [
        "MNIST was not found, and could not be downloaded.",
        "Tried:",
        *(f"  - {line}" for line in tried),
        "Any one of these supplies it:",
        *(f"  {number}. {way}" for number, way in enumerate(ways, start=1)),
        "The four files (each also accepted as .gz, or with '.idx' in place of '-idx'):",
        *(f"  {expected.name}" for expected in files),
    ]
    return MNISTUnavailable("\n".join(lines))


def _names(files: Sequence[ExpectedFile]) -> str:
    return ", ".join(expected.name for expected in files)

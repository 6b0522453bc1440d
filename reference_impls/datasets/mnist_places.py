"""Where on this machine may the MNIST files lie, and how is a new one put there?"""

import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reference_impls.datasets.idx import ExpectedFile
from reference_impls.datasets.mnist_errors import (
    COMMAND_LINE_OPTION,
    ENVIRONMENT_VARIABLE,
    MNISTUnavailable,
    unreadable,
    unwritable_cache,
)


@dataclass(frozen=True)
class ExplicitDirectory:
    """A directory the user named, and how (`origin`, for messages)."""

    path: Path
    origin: str


def explicit_directory(
    directory: str | os.PathLike[str] | None, environment: Mapping[str, str]
) -> ExplicitDirectory | None:
    """The directory named by the argument, else by the environment variable, else None."""
    if directory is not None:
        return ExplicitDirectory(_expanded(directory), f"{COMMAND_LINE_OPTION} (the argument 'directory')")
    named = environment.get(ENVIRONMENT_VARIABLE, "")
    if named:
        return ExplicitDirectory(_expanded(named), f"the environment variable {ENVIRONMENT_VARIABLE}")
    return None


def cache_directory(environment: Mapping[str, str], platform: str) -> Path:
    """The user's cache directory for MNIST; it need not exist. `platform` is a `sys.platform` value.

    Raises MNISTUnavailable if neither the environment nor the system names a home directory.
    """
    variable = "LOCALAPPDATA" if platform == "win32" else "XDG_CACHE_HOME"
    base = Path(environment.get(variable, ""))
    if not base.is_absolute():  # the XDG specification: a relative path is to be ignored
        base = _home() / {"win32": "AppData/Local", "darwin": "Library/Caches"}.get(platform, ".cache")
    return base / "gradcheck-kit" / "mnist"


def find(directory: Path, expected: ExpectedFile) -> Path | None:
    """The file in `directory` under any accepted spelling, or None. Raises MNISTUnavailable."""
    for spelling in expected.spellings:
        path = directory / spelling
        try:
            if path.is_file():
                return path
        except OSError as problem:
            raise unreadable(path, problem) from None
    return None


def prepare_cache(cache: Path) -> None:
    """Create the cache directory. Raises MNISTUnavailable if files cannot be written there."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        if not os.access(cache, os.W_OK | os.X_OK):
            raise PermissionError(0, "permission denied")
    except OSError as problem:
        raise unwritable_cache(cache, problem) from None


def store(cache: Path, name: str, raw: bytes) -> None:
    """Write a verified file so that it appears under its name whole or not at all.

    A file that is already there is left alone: another process stored the same verified bytes first, or
    it is the user's. Raises MNISTUnavailable if the directory cannot be written.
    """
    target = cache / name
    part = cache / f".{name}.{secrets.token_hex(8)}.part"
    try:
        part.write_bytes(raw)
        if not target.is_file():
            _put_in_place(part, target)
    except OSError as problem:
        raise unwritable_cache(cache, problem) from None
    finally:
        with contextlib.suppress(OSError):  # the error on its way says more
            part.unlink()


def _put_in_place(part: Path, target: Path) -> None:
    try:
        os.replace(part, target)
    except PermissionError:
        # Windows refuses to replace a file that another process, having stored it first, is reading.
        if not target.is_file():
            raise


def _expanded(directory: str | os.PathLike[str]) -> Path:
    return Path(os.path.expanduser(directory))


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise MNISTUnavailable(
            "No home directory is known, so there is no cache directory for MNIST.\n"
            "Set HOME or XDG_CACHE_HOME (on Windows LOCALAPPDATA), or name the directory of the four files"
            f" with {COMMAND_LINE_OPTION} or {ENVIRONMENT_VARIABLE}."
        ) from None

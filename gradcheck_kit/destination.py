"""Can a result be written there? Asked before the work that makes it; asking makes and changes nothing.

What cannot be known before, such as a disk that is full by then, is seen when the file is written.
"""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

ELSEWHERE = "name another place"


def file_obstacle(path: Path, *, makes_folders: bool = False) -> str | None:
    """What keeps a file from being written at `path`, and what to do about it; None where nothing is seen to.

    Args:
        path: the file; one that is there may be overwritten later, and is left alone here.
        makes_folders: whether the directories above it that are missing will be made.
    """
    if (problem := _unreachable(path)) is not None:
        return f"{problem}; {ELSEWHERE}"
    if path.is_dir():
        return f"it is a directory; name a file in it, such as {path / 'NAME'}"
    if path.exists():
        free = _allowed(path, os.W_OK)
        return None if free else f"it may not be overwritten; type chmod u+w {_typed(path)}, or {ELSEWHERE}"
    target = Path(os.path.realpath(path)) if path.is_symlink() else path.absolute()
    return folder_obstacle(target.parent, makes_it=makes_folders)


def folder_obstacle(path: Path, *, makes_it: bool = True) -> str | None:
    """The same of any file in the directory `path`; `makes_it` is whether it will be made where it is missing."""
    if (problem := _unreachable(path)) is not None:
        return f"{problem}; {ELSEWHERE}"
    path = path.absolute()
    nearest = next(folder for folder in (path, *path.parents) if os.path.lexists(folder))
    if not nearest.is_dir():
        return f"{nearest} is no directory; {ELSEWHERE}"
    if nearest != path and not makes_it:
        return f"there is no directory {path}; type mkdir -p {_typed(path)}, or {ELSEWHERE}"
    if not _allowed(nearest, os.W_OK | os.X_OK):
        return f"nothing may be written in the directory {nearest}; {ELSEWHERE}"
    return None


def written_twice(writers: Iterable[tuple[str, Path]]) -> str | None:
    """Which two options would write one file, the second over the first, and what to do; None where none would.

    Args:
        writers: each option and the file that it names.
    """
    first: dict[Path, str] = {}
    for option, path in writers:
        place = path.resolve()
        if place in first:
            both = f"{option} twice" if first[place] == option else f"{first[place]} and {option}"
            return f"{both} would write {str(path)!r}; name a file for each"
        first[place] = option
    return None


def _unreachable(path: Path) -> str | None:
    """Why the system does not even say whether anything is there; None where it does."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        return problem.strerror
    return None


def _allowed(path: Path, mode: int) -> bool:
    """By the identity that `open` goes by, where the system can be asked that."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _typed(path: Path) -> str:
    return shlex.quote(str(path))

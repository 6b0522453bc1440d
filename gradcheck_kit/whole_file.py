"""A file: all of it, or what was there before.

A kill or a full disk in the middle of a plain write leaves half a report, and of the one before nothing.
"""

import contextlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


def write(path: str | Path, text: str) -> None:
    """Write in UTF-8 under another name beside the file, then rename.

    A link stays one: what it leads to is replaced. What cannot be replaced is written in place: a device, a pipe, the
    file that this process prints into (/dev/stdout may be one), a file in a directory in which none may be made.

    Raises:
        OSError: it cannot be written; a regular file that was there is then as before, unless it was written in place.
    """
    if _in_place(Path(path)):
        Path(path).write_text(text, encoding="utf-8")
        return
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".{secrets.token_hex(8)}.partial")
    with replacing(target, partial, "x", encoding="utf-8") as file:
        file.write(text)
        if target.exists():
            partial.chmod(stat.S_IMODE(target.stat().st_mode))


@contextlib.contextmanager
def replacing(target: Path, partial: Path, mode: str, encoding: str | None = None) -> Iterator[IO[Any]]:
    """A file `partial`, opened to be written, that takes the place of `target` at the end of the block; or is deleted.

    Raises:
        OSError: it cannot be written; `target` is then as before.
    """
    try:
        with partial.open(mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _in_place(path: Path) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode):
        return True
    folder = os.path.dirname(os.path.realpath(path))
    return any(os.path.samestat(found, known) for known in _printed_into()) or not os.access(folder, os.W_OK | os.X_OK)


def _printed_into() -> list[os.stat_result]:
    known = []
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or none at all
            known.append(os.fstat(stream.fileno()))  # type: ignore[union-attr]
    return known

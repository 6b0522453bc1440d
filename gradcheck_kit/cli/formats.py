"""A record, printed and written in the forms that were asked for."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from gradcheck_kit import whole_file
from gradcheck_kit.cli.exit_codes import EXIT_CODES
from gradcheck_kit.record import Record
from gradcheck_kit.report import as_json
from gradcheck_kit.subject import UsageError

Renderer = Callable[[Record], str]


def _json(record: Record) -> str:
    return as_json(record.to_dict())


def _of(module: str, name: str) -> Renderer:
    """A renderer whose file is imported when it is needed."""
    return lambda record: str(getattr(import_module(f"gradcheck_kit.render.{module}"), name)(record))


RENDERERS: dict[str, Renderer] = {
    "json": _json,
    "text": _of("text", "text"),
    "junit": _of("junit", "junit"),
    "github": _of("github", "github"),
    "sarif": _of("sarif", "sarif"),
    "html": _of("html", "page"),
}
BY_SUFFIX = {".html": "html", ".json": "json", ".xml": "junit", ".sarif": "sarif"}


def emit(record: Record, form: str, files: Sequence[Path], quiet: bool) -> int:
    """Write every file, print, and return the exit code of the verdict.

    Raises:
        UsageError: a file cannot be written.
    """
    for path in files:
        write(path, RENDERERS[BY_SUFFIX[path.suffix]](record))
        if not quiet:
            print(f"wrote {path}", file=sys.stderr)
    sys.stdout.write(_text(record, quiet) if form == "text" else RENDERERS[form](record))
    sys.stdout.flush()
    return EXIT_CODES[record.verdict]


def write(path: Path, text: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        whole_file.write(path, text)
    except OSError as problem:
        raise UsageError(f"cannot write {path}: {problem.strerror}") from None


def coloured() -> bool:
    """On a terminal, unless NO_COLOR (no-color.org) is set or the terminal is a dumb one."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _text(record: Record, quiet: bool) -> str:
    from gradcheck_kit.render.text import text

    return text(record, colour=coloured(), passing=not quiet)

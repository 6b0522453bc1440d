"""Answers of a long run kept in a file as they come, so that a run which was stopped goes on where it was.

The first line says what they are answers of: a file of other code or other versions is refused, not mixed in.
"""

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CODE = ("gradcheck_kit", "reference_impls", "benchmarks", "tests/mutants")


class Kept:
    """A file of one JSON value a line, by key.

    Args:
        path: the file; made where there is none. None keeps nothing.

    Raises:
        SystemExit: it holds the answers of other code.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self.known = path, dict[str, Any]()
        if path is None:
            return
        of = fingerprint()
        text = path.read_text(encoding="utf-8") if path.exists() else json.dumps(of) + "\n"
        lines = text.splitlines()
        if json.loads(lines[0]) != of:
            raise SystemExit(f"{path} holds answers of other code or versions; delete it, or name another file")
        path.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
        for line in lines[1:]:
            if _whole(line):
                key, value = json.loads(line)
                self.known[key] = value

    def add(self, key: str, value: Any) -> None:
        """Keep one answer."""
        self.known[key] = value
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, value]) + "\n")


def _whole(line: str) -> bool:
    """Whether a line was written to its end before the run was stopped."""
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True


def fingerprint() -> dict[str, str]:
    """What answers depend on: the code, Python, NumPy and torch."""
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(path.read_bytes())
    versions = {name: version(name) for name in ("numpy", "torch")}
    return {"code": digest.hexdigest(), "python": platform.python_version(), **versions}


def _sources() -> Iterable[Path]:
    def of(folder: str) -> Iterator[Path]:
        yield from sorted((ROOT / folder).rglob("*.py"))

    return (path for folder in CODE for path in of(folder))

"""`[tool.gradcheck_kit]` of the nearest pyproject.toml: what a project wants where the command line does not say.

[tool.gradcheck_kit]
seed = 7
examples = 500

[tool.gradcheck_kit.inventory]
...
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradcheck_kit.arguments import INTEGERS, RESOLUTION, UsageError, as_integer, as_resolution
from gradcheck_kit.spelling import did_you_mean

FILE = "pyproject.toml"
FORMATS = ("text", "json", "junit", "github", "sarif")
DTYPES = ("float64", "float32", "float16")  # those that NumPy can draw
TABLES = ("inventory",)
"""The sub-tables that a command reads: it names its keys when it asks for its table."""


def _integer(least: int) -> tuple[Callable[[Any], bool], str]:
    return lambda value: as_integer(value, least) is not None, INTEGERS[least]


def _one_of(*names: str) -> Callable[[Any], bool]:
    return lambda value: value in names


# Each key with what it may be, to be tested and to be said.
KEYS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "seed": _integer(0),
    "require": (lambda value: as_resolution(value) is not None, RESOLUTION),
    "device": (lambda value: isinstance(value, str), 'a device such as "cpu" or "cuda:0"'),
    "dtype": (_one_of(*DTYPES), f"one of {', '.join(DTYPES)}"),
    "examples": _integer(1),
    "format": (_one_of(*FORMATS), f"one of {', '.join(FORMATS)}"),
}
"""The defaults of `gradcheck-kit check`."""


@dataclass(frozen=True)
class Configuration:
    """What a project's file says.

    Attributes:
        path: the file; None where there is none, or none with our table.
        values: the keys of `KEYS` that are set.
    """

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    _tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def get(self, key: str, default: Any) -> Any:
        """A default of `check`."""
        return self.values.get(key, default)

    def table(self, name: str, keys: Sequence[str] | None = None) -> Mapping[str, Any]:
        """A sub-table, empty where the file has none.

        Args:
            name: one of `TABLES`.
            keys: those that the table may have; None for a table whose keys are free.

        Raises:
            UsageError: the table has another key.
        """
        held = self._tables.get(name, {})
        for key in held if keys is not None else ():
            _expect_known(self.path, f"tool.gradcheck_kit.{name}", key, keys or ())
        return held


def read(directory: Path | None = None) -> Configuration:
    """The configuration for work in a directory (by default the working directory): that of the nearest pyproject.toml
    above or beside it which has our table.

    Raises:
        UsageError: the file is no TOML, or a key or a value cannot be meant.
    """
    start = (directory or Path.cwd()).absolute()
    for folder in (start, *start.parents):
        path = folder / FILE
        if path.is_file():
            held = _parsed(path).get("tool", {}).get("gradcheck_kit")
            if held is not None:
                return _checked(path, held)
    return Configuration()


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UsageError(f"cannot read {path}: {problem.strerror}") from None
    except ValueError as problem:  # no TOML, or no UTF-8
        raise UsageError(f"{path} is no TOML: {problem}") from None


def _checked(path: Path, held: Any) -> Configuration:
    if not isinstance(held, dict):
        raise UsageError(f"{path}: tool.gradcheck_kit is a {type(held).__name__}; write a table [tool.gradcheck_kit]")
    for key, value in held.items():
        _expect_known(path, "tool.gradcheck_kit", key, (*KEYS, *TABLES))
        if key in TABLES:
            if not isinstance(value, dict):
                raise UsageError(f"{path}: {key} is a {type(value).__name__}; write [tool.gradcheck_kit.{key}]")
        elif not KEYS[key][0](value):
            raise UsageError(f"{path}: {key} = {value!r}; write {KEYS[key][1]}")
    values = {key: value for key, value in held.items() if key in KEYS}
    return Configuration(path, values, {key: value for key, value in held.items() if key in TABLES})


def _expect_known(path: Path | None, table: str, key: str, known: Sequence[str]) -> None:
    if key not in known:
        raise UsageError(
            f"{path}: [{table}] has no key {key!r}{did_you_mean(key, known)} The keys are {', '.join(known)}"
        )

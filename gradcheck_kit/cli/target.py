"""From `path/to/file.py:Name` or `package.module:Name` to the object; the import changes nothing of the user's."""

import contextlib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from gradcheck_kit.cli.elsewhere import lies_elsewhere
from gradcheck_kit.sources import LIBRARIES, OWN
from gradcheck_kit.spelling import did_you_mean
from gradcheck_kit.subject import UsageError, in_words

FORM = "path/to/file.py:Name or package.module:Name"
SHOWN = 6  # names in a message


@dataclass(frozen=True)
class Module:
    """A module of the user's.

    Attributes:
        module: imported.
        spelled: as it was typed.
        folder: what it can import from beside libraries.
    """

    module: ModuleType
    spelled: str
    folder: Path

    def files(self) -> list[Path]:
        """Those below its folder that are imported by now, its own among them; ours and those of libraries are not."""
        below = {module.__file__ for module in list(sys.modules.values()) if _is_below(module, self.folder)}
        return [Path(file) for file in sorted(filter(None, below)) if not file.startswith((OWN, *LIBRARIES))]

    def get(self, dotted: str) -> Any:
        """An object by its name, which may have dots.

        Raises:
            UsageError: there is none; the message names the nearest.
        """
        found: Any = self.module
        for name in dotted.split("."):
            try:
                found = getattr(found, name)
            except AttributeError:
                known = candidates(self.module) if found is self.module else [n for n in dir(found) if n[0] != "_"]
                raise UsageError(
                    f"{self.spelled} has no {dotted!r}{did_you_mean(name, known) or _there_are(known)}"
                ) from None
        return found


def split(text: str) -> tuple[str, str]:
    """The module or file, and the name in it.

    Raises:
        UsageError: one of the two is missing.
    """
    place, colon, name = text.rpartition(":")
    if not colon and (is_path(text) or not text):
        place, name = text, ""
    if not place and not is_path(name):
        raise UsageError(f"{text!r} names no file and no module; type {FORM}")
    return place, name


def is_path(place: str) -> bool:
    return place.endswith(".py") or "/" in place or os.sep in place


@contextlib.contextmanager
def imported(place: str) -> Iterator[Module]:
    """The module of a file or of a dotted name, its directory importable as for a script; afterwards `sys.path` and the
    modules that came from there are as before, and no .pyc was written.

    Raises:
        UsageError: there is no such file, or it does not import; the message shows the user's own line.
    """
    folder, name, path = _located(place)
    with _as_before(folder):
        yield Module(_load(name, path, place), place, folder)


def _located(place: str) -> tuple[Path, str, Path | None]:
    """The directory to import from, the module's dotted name, and its file where one was typed."""
    if not is_path(place):
        return Path.cwd(), place, None
    path = Path(place).absolute()
    if not path.is_file():
        beside = [other.name for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise UsageError(f"there is no file {place}{did_you_mean(path.name, beside) or '; type ' + FORM}")
    folder, parts = path.parent, [path.stem]
    while (folder / "__init__.py").is_file():  # a package's modules import one another by its name
        folder, parts = folder.parent, [folder.name, *parts]
    return folder, ".".join(parts), path


def _load(name: str, path: Path | None, place: str) -> ModuleType:
    try:
        if path is not None and "." not in name:
            return _from_file(name, path)
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if path is None and error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            advice = lies_elsewhere(name) or f"type {FORM}"
            raise UsageError(f"there is no module {error.name!r} below {Path.cwd()}; {advice}") from error
        raise UsageError(_does_not_import(place, error) + _package(error, path, name)) from error
    except ImportError as error:
        raise UsageError(_does_not_import(place, error) + _package(error, path, name)) from error
    except SystemExit as error:
        said = f"{place} calls sys.exit({error.code!r}) when it is imported{at_own_line(error)}"
        raise UsageError(f"{said}\n  put what is to run as a script under: if __name__ == '__main__':") from error
    except Exception as error:
        raise UsageError(_does_not_import(place, error)) from error
    if path is not None and not path.samefile(module.__file__ or ""):
        raise UsageError(f"another {name} is installed, at {module.__file__}; type its name, {name}, or uninstall it")
    return module


def _from_file(name: str, path: Path) -> ModuleType:
    """A single file, under a name that nothing else has: it may be called like a module of Python's."""
    while name in sys.modules or name in sys.stdlib_module_names:
        name += "_"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file; type {FORM}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _does_not_import(place: str, error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        line = f"\n    {(error.text or '').strip()}" if error.text else ""
        return f"{place} is no Python: {error.msg}, line {error.lineno} of {Path(error.filename).name}{line}"
    return f"{place} does not import: {in_words(error, None)}{at_own_line(error)}"


def _package(error: ImportError, path: Path | None, name: str) -> str:
    """What to type where a file imports from its own package, which it was not taken to be in: no `__init__.py`."""
    file = path or Path.cwd().joinpath(*name.split(".")).with_suffix(".py")
    missing = error.name.split(".")[0] if error.name else None
    relative = "relative import" in str(error)
    package = next((p for p in file.parents if p.name and (relative or p.name == missing)), None)
    return f"\n  {_in_package(file, package)}" if package is not None and file.is_file() else ""


def _in_package(file: Path, package: Path) -> str:
    dotted = ".".join(file.relative_to(package.parent).with_suffix("").parts)
    return f"it belongs to the package {package.name}: in {package.parent} type {dotted}:Name"


def at_own_line(error: BaseException) -> str:
    """The user's own last line that ran."""
    own = own_frames(error)
    if not own:
        return ""
    last = own[-1]
    return f"\n  {Path(last.filename).name}, line {last.lineno}: {last.line}"


def own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of a traceback that are neither in a library nor ours."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not frame.filename.startswith(("<", OWN, *LIBRARIES))]


@contextlib.contextmanager
def _as_before(folder: Path) -> Iterator[None]:
    """`folder` first on `sys.path` and no .pyc written; afterwards both, and the modules from below it, as before."""
    path, writes, before = list(sys.path), sys.dont_write_bytecode, dict(sys.modules)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, writes
        for name, module in list(sys.modules.items()):
            if name not in before and _is_below(module, folder):
                del sys.modules[name]


def _is_below(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)  # or of no __init__
    return isinstance(file, str) and Path(file).is_relative_to(folder) and "site-packages" not in file


def candidates(module: ModuleType) -> list[str]:
    """What a module defines that may have a gradient: its layers first, then its other objects."""
    own = {name: value for name, value in vars(module).items() if not name.startswith("_") and _belongs(module, value)}
    layers = [name for name, value in own.items() if callable(getattr(value, "forward", None))]
    return [*layers, *(name for name in own if name not in layers)]


def _belongs(module: ModuleType, value: Any) -> bool:
    if inspect.ismodule(value):
        return False
    return getattr(value, "__module__", module.__name__) == module.__name__


def _there_are(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return f"; it has {shown}" if names else "; it defines nothing"

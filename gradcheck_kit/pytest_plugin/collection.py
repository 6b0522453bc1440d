"""Cases as test items: `gk.Case` values and what `@gk.case` declares, in test files and in `gradcheck_modules`."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_kit.pytest_plugin import journal
from gradcheck_kit.pytest_plugin.marker import NAME
from gradcheck_kit.pytest_plugin.running import OPTIONS, WHY_NOT, defaults_of

if TYPE_CHECKING:
    from gradcheck_kit.cases import Case
    from gradcheck_kit.report import Report

FILES = pytest.StashKey[dict[Path, str]]()
CASES = "gradcheck_kit.cases"
UNDECLARED = "no case is declared"


class CaseItem(pytest.Item):
    """One declared case."""

    def __init__(self, *, case: "Case", **arguments: Any) -> None:
        super().__init__(**arguments)
        self.case = case
        self.add_marker(NAME)

    def runtest(self) -> None:
        """Run it and note the report.

        Raises:
            GradientCheckError: the verdict is FAIL or INCONCLUSIVE.
        """
        from gradcheck_kit.report import GradientCheckError

        report: Report = self.case.run(seed=defaults_of(self).seed)
        journal.note(self, report)
        if not report:
            raise GradientCheckError(report)

    def repr_failure(self, excinfo: "pytest.ExceptionInfo[BaseException]", style: Any = None) -> Any:
        """The report alone: nobody wrote a line that failed."""
        from gradcheck_kit.report import GradientCheckError
        from gradcheck_kit.subject import UsageError

        if isinstance(excinfo.value, GradientCheckError | UsageError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the target is written, if that is in the collected file."""
        return self.path, _line(self.case.target, self.path), f"case {self.name}"


class UndeclaredItem(pytest.Item):
    """A backward that nothing is declared for: skipped, and told, since silence would pass for a check."""

    def __init__(self, *, kind: type, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.kind = kind
        self.add_marker(NAME)

    def runtest(self) -> None:
        """Skip with what to write."""
        self.stash[WHY_NOT] = UNDECLARED
        name = self.kind.__name__
        pytest.skip(f"{UNDECLARED} for {name}, which has a backward: decorate it, as in @gk.case(x=('n', 3))")

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the class is written."""
        return self.path, _line(self.kind, self.path), self.name


class CaseModule(pytest.File):
    """A module of `gradcheck_modules`: its cases, and its classes with a backward that have none."""

    def collect(self) -> Iterator[pytest.Item]:
        """Import the module and collect.

        Raises:
            CollectError: it cannot be imported.
        """
        name = self.config.stash[FILES][self.path]
        try:
            module = importlib.import_module(name)
        except Exception as problem:
            message = f"gradcheck_modules: {name} cannot be imported: {type(problem).__name__}: {problem}"
            raise self.CollectError(message) from problem
        cases = [
            (label, case) for attribute, value in vars(module).items() for label, case in named(attribute, value, name)
        ]
        yield from items(self, cases)
        covered = {_class_of(case.target) for _, case in cases}
        for kind in _with_backward(module):
            if kind not in covered:
                yield UndeclaredItem.from_parent(self, name=kind.__name__, kind=kind)


def cases_exist() -> bool:
    """Whether anything can be a case: not before the module that defines them is imported."""
    return CASES in sys.modules


def named(attribute: str, value: Any, module: str) -> "list[tuple[str, Case]]":
    """The cases that one attribute of a module is or holds, each with the name of its test."""
    if not cases_exist():
        return []
    library = sys.modules[CASES]
    if isinstance(value, library.Case):
        return [(attribute, value)]
    if isinstance(value, list | tuple) and value and all(isinstance(held, library.Case) for held in value):
        return [(f"{attribute}[{held.name}]", held) for held in value]
    # What was imported is collected where it is defined, and an alias under its own name.
    if getattr(value, "__module__", None) != module or getattr(value, "__name__", None) != attribute:
        return []
    held = library.declared(value)
    return [(f"{attribute}[{each.name}]" if len(held) > 1 else each.name, each) for each in held]


def items(parent: pytest.Collector, cases: "list[tuple[str, Case]]") -> Iterator[CaseItem]:
    """One test a case; of several that are named alike, the later ones with a number."""
    seen: dict[str, int] = {}
    for name, case in cases:
        seen[name] = seen.get(name, 0) + 1
        unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
        yield CaseItem.from_parent(parent, name=unique, case=case)


def add_modules(config: pytest.Config) -> None:
    """Put the files of `gradcheck_modules` among what is collected, unless single files or tests were asked for.

    Raises:
        pytest.UsageError: there is no such module, or pytest leaves its folder out.
    """
    config.stash[FILES] = {_file(name): name for name in config.stash[OPTIONS].modules}
    given = [Path(config.invocation_params.dir, argument).resolve() for argument in config.args]
    folders = [path for path in given if path.is_dir()]
    if given and not folders:
        return
    patterns = config.getini("norecursedirs")
    for path, name in config.stash[FILES].items():
        below = [path.relative_to(folder).parts[:-1] for folder in folders if path.is_relative_to(folder)]
        # What a folder leads to is not named a second time: pytest loses such a file, or the others of its folder.
        if not below and path not in given:
            config.args.append(str(path))
        hidden = [part for parts in below for part in parts if any(fnmatch(part, pattern) for pattern in patterns)]
        if hidden:
            raise pytest.UsageError(
                f"gradcheck_modules: {name} lies in the folder {hidden[0]!r}, which norecursedirs leaves out; "
                "set testpaths to the folders of your tests, or norecursedirs"
            )


def _file(name: str) -> Path:
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError) as problem:
        raise pytest.UsageError(f"gradcheck_modules: {name!r} cannot be found: {problem}") from None
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        raise pytest.UsageError(f"gradcheck_modules: there is no Python module {name!r}; is its folder in pythonpath?")
    return Path(found.origin).resolve()


def _with_backward(module: ModuleType) -> list[type]:
    """The layers and autograd Functions that a module defines; abstract bases are none."""
    return [
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and kind.__module__ == module.__name__
        and callable(getattr(kind, "forward", None))
        and callable(getattr(kind, "backward", None))
        and not inspect.isabstract(kind)
    ]


def _class_of(target: Any) -> type:
    return target if inspect.isclass(target) else type(target)


def _line(target: Any, path: Path) -> int | None:
    """The line, counted from 0 as pytest does, of a class or function; None for what is written elsewhere."""
    try:
        source, line = inspect.getsourcefile(target), inspect.getsourcelines(target)[1]
    except (TypeError, OSError):
        return None
    return line - 1 if source is not None and Path(source).resolve() == path.resolve() else None

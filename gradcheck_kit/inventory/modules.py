"""The Python files below some paths, parsed and never run, with the names that each defines and imports."""

import ast
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradcheck_kit.subject import UsageError

SKIPPED = ("__pycache__", "node_modules")
Written = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.expr
"""What a name may stand for: a class, a function, or the expression it was assigned."""


@dataclass(frozen=True, eq=False)
class Definition:
    """A name in a scope: `scope` is "", "Class." or "function.<locals>.", as qualified names begin."""

    module: "Module"
    scope: str
    name: str
    node: Written

    @property
    def qualified(self) -> str:
        return f"{self.scope}{self.name}"


@dataclass(eq=False)
class Module:
    """One file.

    Attributes:
        file: its path as reports show it.
        dotted: its name as an import spells it.
        is_package: whether it is an `__init__.py`.
        tree: what it holds.
        definitions: by qualified name; where one is defined twice, both.
        imports: what each imported name stands for, dotted.
        stars: the modules of `from … import *`.
        calls: every call, with the scope that it stands in.
    """

    file: str
    dotted: str
    is_package: bool
    tree: ast.Module
    definitions: dict[str, list[Definition]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    calls: list[tuple[str, ast.Call]] = field(default_factory=list)

    def __post_init__(self) -> None:
        _Reader(self).visit(self.tree)


def read(paths: Sequence[Path]) -> list[Module]:
    """The modules of all Python files in or below these paths, in the order of the paths.

    Raises:
        UsageError: a path does not exist, holds no Python file, or a file cannot be read or parsed.
    """
    found: dict[Path, Module] = {}
    for root in paths:
        if not root.exists():
            raise UsageError(f"{root} does not exist; pass files or folders of Python source")
        files = [root] if root.is_file() else sorted(_files(root))
        if not files:
            raise UsageError(f"{root} holds no Python file; pass files or folders of Python source")
        for file in files:
            found.setdefault(file.absolute(), _module(file.absolute(), root.absolute()))
    return list(found.values())


def _files(root: Path) -> Iterator[Path]:
    """Not those of hidden folders and of virtual environments."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in SKIPPED]
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        yield from (Path(folder, name) for name in files if name.endswith(".py"))


def shown(path: Path) -> str:
    """A path as reports show it: relative where it lies below the working directory."""
    here, whole = Path.cwd(), Path(os.path.normpath(path.absolute()))
    return (whole.relative_to(here) if whole.is_relative_to(here) else whole).as_posix()


def _module(path: Path, root: Path) -> Module:
    return Module(shown(path), _dotted(path, root), path.name == "__init__.py", _parsed(path))


def _parsed(path: Path) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of in their source is not ours to tell
            return ast.parse(path.read_bytes(), str(path))
    except OSError as problem:
        raise UsageError(f"cannot read {shown(path)}: {problem.strerror}") from None
    except SyntaxError as problem:
        raise UsageError(f"{shown(path)}:{problem.lineno or 1} does not parse: {problem.msg}") from None
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"{shown(path)}:1 does not parse: {problem}") from None


def _dotted(path: Path, root: Path) -> str:
    """From the outermost folder with an `__init__.py`; without one, from the path that was given."""
    package = path.parent
    while (package / "__init__.py").exists():
        package = package.parent
    if package == path.parent and root.is_dir():
        package = root
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class _Reader(ast.NodeVisitor):
    """Puts what a file defines, imports and calls into its module."""

    def __init__(self, module: Module) -> None:
        self._module, self._scope = module, ""

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._define(node.name, node)
        self._inside(f"{node.name}.", node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._define(node.name, node)
        self._inside(f"{node.name}.<locals>.", node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._define(target.id, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Name) and node.value is not None:
            self._define(node.target.id, node.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self._module.calls.append((self._scope, node))
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            bound = alias.asname or alias.name.split(".")[0]
            self._module.imports[bound] = alias.name if alias.asname else bound

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        origin = ".".join(filter(None, [self._parent(node.level), node.module]))
        for alias in node.names:
            if alias.name == "*":
                self._module.stars.append(origin)
            else:
                self._module.imports[alias.asname or alias.name] = f"{origin}.{alias.name}"

    def _parent(self, level: int) -> str:
        """The package that a relative import starts from."""
        parts = self._module.dotted.split(".")
        up = level - self._module.is_package
        return ".".join(parts[: len(parts) - up]) if level else ""

    def _define(self, name: str, node: Written) -> None:
        definition = Definition(self._module, self._scope, name, node)
        self._module.definitions.setdefault(definition.qualified, []).append(definition)

    def _inside(self, scope: str, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for outside in (*node.decorator_list, *(getattr(node, "bases", ()))):
            self.visit(outside)
        before, self._scope = self._scope, self._scope + scope
        for statement in node.body:
            self.visit(statement)
        self._scope = before

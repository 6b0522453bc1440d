"""Which mutants does the library have? Every function of the source, every change of every node in its body."""

import ast
import difflib
import importlib
import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import reference_impls
from benchmarks.mutation.operators import variants

ROOT = Path(reference_impls.__file__).parent
ROOMS = ("layers", "autograd", "networks", "optimizers")
Key = tuple[str, str, str]
Where = tuple[ast.AST, str, int | None]  # a node's parent, the field, the place in a list


@dataclass(frozen=True)
class Mutant:
    """One change of one function.

    Attributes:
        file: within `reference_impls`, such as "layers/affine.py".
        function: its qualified name, such as "Affine.backward".
        change: "before → after", the smallest expression or statement that changed; "#2" and so on, where the same
            change is possible at another place of the function.
        diff: the changed lines, as `ast.unparse` writes them.
        code: the function's code with the change.
    """

    file: str
    function: str
    change: str
    diff: tuple[str, ...]
    code: CodeType

    @property
    def key(self) -> Key:
        return self.file, self.function, self.change

    def plant(self) -> None:
        """Give the function, wherever it is referred to, the changed code, for the rest of this process."""
        plain_function(_module(self.file), self.function).__code__ = self.code


def watch(file: str, called: set[tuple[str, str]]) -> None:
    """From now on every function of the file adds (file, name) to `called` when it is called."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = dict(_functions(tree, ""))
    for name, function in functions.items():
        function.body[:0] = ast.parse(f"_CALLED.add(({file!r}, {name!r}))").body
    module = _module(file)
    module._CALLED = called
    for name in functions:
        plain_function(module, name).__code__ = _compiled(tree, file, name)


def _module(file: str) -> Any:
    return importlib.import_module(f"reference_impls.{file[:-3].replace('/', '.')}")


def plain_function(module: Any, qualified: str) -> FunctionType:
    """What `def` made, without the decorators around it."""
    found: Any = module
    for name in qualified.split("."):
        found = inspect.getattr_static(found, name)
    while not isinstance(found, FunctionType) or hasattr(found, "__wrapped__"):
        found = found.fget if isinstance(found, property) else found.__wrapped__
    return found


def files(only: Sequence[str] = ("",)) -> list[str]:
    """The files of the rooms whose path begins with one of `only`, in order.

    Raises:
        ValueError: none begins with one of them.
    """
    paths = sorted(path.relative_to(ROOT).as_posix() for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    for start in only:
        if not any(path.startswith(start) for path in paths):
            raise ValueError(f"no source file begins with {start!r}; pass one such as 'layers/affine'")
    return [path for path in paths if path.startswith(tuple(only))]


def mutants_of(file: str) -> Iterator[Mutant]:
    """Every mutant of one file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    for name, function in _functions(tree, ""):
        seen: Counter[str] = Counter()
        before = _text(function)
        for where in list(_places(function)):
            node = _get(where)
            for variant in list(variants(node)):
                change = f"{_told(where, node)} → {_told(where, variant)}"
                _put(where, variant)
                after, code = _text(function), _compiled(tree, file, name)
                _put(where, node)
                if after != before:
                    seen[change] += 1
                    number = f" #{seen[change]}" if seen[change] > 1 else ""
                    yield Mutant(file, name, change + number, _diff(before, after), code)


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in getattr(node, "body", ()):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef) and child.name != "__repr__":
            if ast.get_docstring(child):
                child.body = child.body[1:] or [ast.Pass()]
            yield f"{prefix}{child.name}", child


def _places(node: ast.AST) -> Iterator[Where]:
    """Where a node stands below `node`; not in an error's message, an annotation, a default or a decorator.

    Nor in `copy=False`, which spares a copy, and in `strict=True`, which guards what holds.
    """
    if isinstance(node, ast.keyword) and node.arg in ("copy", "strict"):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "args", "decorator_list") and not isinstance(node, ast.Call):
            continue
        for i, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.Raise | ast.JoinedStr):
                yield node, field, i
                yield from _places(child)


def _get(where: Where) -> Any:
    parent, field, i = where
    return getattr(parent, field) if i is None else getattr(parent, field)[i]


def _put(where: Where, node: ast.AST) -> None:
    parent, field, i = where
    if i is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[i] = node


def _told(where: Where, node: ast.AST) -> str:
    """The node in one line: an operator or a number with what is around it, a statement without its body."""
    before = _get(where)
    if isinstance(before, ast.operator | ast.cmpop | ast.boolop | ast.Constant):
        _put(where, node)
        text = ast.unparse(ast.fix_missing_locations(where[0]))
        _put(where, before)
        return text.splitlines()[0]
    return ast.unparse(ast.fix_missing_locations(node)).splitlines()[0]


def _text(function: ast.FunctionDef) -> str:
    return ast.unparse(ast.fix_missing_locations(function))


def _compiled(tree: ast.Module, file: str, name: str) -> CodeType:
    """The code object of one function of the module."""
    pending: list[CodeType] = [compile(ast.fix_missing_locations(tree), str(ROOT / file), "exec")]
    while pending:
        code = pending.pop()
        if code.co_qualname == name:
            return code
        pending += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    raise AssertionError(f"{file} compiles without {name}")


def _diff(before: str, after: str) -> tuple[str, ...]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))

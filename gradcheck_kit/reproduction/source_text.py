"""The source text of a lambda or a local function, where that is all there is to it.

It is read from the file that it was compiled from, and believed only if it compiles to the very same code. A function
that closes over variables, has defaults or decorators, or uses what cannot be imported, is more than its text.
"""

import ast
import builtins
import inspect
import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from gradcheck_kit.literals import WIDTH

MOST_LINES = 12
ABSENT = object()  # stands for a name that its module does not have


@dataclass(frozen=True)
class SourceText:
    """The text of a function.

    Attributes:
        node: a lambda, or a definition.
        uses: what it takes from its module, by name.
    """

    node: ast.Lambda | ast.FunctionDef
    uses: dict[str, Any]

    def lines(self, name: str) -> list[str] | None:
        """Lines that give the function this name; None where they are too many or too long."""
        if isinstance(self.node, ast.Lambda):
            lines = [f"{name} = {ast.unparse(self.node)}"]
        else:
            self.node.name = name
            lines = textwrap.dedent(ast.unparse(self.node)).splitlines()
        return lines if len(lines) <= MOST_LINES and all(len(line) <= WIDTH for line in lines) else None


def source_text_of(function: Any) -> SourceText | None:
    """The source of a function that is no more than its text; None for everything else."""
    if not isinstance(function, FunctionType) or function.__closure__ or function.__defaults__:
        return None
    if function.__kwdefaults__ or getattr(function, "__wrapped__", None) is not None:
        return None
    try:
        text = "".join(inspect.findsource(function)[0])
        tree, compiled = ast.parse(text), compile(text, "<source>", "exec", dont_inherit=True)
    except (OSError, SyntaxError, TypeError, ValueError):
        return None
    if not any(code == function.__code__ for code in _within(compiled)):
        return None  # the file is another one by now
    nodes = [node for node in ast.walk(tree) if _may_be(node, function.__code__)]
    node = nodes[0] if len(nodes) == 1 else None
    if isinstance(node, ast.FunctionDef):
        node = _without_annotations(node)
    return SourceText(node, _uses(node, function)) if isinstance(node, ast.Lambda | ast.FunctionDef) else None


def _within(code: CodeType) -> Iterator[CodeType]:
    """Every function of a compiled file."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _within(constant)


def _may_be(node: ast.AST, code: CodeType) -> bool:
    """Whether a node begins on the code's first line, has its name, and its body stands where the code's does."""
    if not isinstance(node, ast.Lambda | ast.FunctionDef) or node.lineno != code.co_firstlineno:
        return False
    if isinstance(node, ast.FunctionDef):
        return node.name == code.co_name and not node.decorator_list
    body = node.body
    whole = body.lineno, body.end_lineno, body.col_offset, body.end_col_offset
    return code.co_name == "<lambda>" and whole in set(code.co_positions())


def _without_annotations(node: ast.FunctionDef) -> ast.FunctionDef:
    """They may name what the pasted lines do not import, and mean nothing to the call."""
    node.returns = None
    for argument in ast.walk(node.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return node


def _uses(node: ast.AST, function: FunctionType) -> dict[str, Any]:
    """The globals that it reads."""
    read = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    local = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    local |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    names = [name for name in dict.fromkeys(read) if name not in local]
    held = function.__globals__
    return {name: held.get(name, ABSENT) for name in names if name in held or not hasattr(builtins, name)}


def imported(alias: str, value: Any) -> str | None:
    """The line by which a pasted text has a module or a plain number under this name; None for everything else."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__}" if alias == value.__name__ else f"import {value.__name__} as {alias}"
    plain = type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))
    return f"{alias} = {value!r}" if plain else None

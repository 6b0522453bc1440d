"""The backwards of classes: subclasses of `torch.autograd.Function`, and classes with `forward` and `backward`."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gradcheck_kit.inventory.backward import Backward, Kind
from gradcheck_kit.inventory.modules import Definition, Module
from gradcheck_kit.inventory.names import Names

TORCH_FUNCTIONS = {
    "torch.autograd.Function",
    *(f"torch.autograd.function.{name}" for name in ("Function", "InplaceFunction", "NestedIOFunction")),
}
NO_PULLBACK = ("lightning.", "pytorch_lightning.")
"""Whose `backward(self, loss)` is a hook of the training loop."""

Method = ast.FunctionDef | ast.expr
"""A `def` in a class body, or what was assigned to its name."""


@dataclass
class Ancestry:
    """A class and the classes it is made of, in the order in which methods are looked up; those outside by name."""

    classes: list[Definition] = field(default_factory=list)
    outside: set[str] = field(default_factory=set)

    def methods(self, names: Sequence[str]) -> tuple[Definition | None, list[Method]]:
        """The first class that has one of these methods, and all definitions of it there."""
        for owner in self.classes:
            for name in names:
                found = list(_methods(_body(owner), name))
                if found:
                    return owner, found
        return None, []


def backwards_of_classes(modules: Iterable[Module], names: Names) -> Iterator[Backward]:
    """One for every backward that some class has; one that is inherited is listed where it is written."""
    for module in modules:
        for definitions in module.definitions.values():
            for definition in definitions:
                if isinstance(definition.node, ast.ClassDef):
                    yield from _of_class(definition, names)


def _of_class(definition: Definition, names: Names) -> Iterator[Backward]:
    ancestry = Ancestry()
    _climb(definition, names, ancestry)
    function = bool(ancestry.outside & TORCH_FUNCTIONS)
    owner, methods = ancestry.methods(("backward", "vjp") if function else ("backward",))
    if owner is None or not (function or _is_layer(ancestry)):
        return
    for method in methods:
        yield _backward(owner, method, Kind.TORCH_FUNCTION if function else Kind.LAYER, names)


def _is_layer(ancestry: Ancestry) -> bool:
    """Whether there is a `forward` of something: `history.forward()` goes forward, and computes nothing."""
    _, forwards = ancestry.methods(("forward",))
    hook = any(name.startswith(NO_PULLBACK) for name in ancestry.outside)
    return not hook and any(_takes_input(forward) for forward in forwards)


def _takes_input(method: Method) -> bool:
    if not isinstance(method, ast.FunctionDef):
        return True
    asked = method.args
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in method.decorator_list)
    return bool(asked.vararg or asked.kwarg or len(asked.posonlyargs + asked.args) > (0 if static else 1))


def _climb(definition: Definition, names: Names, into: Ancestry) -> None:
    if definition in into.classes or not isinstance(definition.node, ast.ClassDef):
        return
    into.classes.append(definition)
    for base in definition.node.bases:
        found = names.of(base, definition.module, definition.scope)
        if isinstance(found, Definition):
            _climb(found, names, into)
        elif found is not None:
            into.outside.add(found)


def _backward(owner: Definition, method: Method, kind: Kind, names: Names) -> Backward:
    module = owner.module
    if isinstance(method, ast.FunctionDef):
        name = f"{owner.qualified}.{method.name}"
        return Backward(module.file, method.lineno, name, kind, _is_abstract(method))
    wrapped = method.args[0] if isinstance(method, ast.Call) and method.args else method  # staticmethod(f)
    found = names.of(wrapped, module, f"{owner.qualified}.")
    if isinstance(found, Definition) and isinstance(found.node, ast.FunctionDef):
        return Backward(found.module.file, found.node.lineno, found.qualified, kind)
    return Backward(module.file, method.lineno, f"{owner.qualified}.backward", kind)


def _body(definition: Definition) -> list[ast.stmt]:
    return definition.node.body if isinstance(definition.node, ast.ClassDef) else []


def _methods(statements: Iterable[ast.stmt], name: str) -> Iterator[Method]:
    """In a class body, within `if` and `try` as well."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef):
            if statement.name == name and not _decorated(statement, "overload"):
                yield statement
        elif isinstance(statement, ast.Assign):
            if any(isinstance(target, ast.Name) and target.id == name for target in statement.targets):
                yield statement.value
        else:
            for block in ("body", "orelse", "finalbody"):
                if not isinstance(statement, ast.ClassDef | ast.AsyncFunctionDef):
                    yield from _methods(getattr(statement, block, []), name)


def _decorated(method: ast.FunctionDef, name: str) -> bool:
    """By `@name`, or `@module.name`."""
    return any(getattr(d, "id", getattr(d, "attr", None)) == name for d in method.decorator_list)


def _is_abstract(method: ast.FunctionDef) -> bool:
    """Nothing but a docstring, `...` or `raise NotImplementedError`, or `@abstractmethod`."""
    return _decorated(method, "abstractmethod") or all(_does_nothing(statement) for statement in method.body)


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if not isinstance(statement, ast.Raise) or statement.exc is None:
        return False
    raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"

"""What an expression stands for: a definition in one of the files read, or a dotted name outside of them."""

import ast
from collections.abc import Iterable, Iterator

from gradcheck_kit.inventory.modules import Definition, Module

Meaning = Definition | str | None
"""A definition, or the dotted name of what lies outside; None where the source does not tell."""


class Names:
    """The names of some modules, followed through aliases, imports, re-exports and star imports."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self._modules = {module.dotted: module for module in modules}

    def of(self, expression: ast.expr, module: Module, scope: str) -> Meaning:
        """What `expression` means where it stands."""
        return _Query(self._modules).of(expression, module, scope)


class _Query:
    """One question; a name that it comes back to stands for nothing else the second time."""

    def __init__(self, modules: dict[str, Module]) -> None:
        self._modules = modules
        self._asked: set[tuple[str, str, str]] = set()

    def of(self, expression: ast.expr, module: Module, scope: str) -> Meaning:
        if isinstance(expression, ast.Subscript):  # Layer[T]
            return self.of(expression.value, module, scope)
        if isinstance(expression, ast.Name):
            return self._named(expression.id, module, scope)
        if isinstance(expression, ast.Attribute):
            return self._member(self.of(expression.value, module, scope), expression.attr)
        return None

    def _named(self, name: str, module: Module, scope: str) -> Meaning:
        question = (module.file, scope, name)
        if question in self._asked:
            return None
        self._asked.add(question)
        for prefix in _outwards(scope):
            found = self._defined(prefix + name, module)
            if found is not None:
                return found
        if name in module.imports:
            return self._dotted(module.imports[name])
        for star in module.stars:
            found = self._dotted(f"{star}.{name}")
            if isinstance(found, Definition) or (found is not None and star not in self._modules):
                return found
        return None

    def _defined(self, qualified: str, module: Module) -> Meaning:
        """A name given to another name stands for what that one does."""
        for definition in reversed(module.definitions.get(qualified, [])):
            if not isinstance(definition.node, ast.Name | ast.Attribute):
                return definition
            found = self.of(definition.node, module, definition.scope)
            if found is not None:
                return found
        return None

    def _member(self, base: Meaning, name: str) -> Meaning:
        if isinstance(base, Definition):
            return self._defined(f"{base.qualified}.{name}", base.module)
        return None if base is None else self._dotted(f"{base}.{name}")

    def _dotted(self, dotted: str) -> Meaning:
        """Through the longest beginning that is a module read."""
        if dotted in self._modules:
            return dotted
        parts = dotted.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            module = self._modules.get(".".join(parts[:cut]))
            if module is not None:
                found = self._named(parts[cut], module, "")
                for part in parts[cut + 1 :]:
                    found = self._member(found, part)
                return found
        return dotted


def _outwards(scope: str) -> Iterator[str]:
    """ "f.<locals>.A." as itself, "f.<locals>.", ""."""
    while scope:
        yield scope
        scope = scope.removesuffix(".").removesuffix(".<locals>")
        scope = scope[: scope.rfind(".") + 1]
    yield ""

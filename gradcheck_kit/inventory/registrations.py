"""The backwards that are registered with a function: `jax.custom_vjp` and `torch.library.register_autograd`."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gradcheck_kit.inventory.backward import Backward, Kind
from gradcheck_kit.inventory.modules import Definition, Module
from gradcheck_kit.inventory.names import Names

CUSTOM_VJP = {"jax.custom_vjp", "jax.custom_derivatives.custom_vjp"}
CUSTOM_OP = {"torch.library.custom_op", "torch.library.triton_op"}
REGISTER_AUTOGRAD = "torch.library.register_autograd"
PARTIAL = "functools.partial"


@dataclass(frozen=True)
class _Site:
    """A call, and where it stands."""

    call: ast.Call
    module: Module
    scope: str


class Registrations:
    """What the calls of some modules register."""

    def __init__(self, modules: Iterable[Module], names: Names) -> None:
        self._modules, self._names = list(modules), names

    def backwards(self) -> Iterator[Backward]:
        """All of them, and every `custom_vjp` function that no `defvjp` in the files read gives a backward."""
        defined: set[Definition] = set()
        for site in self._sites():
            function = site.call.func
            if isinstance(function, ast.Attribute) and function.attr == "defvjp":
                yield from self._given_to_defvjp(site, function.value, defined)
            else:
                yield from self._registered(site)
        for definition in self._definitions():
            if definition not in defined and self._is_custom_vjp(definition):
                name, line = definition.qualified, definition.node.lineno
                yield Backward(definition.module.file, line, name, Kind.JAX, of="no defvjp in the files read")

    def _sites(self) -> Iterator["_Site"]:
        for module in self._modules:
            for scope, call in module.calls:
                yield _Site(call, module, scope)

    def _given_to_defvjp(self, site: "_Site", function: ast.expr, defined: set[Definition]) -> Iterator[Backward]:
        """Notes in `defined` the function that has its backward now."""
        primal = self._names.of(function, site.module, site.scope)
        if isinstance(primal, Definition) and self._is_custom_vjp(primal):
            defined.add(primal)
            yield self._named(site, 1, "bwd", Kind.JAX, primal.qualified)
        elif self._makes_custom_vjp(function, site.module, site.scope):  # custom_vjp(f).defvjp(…)
            yield self._named(site, 1, "bwd", Kind.JAX, None)

    def _registered(self, site: "_Site") -> Iterator[Backward]:
        """With torch.library, by the operator's name or on the operator itself."""
        call, module, scope = site.call, site.module, site.scope
        if self._names.of(call.func, module, scope) == REGISTER_AUTOGRAD:
            operator = call.args[0] if call.args else _keyword(call, "op")
            of = None if operator is None else ast.unparse(operator).strip("'\"")
            yield self._named(site, 1, "backward", Kind.TORCH_LIBRARY, of)
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "register_autograd":
            made = self._names.of(call.func.value, module, scope)
            if isinstance(made, Definition) and self._is_custom_op(made):
                yield self._named(site, 0, "backward", Kind.TORCH_LIBRARY, made.qualified)

    def _named(self, site: "_Site", position: int, keyword: str, kind: Kind, of: str | None) -> Backward:
        """The function that a call is given, where it is written; else the call itself."""
        call, module, scope = site.call, site.module, site.scope
        given = call.args[position] if len(call.args) > position else _keyword(call, keyword)
        if isinstance(given, ast.Call) and self._names.of(given.func, module, scope) == PARTIAL and given.args:
            given = given.args[0]
        if isinstance(given, ast.Lambda):
            return Backward(module.file, given.lineno, f"{scope}<lambda>", kind, of=of)
        found = None if given is None else self._names.of(given, module, scope)
        if isinstance(found, Definition) and isinstance(found.node, ast.Lambda):
            return Backward(found.module.file, found.node.lineno, f"{found.scope}<lambda>", kind, of=of)
        if isinstance(found, Definition) and isinstance(found.node, ast.FunctionDef):
            return Backward(found.module.file, found.node.lineno, found.qualified, kind, of=of)
        spelled = "the call" if given is None else ast.unparse(given)
        return Backward(module.file, call.lineno, f"{scope}{spelled}", kind, of=of)

    def _definitions(self) -> Iterator[Definition]:
        for module in self._modules:
            for definitions in module.definitions.values():
                yield from definitions

    def _is_custom_vjp(self, definition: Definition) -> bool:
        """A decorated function, or a name for `custom_vjp(f)`."""
        node, module, scope = definition.node, definition.module, definition.scope
        if isinstance(node, ast.FunctionDef):
            return any(self._is_maker(decorator, module, scope) for decorator in node.decorator_list)
        return isinstance(node, ast.expr) and self._makes_custom_vjp(node, module, scope)

    def _makes_custom_vjp(self, value: ast.expr, module: Module, scope: str) -> bool:
        """`custom_vjp(f)`, but not `custom_vjp(nondiff_argnums=…)`, which still wants its function."""
        return isinstance(value, ast.Call) and bool(value.args) and self._is_maker(value.func, module, scope)

    def _is_maker(self, maker: ast.expr, module: Module, scope: str) -> bool:
        """`custom_vjp` itself, or with options: by a call, or by functools.partial, or a name for either."""
        found = self._names.of(maker, module, scope)
        if isinstance(found, str):
            return found in CUSTOM_VJP
        if isinstance(found, Definition):
            node = found.node
            return isinstance(node, ast.Call) and self._is_maker(node, found.module, found.scope)
        if not isinstance(maker, ast.Call):
            return False
        if self._names.of(maker.func, module, scope) == PARTIAL:
            return bool(maker.args) and self._is_maker(maker.args[0], module, scope)
        return not maker.args and self._is_maker(maker.func, module, scope)

    def _is_custom_op(self, definition: Definition) -> bool:
        """A function decorated with `custom_op(…)`, or a name for what that made."""
        node, module, scope = definition.node, definition.module, definition.scope
        made = (
            node.decorator_list if isinstance(node, ast.FunctionDef) else [node] if isinstance(node, ast.Call) else []
        )
        return any(self._names.of(_innermost(one), module, scope) in CUSTOM_OP for one in made)


def _innermost(value: ast.expr) -> ast.expr:
    """f of f(…)(…)."""
    while isinstance(value, ast.Call):
        value = value.func
    return value


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)

"""A case: what is to be checked and where, declared as a value, for pytest to run without a test function."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType, MappingProxyType
from typing import Any, TypeVar

from gradcheck_kit.engine import examine
from gradcheck_kit.exploration.search import explore
from gradcheck_kit.provenance import generator_of
from gradcheck_kit.report import Report
from gradcheck_kit.subject import UsageError

DECLARED = "__gradcheck_case__"
Declared = TypeVar("Declared", bound=Callable[..., Any])
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Case:
    """A target with its inputs, or with axes to search; the plugin for pytest collects it as a test.

        affine = gk.Case(Affine, axes={"x": ("n", 3), "W": (3, "m"), "b": ("m",)})
        sigmoid = gk.Case(Sigmoid(), (np.linspace(-3.0, 3.0, 7),), name="sigmoid in the middle")

    Attributes:
        target: what `gk.check` or, with axes, `gk.explore` takes. With inputs a class (other than an
            `autograd.Function`) is called without arguments first.
        inputs: the arrays of a check at one point, or a function of a `numpy.random.Generator` that returns them.
        axes: by name, what `gk.explore` draws.
        options: what the verb takes beside: `vjp`, `require`, `seed`, …
        name: what the test is called; by default the target's name.

    Raises:
        UsageError: neither inputs nor axes are given, or both, or an option that the verb does not take.
    """

    target: Any
    inputs: tuple[Any, ...] | Callable[..., Any] = ()
    axes: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or _name_of(self.target))
        if not callable(self.inputs) and not isinstance(self.inputs, tuple | list):
            raise UsageError(f"case {self.name}: inputs is a {type(self.inputs).__name__}; pass a tuple: (x,)")
        given = callable(self.inputs) or len(self.inputs) > 0
        if given == bool(self.axes):
            what = "both inputs and axes" if given else "neither inputs nor axes"
            raise UsageError(f"case {self.name} has {what}; pass inputs=(x,), or axes={{'x': ('n', 3)}}")
        taken = _options_of(self.verb)
        unknown = [name for name in self.options if name not in taken]
        if unknown:
            verb = self.verb.__name__
            raise UsageError(f"case {self.name}: gk.{verb} takes no option {unknown[0]!r}; it takes {', '.join(taken)}")

    @property
    def verb(self) -> Callable[..., Report]:
        """What runs it: `gk.explore` where there are axes, else `gk.examine`."""
        return explore if self.axes else examine

    def run(self, seed: int = 0) -> Report:
        """The report; never raises for a wrong gradient.

        Args:
            seed: of the check or search, and of inputs that are drawn, where the case's options name none.

        Raises:
            UsageError: as `gk.examine` and `gk.explore`.
        """
        options = {"seed": seed, **self.options}
        if self.axes:
            return explore(self.target, **options, **self.axes)
        return examine(self._made(), *self._drawn(options["seed"]), **options)

    def _drawn(self, seed: int) -> tuple[Any, ...]:
        if not callable(self.inputs):
            return tuple(self.inputs)
        drawn = self.inputs(generator_of(seed))
        return drawn if isinstance(drawn, tuple) else (drawn,)

    def _made(self) -> Any:
        # An autograd.Function is checked as a class, and says so by having `apply`.
        if not inspect.isclass(self.target) or hasattr(self.target, "apply"):
            return self.target
        try:
            return self.target()
        except TypeError as problem:
            raise UsageError(
                f"case {self.name}: {self.target.__name__}() cannot be called without arguments ({problem}); "
                "declare axes for them, or make a Case of an instance"
            ) from None


def case(
    *inputs: Any, name: str = "", options: Mapping[str, Any] = NOTHING, **axes: Any
) -> Callable[[Declared], Declared]:
    """Declare the case of a class or function where it is defined; the target itself stays as it is.

        @gk.case(x=("n", 3), W=(3, "m"), b=("m",))
        class Affine: ...

    Args:
        inputs: arrays of a check at one point, or one function of a `numpy.random.Generator` that returns them.
        name, options: as for `Case`.
        axes: what `gk.explore` draws, by name.

    Raises:
        UsageError: as `Case`; or the decorated object is no class or function.
    """
    maker = len(inputs) == 1 and isinstance(inputs[0], FunctionType)

    def declare(target: Declared) -> Declared:
        if not inspect.isclass(target) and not isinstance(target, FunctionType):
            raise UsageError(f"@gk.case is for classes and functions, not for a {type(target).__name__}; use gk.Case")
        made = Case(target, inputs[0] if maker else inputs, dict(axes), dict(options), name)
        setattr(target, DECLARED, (made, *declared(target)))
        return target

    return declare


def declared(target: Any) -> tuple[Case, ...]:
    """The cases that `@gk.case` has declared for this class or function itself, not for a base of it."""
    return tuple(getattr(target, "__dict__", {}).get(DECLARED, ()))


def _options_of(verb: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(verb).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _name_of(target: Any) -> str:
    return str(getattr(target, "__name__", type(target).__name__))

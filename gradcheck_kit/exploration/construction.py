"""From a target (an object, a class, a factory, a function) and drawn arrays to the Subject that they are."""

import copy
import inspect
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck_kit.adapters import resolve
from gradcheck_kit.adapters.libraries import library_of, randomness_of
from gradcheck_kit.adapters.private_copy import private_copy
from gradcheck_kit.exploration.demands import Demands
from gradcheck_kit.exploration.own_dtype import OwnDtypeError, own_dtypes
from gradcheck_kit.exploration.structure import DTYPES, Example
from gradcheck_kit.subject import Subject, UsageError


@dataclass(frozen=True)
class Call:
    """How one example is called, for checking and for printing.

    Attributes:
        made: what is checked: the target itself, or what the class or factory returned.
        inputs: its positional arguments.
        built: the names (arrays and constants) that the class or factory was given.
        passed: the names of the inputs, in order; None for a default value.
        parameters: the names that were set as parameters of a layer.
        checked: the names that are differentiated, once it is known.
    """

    made: Any
    inputs: tuple[Any, ...]
    built: tuple[str, ...]
    passed: tuple[str | None, ...]
    parameters: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()


class Construction:
    """A target whose inputs have names.

    Attributes:
        title: what messages call it.
        torch: whether arrays become tensors.
        builds: whether the target is a class or a factory, to be called before its result is checked.
        handwritten: whether the VJP is the user's own and not composed by autograd.
    """

    def __init__(
        self,
        target: Any,
        vjp: Callable[..., Any] | None,
        names: tuple[str, ...],
        constants: Mapping[str, Any],
        fixed: frozenset[str] = frozenset(),
        demands: Demands | None = None,
    ) -> None:
        if isinstance(target, Subject):
            raise UsageError("a Subject stands at one point; pass the layer, class or function that it was made of")
        self.target, self.vjp = target, vjp
        self._names, self._constants, self.fixed = names, dict(constants), fixed
        self.demands = demands or Demands()
        self._own = frozenset[str]()
        torch = sys.modules.get("torch")
        function = is_torch_function(target)
        layer = callable(getattr(target, "forward", None))
        self.builds = vjp is None and not function and (inspect.isclass(target) or self._is_factory(layer))
        module = torch is not None and (
            issubclass(target, torch.nn.Module) if inspect.isclass(target) else isinstance(target, torch.nn.Module)
        )
        plain = vjp is None and not self.builds and not layer
        self.torch = bool(torch is not None and (function or module or plain))
        self.handwritten = bool(function or not self.torch)
        name = getattr(target, "__name__", type(target).__name__)
        self.title = "the factory's result" if name == "<lambda>" and self.builds else str(name)

    def _is_factory(self, layer: bool) -> bool:
        """A function that does not take all the names: the others go to the forward of what it returns."""
        if layer or not callable(self.target):
            return False
        parameters = parameters_of(self.target)
        if parameters is None or any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters.values()):
            return False
        missing = [n for n, p in parameters.items() if p.default is p.empty and n not in self._names]
        return not missing and any(name not in parameters for name in self._names)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """What is drawn: a layer that holds arrays of its own is asked in their dtype alone; modules are cast.

        Of a class or factory that is known once it was called in another dtype (`OwnDtypeError`).
        """
        if self.demands.dtype is not None:
            return (self.demands.dtype,)
        own = self._own if self.builds or self.torch else own_dtypes(self.target)
        return tuple(own) if len(own) == 1 else DTYPES

    @contextmanager
    def session(self) -> Iterator[None]:
        """Afterwards the global random generators are as before."""
        torch = sys.modules.get("torch")
        library = library_of(() if torch is None else (torch.empty(0),))
        with randomness_of(library, ()).session():
            yield

    def call(self, example: Example) -> Call:
        """What is to be called for this example; a class or factory is called here.

        Raises:
            UsageError: a name is no input, or an input or an argument of the class has no value.
            Exception: whatever the class or factory raises.
        """
        values = {name: self._placed(example.arrays[name].copy(order="C")) for name in example.arrays}
        values |= copy.deepcopy(self._constants)
        if not self.builds:
            return self._called(self._in_dtype(self.target, example.dtype), values, ())
        _seed_everything(example.seed)
        parameters = parameters_of(self.target) or {}
        built = tuple(name for name in values if name in parameters)
        laid_out = {n: self._placed(example.laid_out(n)) if n in example.arrays else values[n] for n in built}
        self._expect_all(parameters, built)
        made = self.target(**laid_out)
        made = self._in_dtype(made, example.dtype)
        return self._called(made, {n: v for n, v in values.items() if n not in built}, built)

    def _expect_all(self, parameters: Mapping[str, inspect.Parameter], built: Sequence[str]) -> None:
        """Raise a UsageError unless everything that the class is made with was given."""
        starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        needed = [n for n, p in parameters.items() if p.default is p.empty and p.kind not in starred]
        missing = [name for name in needed if name not in built]
        if missing:
            raise UsageError(
                f"{self.title} is made with {', '.join(missing)} as well; give it, as {missing[0]}=('n', 3) to be "
                "drawn or as a value; or pass a function without arguments that makes it"
            )

    def expect_own_dtype(self, made: Any, dtype: str) -> None:
        """Raise an OwnDtypeError where all arrays of the layer made are of one other dtype; `dtypes` knows from now."""
        own = own_dtypes(made) if self.builds and not self.torch and self.demands.dtype is None else frozenset[str]()
        if not self._own and len(own) == 1 and dtype not in own:
            self._own = own
            raise OwnDtypeError(f"the arrays that {self.title} makes are {next(iter(own))}")

    def subject(self, call: Call) -> Subject:
        """The subject of a call."""
        subject = resolve(call.made, call.inputs, vjp=self.vjp)
        wrt = subject.differentiable if self.demands.wrt is None else self.demands.wrt
        return subject.restricted_to([name for name in wrt if name not in self.fixed])

    def _in_dtype(self, made: Any, dtype: str) -> Any:
        """A module's copy in this dtype; anything else as it is."""
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(made, torch.nn.Module):
            return made
        return copy.deepcopy(made).to(device=self.demands.device, dtype=getattr(torch, dtype))

    def _placed(self, values: Any) -> Any:
        return self._tensor(values) if self.torch else values

    def _tensor(self, values: Any) -> Any:
        tensor = sys.modules["torch"].from_numpy(np.asarray(values))
        return tensor if self.demands.device is None else tensor.to(self.demands.device)

    def _called(self, made: Any, values: dict[str, Any], built: tuple[str, ...]) -> Call:
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(made, torch.nn.Module) and not self.torch:  # a factory's
            values = {n: self._tensor(v) if isinstance(v, np.ndarray) else v for n, v in values.items()}
        parameters = parameters_of(_forward(made))
        if parameters is None:
            return Call(made, tuple(values.values()), built, tuple(values))
        extra = [name for name in values if name not in parameters]
        starred = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
        if extra and not starred:
            made = self._withparameters_of(made, {name: values[name] for name in extra}, list(parameters))
        needed = [n for n, p in parameters.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        wanted = [n for n in needed if n in values or parameters[n].default is inspect.Parameter.empty]
        missing = [name for name in wanted if name not in values]
        if missing:
            raise UsageError(
                f"{self.title} needs {', '.join(missing)} as well; say what to draw, such as {missing[0]}=('n', 3)"
            )
        last = max((needed.index(name) for name in wanted), default=-1)
        order: list[str | None] = [name if name in values else None for name in needed[: last + 1]]
        inputs = [values[name] if name in values else parameters[name].default for name in needed[: last + 1]]
        if starred:
            order, inputs = [*order, *extra], [*inputs, *(values[name] for name in extra)]
        return Call(made, tuple(inputs), built, tuple(order), () if starred else tuple(extra))

    def _withparameters_of(self, layer: Any, values: Mapping[str, Any], known: list[str]) -> Any:
        """A private copy of a layer that has these arrays as its parameters.

        Raises:
            UsageError: the layer has no such parameter.
        """
        params = getattr(layer, "params", None)
        held = params if isinstance(params, dict) else getattr(layer, "__dict__", {})
        unknown = [name for name in values if not isinstance(held.get(name), np.ndarray)]
        if unknown or self.torch:
            built = list(parameters_of(self.target) or {}) if self.builds else []
            raise UsageError(
                f"{next(iter(unknown or values))!r} is no input of {self.title}; its inputs are "
                f"{', '.join([*built, *known])}; to draw a layer's parameters pass its class or a factory"
            )
        twin = private_copy(layer)
        mine = twin.params if isinstance(params, dict) else twin.__dict__
        mine.update(values)
        return twin


def _forward(made: Any) -> Any:
    """Where the names of the inputs are."""
    if is_torch_function(made):
        from gradcheck_kit.adapters.torch import without_context

        return without_context(made)
    return made.forward if callable(getattr(made, "forward", None)) else made


def is_torch_function(target: Any) -> bool:
    """Whether it is a class that torch calls by `apply`."""
    torch = sys.modules.get("torch")
    return torch is not None and inspect.isclass(target) and issubclass(target, torch.autograd.Function)


def parameters_of(function: Any) -> dict[str, inspect.Parameter] | None:
    """The parameters by name; None where a signature cannot be had (builtins)."""
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None


def _seed_everything(seed: int) -> None:
    """The global generators that a constructor may draw its weights from; `session` puts them back."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)

"""How calls and their results are named: inputs by the forward's signature, outputs and gradients by structure."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck_kit.space import FORMATS, Array, Arrays, Library
from gradcheck_kit.subject import ForwardModeError, UsageError, in_words

SINGLE = "output"
"""The name of a single output."""


@dataclass(frozen=True)
class Arguments:
    """The positional arguments of a call: the arrays by name, and everything else as it was passed."""

    names: tuple[str, ...]
    arrays: dict[str, Array]
    constants: dict[str, Any]

    def placed(self, point: Arrays) -> list[Any]:
        """The arguments in order, the arrays taken from `point`."""
        return [point[name] if name in self.arrays else self.constants[name] for name in self.names]

    def differentiable(self, library: Library) -> list[str]:
        """The names of the floating-point arrays."""
        return [name for name, array in self.arrays.items() if library.dtype(array) in FORMATS]


def named_arguments(
    subject: str,
    forward: Callable[..., Any],
    inputs: Sequence[Any],
    names: Sequence[str] | None,
    library: Library,
) -> Arguments:
    """`inputs` by name; arrays are copied, so that nothing that happens later reaches the caller's.

    Raises:
        UsageError: an input is of no usable kind, or `names` does not fit.
    """
    expect_call(subject, forward, inputs)
    chosen = _names(subject, forward, inputs, names)
    arrays: dict[str, Array] = {}
    constants: dict[str, Any] = {}
    for name, value in zip(chosen, inputs, strict=True):
        if library.name == "numpy" and not isinstance(value, str | int | None):
            arrays[name] = _numpy_array(name, value)
        elif library.name != "numpy" and library.owns(value):
            arrays[name] = library.copy(value)
        elif isinstance(value, str | int | float | None) or _is_setting(value):
            constants[name] = value
        else:
            raise UsageError(_no_array(name, value, library))
        if name in arrays:
            _reject_format(name, library.dtype(arrays[name]))
    return Arguments(tuple(chosen), arrays, constants)


def _no_array(name: str, value: Any, library: Library) -> str:
    if library.name == "torch" and isinstance(value, np.ndarray):
        return f"{name} is a ndarray; pass a torch array, such as torch.from_numpy({name})"
    advice = f", and of a {type(value).__name__} its entries: {taken_apart('target', value)}" if is_nest(value) else ""
    return f"{name} is a {type(value).__name__}; pass a {library.name} array like the other inputs{advice}"


def is_nest(value: Any) -> bool:
    """Whether it is a list, tuple or dict of arrays, which is no input."""
    entries = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return any(hasattr(entry, "shape") for entry in entries)


def taken_apart(target: str, value: Any) -> str:
    """The call in which the entries of a list, tuple or dict are inputs of their own."""
    if isinstance(value, Mapping):
        return f"gk.check(lambda *values: {target}(dict(zip(given, values))), *given.values(), names=list(given))"
    return f"gk.check(lambda *values: {target}({'list' if isinstance(value, list) else 'tuple'}(values)), *given)"


def _is_setting(value: Any) -> bool:
    """Whether it is a list of whole numbers and words, such as a shape; real numbers may be meant as an input."""
    return isinstance(value, list | tuple) and all(isinstance(v, str | int | None) or _is_setting(v) for v in value)


def expect_call(what: str, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """Raise a UsageError if `function` cannot take these positional arguments, as far as its signature tells."""
    misfit = misfit_of(function, arguments)
    if misfit is not None:
        signature, error = misfit
        raise UsageError(f"{what} takes {signature} and was to be called with {len(arguments)} arguments: {error}")


def misfit_of(function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[inspect.Signature, str] | None:
    """The signature that does not take these positional arguments, and why; None if it does, or cannot be seen."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*arguments)
    except TypeError as error:
        return signature, str(error)
    return None


def _numpy_array(name: str, value: Any) -> Array:
    if isinstance(value, np.matrix | np.ma.MaskedArray):
        raise UsageError(
            f"{name} is a {type(value).__name__}, whose products or masks are its own and would be lost in a check; "
            f"pass np.asarray({name}), and what is masked as an array of its own"
        )
    try:
        array = np.array(value, order="C")
    except ValueError as error:
        raise UsageError(f"{name} is a ragged {type(value).__name__}; pass a rectangular array ({error})") from None
    if array.dtype.kind not in "fiubc":
        raise UsageError(f"{name} is a {type(value).__name__} of dtype {array.dtype}; pass an array of numbers")
    return array


def _reject_format(name: str, dtype: str) -> None:
    if dtype.startswith("complex"):
        raise UsageError(f"{name} is {dtype}; complex numbers are not supported: take real and imaginary parts apart")
    if dtype.startswith(("float", "bfloat", "longdouble")) and dtype not in FORMATS:
        raise UsageError(f"{name} is {dtype}; pass one of {', '.join(FORMATS)}")


def _names(subject: str, forward: Callable[..., Any], inputs: Sequence[Any], names: Sequence[str] | None) -> list[str]:
    if names is not None:
        if not isinstance(names, str | list | tuple):
            raise UsageError(f"names={names!r}; pass a list of strings, one for each input")
        given = list(given_names(names) or ())
        if len(given) != len(inputs) or len(set(given)) != len(given):
            raise UsageError(f"names={given!r} for {len(inputs)} inputs of {subject}; pass one different name for each")
        return given
    return _from_signature(forward, len(inputs)) or [f"input{i}" for i in range(len(inputs))]


def given_names(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """The names that a caller chose, one of them without a list too; None where the signature is to say."""
    return (names,) if isinstance(names, str) else None if names is None else tuple(names)


def _from_signature(forward: Callable[..., Any], count: int) -> list[str] | None:
    """The parameter names of `forward`, or None where they cannot be had (builtins) or do not fit."""
    try:
        parameters = list(inspect.signature(forward).parameters.values())
    except (TypeError, ValueError):
        return None
    found: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            found += [f"{parameter.name}[{i}]" for i in range(count - len(found))]
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            found.append(parameter.name)
    return found[:count] if len(found) >= count else None


def run_jvp(jvp: Callable[..., Any], *arguments: Any) -> Any:
    """What a hand-written JVP returns.

    Raises:
        ForwardModeError: it raises; the message is what, in words.
    """
    try:
        return jvp(*arguments)
    except Exception as error:
        raise ForwardModeError(in_words(error)) from error


@dataclass(frozen=True)
class Structure:
    """How outputs were returned, nested tuples, lists and mappings too, so that cotangents go back in the same way.

    Attributes:
        kind: dict, tuple or the class of a named tuple, or None for a single output.
        parts: the structures of the entries, by key or position.
    """

    kind: type | None
    parts: tuple[tuple[Any, "Structure"], ...] = ()

    @classmethod
    def of(cls, returned: Any) -> "Structure":
        if isinstance(returned, Mapping):
            return cls(dict, tuple((key, cls.of(value)) for key, value in returned.items()))
        if isinstance(returned, tuple | list):
            kind = type(returned) if hasattr(returned, "_fields") else tuple
            return cls(kind, tuple((i, cls.of(value)) for i, value in enumerate(returned)))
        return cls(None)

    def names(self, prefix: str = SINGLE) -> list[str]:
        """A single one is "output", several are "output[0]", "output[1][0]", …, those of a mapping its keys."""
        if self.kind is None:
            return [prefix]
        at_top = prefix == SINGLE and self.kind is dict
        return [name for key, part in self.parts for name in part.names(str(key) if at_top else f"{prefix}[{key}]")]

    def values(self, returned: Any) -> list[Any]:
        if self.kind is None:
            return [returned]
        return [value for key, part in self.parts for value in part.values(returned[key])]

    def packed(self, cotangents: Arrays) -> Any:
        """Cotangents in the structure of the outputs; None for an output that is not floating-point."""
        return self._packed(iter([cotangents.get(name) for name in self.names()]))

    def _packed(self, values: Iterator[Any]) -> Any:
        if self.kind is None:
            return next(values)
        entries = [(key, part._packed(values)) for key, part in self.parts]
        if self.kind is dict:
            return dict(entries)
        packed = tuple(value for _, value in entries)
        return packed if self.kind is tuple else self.kind._make(packed)  # type: ignore[attr-defined]


def named_outputs(library: Library, returned: Any) -> dict[str, Array]:
    """The floating-point outputs by name.

    Raises:
        UsageError: there is no array of the library among what was returned, or an output is complex or of another
            format that cannot be differentiated here.
    """
    if library.owns(returned):  # a single one, as nearly always
        values: Mapping[str, Any] = {SINGLE: returned}
    else:
        structure = Structure.of(returned)
        values = dict(zip(structure.names(), structure.values(returned), strict=True))
    if not any(library.owns(value) for value in values.values()):
        raise UsageError(_no_output(library, returned, values))
    outputs = {}
    for name, value in values.items():
        if library.owns(value):
            dtype = library.dtype(value)
            if dtype in FORMATS:
                outputs[name] = value
            else:
                _reject_format(name, dtype)
    return outputs


def _no_output(library: Library, returned: Any, values: Mapping[str, Any]) -> str:
    kind = "None" if returned is None else f"a {type(returned).__name__}"
    if values and SINGLE not in values:
        kind += f" of {', '.join(dict.fromkeys(type(value).__name__ for value in values.values()))}"
    advice = f"return a {library.name} array, or a tuple, list or dict of them"
    if hasattr(returned, "__dict__"):
        advice += ": pass a function that takes them out of it, such as lambda *inputs: target(*inputs).NAME"
    return f"the forward returned {kind}; {advice}"


def expect_outputs(subject: str, library: Library, outputs: Arrays, cotangents: Arrays) -> None:
    """Raise a UsageError unless the outputs have the names, shapes and dtypes of the cotangents made for them."""

    def form(arrays: Arrays) -> dict[str, str]:
        return {name: f"{library.dtype(array)} of shape {library.shape(array)}" for name, array in arrays.items()}

    found, expected = form(outputs), form(cotangents)
    if found != expected:
        before, now = (", ".join(f"{n}: {what}" for n, what in forms.items()) for forms in (expected, found))
        raise UsageError(
            f"{subject}: the forward returned ({now}) where it had returned ({before}); "
            "the same inputs have to give the same number, shapes and dtypes of outputs every time"
        )

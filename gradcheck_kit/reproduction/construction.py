"""How an object could be made again: its class, called with what its constructor is seen to have kept."""

import inspect
from collections.abc import Mapping
from typing import Any

PLAIN = (bool, int, float, str, type(None))
ABSENT = object()


def arguments_of(made: Any, arrays: Mapping[str, str]) -> tuple[list[str], list[str], list[str]]:
    """What the class of an object has to be called with to make one like it, as far as it can be read off.

    A parameter of the constructor is taken to be the array of its name, or else the attribute of its name.

    Args:
        made: the object.
        arrays: parameter arrays by name → the variables that hold them.

    Returns:
        The arguments (`...` stands where nothing is known), the arrays among them, and what stands as `...`.
    """
    given, used, unknown = list[str](), list[str](), list[str]()
    attributes = _attributes(made)
    in_order = True
    for name, parameter in _parameters(type(made)).items():
        value = arrays.get(name) or _kept(attributes.get(name, ABSENT), parameter)
        if parameter.kind is parameter.VAR_POSITIONAL:
            value = "..."
        elif parameter.kind is parameter.VAR_KEYWORD:
            continue
        if value is None:
            in_order = False
            continue
        if name in arrays:
            used.append(name)
        if value == "...":
            unknown.append(name)
        given.append(value if in_order and parameter.kind is not parameter.KEYWORD_ONLY else f"{name}={value}")
    return given, used, unknown


def arrays_beside(made: Any, known: Mapping[str, Any]) -> list[str]:
    """The attributes that hold arrays and are neither known nor arguments, such as running statistics."""
    arguments = _parameters(type(made))
    return [
        name
        for name, value in getattr(made, "__dict__", {}).items()
        if getattr(value, "shape", ()) != ()
        and not name.startswith("_")
        and name not in arguments
        and name not in known
        and name.removeprefix("d") not in known
    ]


def _attributes(made: Any) -> dict[str, Any]:
    """What the object itself holds, a module's parameters too; no code of its class is run to find out."""
    held = dict(getattr(made, "__dict__", {}))
    return {**held.get("_parameters", {}), **held}


def _kept(value: Any, parameter: inspect.Parameter) -> str | None:
    """The argument as it is kept in an attribute; None where the default does; "..." where nothing is known."""
    default = parameter.default
    if _is_plain(value):
        same = type(value) is type(default) and value == default
        return None if same else repr(value)
    if default is parameter.empty:
        return "..."
    # A generator or a function in the place of a default None is something that was passed.
    return "..." if default is None and value is not ABSENT else None


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return type(value) is tuple and all(map(_is_plain, value))
    return type(value) in PLAIN and not (isinstance(value, float) and value - value != 0.0)


def _parameters(made: type) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(made).parameters
    except (TypeError, ValueError):
        return {"arguments": inspect.Parameter("arguments", inspect.Parameter.VAR_POSITIONAL)}

"""What a target is called with, read from its signatures: to say what to type, and which name was meant."""

import inspect
import sys
from typing import Any

from gradcheck_kit.exploration.construction import is_torch_function, parameters_of

Parameters = dict[str, inspect.Parameter]
STARRED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
PLAIN = (int, bool, str, "int", "bool", "str")  # annotations of what is no array


def constructor(target: Any) -> Parameters:
    """The parameters of a class; none for anything else, and for a torch Function, which is never built."""
    if not inspect.isclass(target) or is_torch_function(target):
        return {}
    return parameters_of(target) or {}


def forward_names(target: Any) -> list[str] | None:
    """The inputs of the forward by name; None where they cannot be had."""
    found = _forward(target)
    if found is None or any(parameter.kind in STARRED for parameter in found.values()):
        return None
    return list(found)


def known_names(target: Any) -> list[str]:
    """Every name that an input, a parameter or a constant may have; empty where any may."""
    built, inputs = constructor(target), forward_names(target)
    if inputs is None or any(parameter.kind in STARRED for parameter in built.values()):
        return []
    held = getattr(target, "params", None)
    own = held if isinstance(held, dict) else {} if inspect.isclass(target) else getattr(target, "__dict__", {})
    return list(dict.fromkeys([*built, *inputs, *map(str, own)]))


def what_to_type(target: Any) -> list[str]:
    """The options that name every array of the call, with AXES to be filled in."""
    words = [_option("--param", parameter) for parameter in constructor(target).values()]
    inputs = (_forward(target) or {}).values()
    words += [_option("--input", parameter) for parameter in inputs]
    return [word for word in words if word] or ["--input NAME=AXES"]


def _option(option: str, parameter: inspect.Parameter) -> str:
    if parameter.kind in STARRED or parameter.default is not parameter.empty:
        return ""
    if parameter.annotation in PLAIN:
        return f"--constant {parameter.name}=VALUE"
    return f"{option} {parameter.name}=AXES"


def _forward(target: Any) -> Parameters | None:
    method = getattr(target, "forward", None)
    if not callable(method):
        return parameters_of(target)
    found = parameters_of(method)
    bound_later = inspect.isclass(target) and (not is_torch_function(target) or _has_context(target))
    return dict(list(found.items())[1:]) if found is not None and bound_later else found


def _has_context(function: Any) -> bool:
    """Whether the forward of a torch Function takes the context, and no `setup_context` does."""
    torch: Any = sys.modules["torch"]
    return bool(function.setup_context is torch.autograd.Function.setup_context)

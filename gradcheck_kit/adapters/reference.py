"""Another function named as the reference of a subject: what it computes is differentiated in the subject's place."""

from collections.abc import Callable
from typing import Any

from gradcheck_kit.adapters.signature import named_outputs
from gradcheck_kit.space import Array, Arrays
from gradcheck_kit.subject import Forward, Subject, UsageError


def forward_of(function: str | Callable[..., Any], subject: Subject) -> Forward:
    """`function(*inputs, **parameters)` as a forward of the subject's points.

    Raises:
        UsageError: `function` cannot be called.
    """
    if not callable(function):
        given = repr(function) if isinstance(function, str) else f"a {type(function).__name__}"
        raise UsageError(f"reference is {given}; pass 'float64', 'native', or a function of the same inputs")
    positional = subject.positional

    def forward(point: Arrays) -> dict[str, Array]:
        inputs = list(point.values()) if positional is None else positional(point)
        parameters = {name: point[name] for name in subject.parameters}
        return named_outputs(subject.library, function(*inputs, **parameters))

    return forward

"""Do the parameters of a trainee fit those of the schedule? If not: which, and what may have been meant."""

from collections.abc import Mapping

from gradcheck_kit.spelling import closest
from gradcheck_kit.subject import UsageError

Shape = tuple[int, ...]


def check_fit(owner: str, own: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> None:
    """Raise a UsageError unless both have the same names, and each the same shape.

    Args:
        owner: the trainee's name.
        own: the shapes of the trainee's parameters.
        wanted: the shapes of the schedule's.
    """
    if own.keys() != wanted.keys():
        missing = [_beside(name, wanted[name], own) for name in wanted if name not in own]
        unknown = [name for name in own if name not in wanted]
        raise UsageError(
            f"{owner} has the parameters {sorted(own)}, the schedule has {sorted(wanted)}. "
            + (f"{owner} lacks {', '.join(missing)}. " if missing else "")
            + (f"The schedule lacks {', '.join(unknown)}. " if unknown else "")
            + "Name them alike, in the schedule or in what `parameters()` returns."
        )
    for name, shape in wanted.items():
        if own[name] != shape:
            turned = (
                ", its transpose: say so in the layout, or turn it in `parameters()`"
                if own[name] == shape[::-1]
                else ""
            )
            raise UsageError(f"{owner}: {name} has shape {own[name]}, the schedule's {shape}{turned}")


def check_gradients(owner: str, gradients: Mapping[str, Shape], parameters: Mapping[str, Shape]) -> None:
    """Raise a UsageError unless each gradient has its parameter's shape."""
    for name, shape in parameters.items():
        if gradients[name] != shape:
            raise UsageError(
                f"{owner}: the gradient of {name} has shape {gradients[name]}, the parameter has {shape}; "
                "let `gradients()` return each in its parameter's shape"
            )


def _beside(name: str, shape: Shape, own: Mapping[str, Shape]) -> str:
    """The name, and the one of the trainee's that may be it."""
    alike = closest(name, own)
    fitting = [alike] if alike is not None else [other for other, there in own.items() if there in (shape, shape[::-1])]
    return f"{name} {shape}" + (f" (is it {fitting[0]} {own[fitting[0]]}?)" if fitting else "")

"""Do the parameters of a trainee fit those of the schedule? If not: which, and what may have been meant."""

from collections.abc import Mapping

from gradcheck_kit.spelling import closest
from gradcheck_kit.subject import UsageError

Shape = tuple[int, ...]
NAME_ALIKE = "Name them alike, in the schedule or in what `parameters()` returns."
BOTH_OR_NEITHER = f"Tie them on both sides or on neither: tied and untied weights are two networks. {NAME_ALIKE}"


def check_fit(
    owner: str, own: Mapping[str, Shape], wanted: Mapping[str, Shape], tied: Mapping[str, str] | None = None
) -> None:
    """Raise a UsageError unless both have the same names, and each the same shape.

    Args:
        owner: the trainee's name.
        own: the shapes of the trainee's parameters.
        wanted: the shapes of the schedule's.
        tied: further names of parameters of the trainee → the one under which each is told.
    """
    if own.keys() != wanted.keys():
        missing = [_beside(name, wanted[name], own) for name in wanted if name not in own]
        unknown = [name for name in own if name not in wanted]
        raise UsageError(
            f"{owner} has the parameters {sorted(own)}, the schedule has {sorted(wanted)}. "
            + (f"{owner} lacks {', '.join(missing)}. " if missing else "")
            + (f"The schedule lacks {', '.join(unknown)}. " if unknown else "")
            + (_of_tied(owner, own, wanted, tied or {}) or NAME_ALIKE)
        )
    for name, shape in wanted.items():
        if own[name] != shape:
            turned = (
                ", its transpose: say so in the layout, or turn it in `parameters()`"
                if own[name] == shape[::-1]
                else ""
            )
            raise UsageError(f"{owner}: {name} has shape {own[name]}, the schedule's {shape}{turned}")


def _of_tied(owner: str, own: Mapping[str, Shape], wanted: Mapping[str, Shape], tied: Mapping[str, str]) -> str:
    """A sentence where names are lacking because one side ties two parameters; empty where nothing says so."""
    held = [f"{name} to {tied[name]}" for name in wanted if name not in own and name in tied]
    if held:
        return f"{owner} ties {', '.join(held)}: one tensor of two names, told by the first. {BOTH_OR_NEITHER}"
    more = [name for name in own if name not in wanted]
    alike = [other for name in more for other in wanted if wanted[other] == own[name]]
    if not alike or not wanted.keys() <= own.keys():
        return ""
    told = (
        f"Where the side of which the schedule was made ties {', '.join(more)} to {alike[0]}, it has one tensor of two"
    )
    return f"{told} names, told by the first. {BOTH_OR_NEITHER}"


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

"""What the gradient of an array may be called: dW, gW, W_gradient and others beside W, or W in `grads`."""

from collections.abc import Sequence
from typing import Any

from gradcheck_kit.adapters.places import Place

SPELLINGS = ("d{}", "grad_{}", "{}_grad", "d_{}")  # the gradient of W beside it, as textbooks write it
OTHER_GRADS = ("gradients", *(form.format("params") for form in SPELLINGS))  # what `grads` is called otherwise
HOLDS = ("data", "value")  # what an object that has a `grad` calls its array
WORDS = ("grad", "grads", "gradient", "gradients")
BEFORE, AFTER = ("d", "g", "nabla", *WORDS), WORDS  # what stands before or after W; a delta may be an update


def spellings(name: Any) -> list[str]:
    """What the gradient of an attribute is usually called; the key of a list is no name."""
    return [form.format(name) for form in SPELLINGS] + ["grad"] * (name in HOLDS) if isinstance(name, str) else []


def is_gradient_of(gradient: Any, name: Any) -> bool:
    """Whether one name says that it is the gradient of another, whatever their case and underscores."""
    if not isinstance(gradient, str) or not isinstance(name, str) or not _plain(name):
        return False
    said, of = _plain(gradient), _plain(name)
    return said in {*(word + of for word in BEFORE), *(of + word for word in AFTER)}


def is_gradient(name: Any) -> bool:
    """Whether a name says no more than that it is a gradient."""
    return isinstance(name, str) and (_plain(name) in ("g", *WORDS) or is_gradient_of(name, "params"))


def is_place_of_gradient(gradient: Place, array: Place) -> bool:
    """Whether a place is named as that of the gradient of the array in another: `gW`, `g["W"]`, `dlayers[0]["W"]`."""
    ours, theirs = list(_steps(gradient)), list(_steps(array))
    while ours and theirs and ours[0] == theirs[0]:
        del ours[0], theirs[0]
    if not ours or not theirs:
        return False
    named = is_gradient_of(ours[0], theirs[0]) and _alike(ours[1:], theirs[1:])
    elsewhere = is_gradient(ours[0]) and (_alike(ours[1:], theirs) or (len(ours) > 1 and _alike(ours[1:], theirs[1:])))
    return named or elsewhere or (is_gradient_of(ours[0], theirs[-1]) and len(ours) == 1)


def _alike(ours: Sequence[Any], theirs: Sequence[Any]) -> bool:
    pairs = zip(ours, theirs, strict=False)
    return len(ours) == len(theirs) and all(own == other or is_gradient_of(own, other) for own, other in pairs)


def _steps(place: Place) -> tuple[Any, ...]:
    within = () if place.container is None else (place.container,)
    return (*(key for _, key in place.path), *within, place.key)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()

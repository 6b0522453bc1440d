"""Where the parameters of a textbook layer live, and their gradients: on the layer itself or on layers inside it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gradcheck_kit.adapters.gradient_names import HOLDS, OTHER_GRADS, is_place_of_gradient, spellings
from gradcheck_kit.adapters.held import held_by
from gradcheck_kit.adapters.places import Path, Place
from gradcheck_kit.space import Array, Library

DEEPEST = 4  # layers inside layers


@dataclass(frozen=True)
class Parameter:
    """A parameter of a layer.

    Attributes:
        place: of its array.
        gradients: where its gradient is; of tied weights, which are one array in several places, each one's part, and
            whether that place holds the array transposed.
    """

    place: Place
    gradients: tuple[tuple[Place, bool], ...]

    def gradient(self, layer: Any, library: Library) -> Any:
        """What stands there now; of tied weights the sum, in which an array that stands there twice counts once."""
        if len(self.gradients) == 1:
            return _gradient_at(self.gradients[0][0], layer)
        found: list[Any] = []
        for place, transposed in self.gradients:
            value = _gradient_at(place, layer)
            if value is None or any(value is other or library.overlap(value, other) for other in found):
                continue
            found.append(value.T if transposed else value)
        total, *others = found or [None]
        for value in others:
            total = total + value
        return total


def _gradient_at(place: Place, layer: Any) -> Any:
    """What stands there; of a declared parameter W else in `dparams` or `gradients`, under the key "dW" or beside W."""
    keys = [place.key, *(spellings(place.key) if place.container is not None else ())]
    ways = [(place.container, key) for key in keys]
    if place.container == "grads":
        ways += [(container, key) for container in OTHER_GRADS for key in keys]
        ways += [(container, key) for container in ("params", "parameters") for key in keys[1:]]
    places = (replace(place, container=container, key=key) for container, key in ways)
    return next((value for other in places if (value := other.read(layer)) is not None), None)


def _not_asked(_: Place) -> bool:
    return False


def declared(
    owner: Any, path: Path = (), is_read: Callable[[Place], bool] = _not_asked
) -> list[tuple[Place, Place]] | None:
    """The parameters and gradients in `params` and `grads`; None where there is no such declaration.

    Beside a dict of gradients, `parameters` are such, too. Entries may be dicts and lists of arrays in their turn.
    Where there are no `grads`, entries of `params` that are called so and have the shape are the gradients of others,
    unless the forward is seen to read them.

    `grads` may be made by the first backward only; a gradient that never appears counts as missing. `params` that are
    objects with an array and its `grad` are found as what they are.
    """
    grads = next((held for name in ("grads", *OTHER_GRADS) if (held := getattr(owner, name, None)) is not None), None)
    named = "params" if getattr(owner, "params", None) is not None or not isinstance(grads, Mapping) else "parameters"
    params = getattr(owner, named, None)
    if not (isinstance(params, Mapping) and isinstance(grads, Mapping | None)) and not (
        isinstance(params, list | tuple) and isinstance(grads, list | tuple | None)
    ):
        return None
    if any(_is_parameter(held) for _, held in items_of(params)):
        return None
    ways = [way for key, held in items_of(params) for way in _ways(key, held)]
    places = {_declared_in(named, way): _declared_in("grads", way) for way in ways}
    found = places if grads is not None else _among_themselves(places, owner, lambda p: is_read(_beyond(path, p)))
    return [(_beyond(path, p), _beyond(path, g)) for p, g in found.items()]


def _beyond(path: Path, place: Place) -> Place:
    return replace(place, path=(*path, *place.path))


def _among_themselves(
    places: Mapping[Place, Place], owner: Any, is_read: Callable[[Place], bool]
) -> dict[Place, Place]:
    """The same without those that are the gradients of others, as dW of W."""
    shapes = {place: getattr(place.read(owner), "shape", None) for place in places}
    found = dict(places)
    for gradient, shape in shapes.items():
        of = [place for place, its in shapes.items() if is_place_of_gradient(gradient, place) and shape in (its, None)]
        if len(of) == 1 and not is_read(gradient):
            found[of[0]] = gradient
            del found[gradient]
    return found


def _ways(key: Any, held: Any) -> list[tuple[Any, ...]]:
    """The keys that lead to the arrays of an entry that is itself a dict, a list or a tuple of them; else its own."""
    inner = [steps for steps, item in _unpacked(held) if steps and getattr(item, "shape", ())]
    return [(key, *(step for _, step in steps)) for steps in inner] or [(key,)]


def _declared_in(container: str, way: tuple[Any, ...]) -> Place:
    *outer, key = way
    return Place(None, key, ((".", container), *(("[]", step) for step in outer))) if outer else Place(container, key)


def layers_inside(layer: Any) -> Iterator[tuple[Path, Any]]:
    """The layer, those inside it and objects with an array and its `grad`: in attributes, and in lists, tuples and
    dicts there; each once.

    A layer that declares its parameters has declared those inside it, too.
    """
    seen = set[int]()
    waiting: list[tuple[Path, Any]] = [((), layer)]
    while waiting:
        path, owner = waiting.pop(0)
        if id(owner) in seen:
            continue
        seen.add(id(owner))
        yield path, owner
        if declared(owner) is None and len(path) < 2 * DEEPEST:
            waiting += [((*path, *steps), inner) for steps, inner in _children(owner)]


def _children(owner: Any) -> Iterator[tuple[Path, Any]]:
    for name, value in held_by(owner).items():
        for steps, item in _unpacked(value):
            if _is_layer(item) or _is_parameter(item):
                yield ((".", name), *steps), item


def _unpacked(value: Any, deepest: int = DEEPEST) -> Iterator[tuple[Path, Any]]:
    """A value itself, or what the dicts, lists and tuples hold that it is made of; nested rows of numbers are data."""
    if deepest == 0 or not isinstance(value, Mapping | list | tuple) or (deepest < DEEPEST and of_numbers(value)):
        yield (), value
        return
    for key, item in items_of(value):
        yield from (((("[]", key), *steps), inner) for steps, inner in _unpacked(item, deepest - 1))


def of_numbers(value: Any) -> bool:
    """Whether it is a list or tuple that begins with a number: there may be very many."""
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], int | float)


def _is_layer(value: Any) -> bool:
    methods = (getattr(value, name, None) for name in ("forward", "backward"))
    return not isinstance(value, type) and all(callable(method) for method in methods)


def _is_parameter(value: Any) -> bool:
    """Whether it is an object with an array and its gradient, as small autograd libraries have them."""
    held = {} if isinstance(value, type) else held_by(value)
    return "grad" in held and any(hasattr(held.get(name), "dtype") for name in HOLDS)


def held_arrays(owner: Any, path: Path, library: Library) -> dict[Place, Array]:
    """The arrays that attributes and the dicts, lists and tuples in them hold, and that properties hand out."""
    found = {Place(None, name, path): array for name, array in _arrays_of(owner, library).items()}
    for name, value in held_by(owner).items():
        if isinstance(value, Mapping | list | tuple):
            found |= {Place(name, key, path): item for key, item in items_of(value) if library.owns(item)}
            for key, inner in items_of(value):
                if isinstance(inner, Mapping | list | tuple):
                    way: Path = (*path, (".", name), ("[]", key))
                    found |= {Place(None, k, way): item for k, item in items_of(inner) if library.owns(item)}
    return found


def gradient_place(place: Place, owner: Any) -> Place | None:
    """Where an owner's array has its gradient: beside it, or under the same key of the container's."""
    there = {*held_by(owner), *_properties(owner)}
    return next((place.under(beside) for beside in spellings(place.attribute) if beside in there), None)


def gradients_of(places: Iterable[Place]) -> set[Place]:
    """Where the gradients of these would be, however they are spelled."""
    return {place.under(name) for place in places for name in spellings(place.attribute)}


def items_of(container: Any) -> list[tuple[Any, Any]]:
    """Keys or places, and what is there, of a dict, a list or a tuple."""
    return list(container.items() if isinstance(container, Mapping) else enumerate(container))


def _arrays_of(owner: Any, library: Library) -> dict[str, Array]:
    """The arrays that attributes hold and properties hand out, by name."""
    found = {name: value for name, value in held_by(owner).items() if library.owns(value)}
    for name in _properties(owner):
        try:
            value = getattr(owner, name)
        except Exception:  # the user's own code, which may want a forward first
            continue
        if library.owns(value):
            found[name] = value
    return found


def _properties(owner: Any) -> list[str]:
    """The public properties of its class."""
    classes = type(owner).__mro__
    return [n for c in classes for n, v in vars(c).items() if isinstance(v, property) and not n.startswith("_")]

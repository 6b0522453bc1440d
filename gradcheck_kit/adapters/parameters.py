"""Where the parameters of a textbook layer live, and their gradients: on the layer itself or on layers inside it."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, MutableSequence
from dataclasses import dataclass, replace
from typing import Any

from gradcheck_kit.adapters.held import held_by
from gradcheck_kit.space import Array, Library
from gradcheck_kit.subject import UsageError

SPELLINGS = ("d{}", "grad_{}", "{}_grad", "d_{}")  # the gradient of W beside it, as textbooks write it
HOLDS = ("data", "value")  # what an object that has a `grad` calls its array
DEEPEST = 4  # layers inside layers

Step = tuple[str, Any]
"""An attribute (".", name) or an item ("[]", key)."""
Path = tuple[Step, ...]
"""From a layer to an object inside it."""


def spelled(path: Path) -> str:
    """As one would write it after the layer: "layers[0]", "encoder.first"."""
    text = "".join(f".{key}" if kind == "." else f"[{key!r}]" for kind, key in path)
    return text.removeprefix(".")


@dataclass(frozen=True)
class Place:
    """Where an array lives: an attribute, or an entry of an attribute that is a dict or a list, on an owner inside.

    Attributes:
        container: the attribute that holds the dict or list; None where the array is an attribute itself.
        key: in the container, or the attribute's name, or the key where the owner is itself a dict or a list.
        path: from the layer to the owner.
    """

    container: str | None
    key: Any
    path: Path = ()

    @property
    def name(self) -> str:
        """What the parameter is called: by its key, after the way to its owner."""
        own = f"{self.container or ''}[{self.key}]" if isinstance(self.key, int) else str(self.key)
        return f"{spelled(self.path)}{'' if own[0] == '[' else '.'}{own}" if self.path else own

    @property
    def written(self) -> tuple[str | None, Any]:
        """The container and the key as one would write them after the layer."""
        if not self.path:
            return self.container, self.key
        way = spelled(self.path)
        return (None, f"{way}.{self.key}") if self.container is None else (f"{way}.{self.container}", self.key)

    @property
    def attribute(self) -> Any:
        """What on the owner holds the array, or the dict or list with it."""
        return self.key if self.container is None else self.container

    def under(self, name: str) -> "Place":
        """The same place in another attribute."""
        return replace(self, key=name) if self.container is None else replace(self, container=name)

    def read(self, layer: Any) -> Any:
        owner = _followed(layer, self.path)
        return _entry(owner if self.container is None else getattr(owner, self.container, None), self.key)

    def write(self, layer: Any, value: Array, library: Library, title: str, name: str) -> None:
        """In place where possible, since other attributes may be views of the same array; else by assignment.

        Raises:
            UsageError: it cannot be set.
        """
        present = self.read(layer)
        if library.identical(present, value):
            return
        try:
            overwrite(present, value, library)
        except (ValueError, TypeError):  # read-only, or a plain number
            self._assign(layer, value)
        if not library.identical(self.read(layer), value):
            self._assign_or_leave(layer, value)
        if not library.identical(self.read(layer), value):
            raise UsageError(
                f"{title}: setting the parameter {name} has no effect (it reads back unchanged); "
                "keep parameters as arrays in `params`, or pass functions with vjp="
            )

    def _assign_or_leave(self, layer: Any, value: Array) -> None:
        """A property may hand out a new array each time, and take one by assignment."""
        if self.container is None and isinstance(getattr(type(_followed(layer, self.path)), self.key, None), property):
            try:
                self._assign(layer, value)
            except AttributeError:
                return  # it has no setter: what reads back is judged by the caller

    def _assign(self, layer: Any, value: Array) -> None:
        owner = _followed(layer, self.path)
        held = owner if self.container is None else getattr(owner, self.container)
        if isinstance(held, MutableMapping | MutableSequence):
            held[self.key] = value
        elif self.container is None:
            setattr(owner, self.key, value)


def overwrite(array: Array, values: Array, library: Library) -> None:
    """In place; a tensor that requires a gradient through its detached twin, on the same memory."""
    (array.detach() if library.name == "torch" else array)[...] = values


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
            return self.gradients[0][0].read(layer)
        found: list[Any] = []
        for place, transposed in self.gradients:
            value = place.read(layer)
            if value is None or any(value is other or library.overlap(value, other) for other in found):
                continue
            found.append(value.T if transposed else value)
        total, *others = found or [None]
        for value in others:
            total = total + value
        return total


def declared(owner: Any, path: Path = ()) -> list[tuple[Place, Place]] | None:
    """The parameters and gradients in `params` and `grads`; None where there is no such declaration.

    `grads` may be made by the first backward only; a gradient that never appears counts as missing. `params` that are
    objects with an array and its `grad` are found as what they are.
    """
    params, grads = getattr(owner, "params", None), getattr(owner, "grads", None)
    if isinstance(params, Mapping) and isinstance(grads, Mapping | None):
        keys: list[Any] = list(params)
    elif isinstance(params, list | tuple) and isinstance(grads, list | tuple | None):
        keys = list(range(len(params)))
    else:
        return None
    if any(_is_parameter(held) for held in (params.values() if isinstance(params, Mapping) else params)):
        return None
    return [(Place("params", key, path), Place("grads", key, path)) for key in keys]


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
        items: list[tuple[Path, Any]] = [((), value)]
        if isinstance(value, Mapping):
            items = [((("[]", key),), item) for key, item in value.items()]
        elif isinstance(value, list | tuple):
            items = [((("[]", i),), item) for i, item in enumerate(value)]
        for steps, item in items:
            if _is_layer(item) or _is_parameter(item):
                yield ((".", name), *steps), item


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
            found |= {Place(name, key, path): item for key, item in _items(value) if library.owns(item)}
            for key, inner in _items(value):
                if isinstance(inner, Mapping | list | tuple):
                    way: Path = (*path, (".", name), ("[]", key))
                    found |= {Place(None, k, way): item for k, item in _items(inner) if library.owns(item)}
    return found


def gradient_place(place: Place, owner: Any) -> Place | None:
    """Where an owner's array has its gradient: beside it, or under the same key of the container's."""
    there = {*held_by(owner), *_properties(owner)}
    return next((place.under(beside) for beside in _spellings(place.attribute) if beside in there), None)


def is_gradient(place: Place, among: Iterable[Place]) -> bool:
    """Whether a place is spelled as that of the gradient of another one."""
    return any(place == other.under(name) for other in among for name in _spellings(other.attribute))


def _items(container: Any) -> list[tuple[Any, Any]]:
    return list(container.items() if isinstance(container, Mapping) else enumerate(container))


def _entry(owner: Any, key: Any) -> Any:
    if isinstance(owner, Mapping):
        return owner.get(key)
    if isinstance(owner, list | tuple):
        return owner[key] if key < len(owner) else None
    return getattr(owner, key, None)


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


def _spellings(name: Any) -> list[str]:
    """What the gradient of an attribute may be called; the key of a list is no name."""
    return [form.format(name) for form in SPELLINGS] + ["grad"] * (name in HOLDS) if isinstance(name, str) else []


def _properties(owner: Any) -> list[str]:
    """The public properties of its class."""
    classes = type(owner).__mro__
    return [n for c in classes for n, v in vars(c).items() if isinstance(v, property) and not n.startswith("_")]


def _followed(layer: Any, path: Path) -> Any:
    for kind, key in path:
        layer = getattr(layer, key) if kind == "." else layer[key]
    return layer

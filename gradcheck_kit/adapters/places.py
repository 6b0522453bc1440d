"""A place of an array in a layer: how it is named, read and written."""

from collections.abc import Mapping, MutableMapping, MutableSequence
from dataclasses import dataclass, replace
from typing import Any

from gradcheck_kit.space import Array, Library
from gradcheck_kit.subject import UsageError

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
        try:
            owner = _followed(layer, self.path)
        except (AttributeError, KeyError, IndexError, TypeError):
            return None  # not made yet, as `grads` before the first backward
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


def _entry(owner: Any, key: Any) -> Any:
    if isinstance(owner, Mapping):
        return owner.get(key)
    if isinstance(owner, list | tuple):
        return owner[key] if key < len(owner) else None
    return getattr(owner, key, None)


def _followed(layer: Any, path: Path) -> Any:
    for kind, key in path:
        layer = getattr(layer, key) if kind == "." else layer[key]
    return layer

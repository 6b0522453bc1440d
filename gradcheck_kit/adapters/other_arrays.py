"""Arrays that a layer reaches in other ways than its parameters: in nested containers and in objects of any kind."""

from collections import deque
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from gradcheck_kit.adapters.held import held_by
from gradcheck_kit.adapters.parameters import DEEPEST, items_of, of_numbers
from gradcheck_kit.adapters.places import Path, Place
from gradcheck_kit.space import Array, Library


def reached(layer: Any, library: Library) -> dict[Place, Array]:
    """The arrays in attributes, dicts, lists and tuples, and in those of the objects there; each array once."""
    found, seen = dict[Place, Array](), set[int]()
    waiting = deque[tuple[Path, Any]]([((), layer)])
    while waiting:
        path, owner = waiting.popleft()
        if id(owner) in seen or of_numbers(owner):
            continue
        seen.add(id(owner))
        if library.owns(owner):
            found[Place(None, path[-1][1], path[:-1])] = owner
        elif len(path) < 2 * DEEPEST:
            waiting += [((*path, step), item) for step, item in _entries(owner)]
    return found


def _entries(owner: Any) -> Iterator[tuple[tuple[str, Any], Any]]:
    if isinstance(owner, Mapping | list | tuple):
        yield from ((("[]", key), item) for key, item in items_of(owner))
    elif not isinstance(owner, type | ModuleType):
        yield from (((".", name), item) for name, item in held_by(owner).items())

"""Gradients under other names than the usual ones: taken for such where the backward is seen to write them."""

from collections.abc import Mapping, Sequence
from typing import Any

from gradcheck_kit.adapters.gradient_names import is_gradient, is_place_of_gradient
from gradcheck_kit.adapters.parameters import held_arrays
from gradcheck_kit.adapters.places import Path, Place
from gradcheck_kit.space import Array, Library


class OtherNames:
    """What was where gradients may be, before a backward, and what that has made of it."""

    def __init__(
        self,
        layer: Any,
        library: Library,
        owners: Sequence[tuple[Path, Any]],
        arrays: Mapping[Path, Sequence[Place]],
    ) -> None:
        """Note what is there now.

        Args:
            layer: that the places start from.
            owners: where arrays are looked for.
            arrays: those whose gradients are looked for, by the way to their owner.
        """
        self._layer, self._library, self._owners = layer, library, dict(owners)
        self._before: dict[Place, tuple[Array, Array]] = {}
        self._written: dict[Path, list[Place]] = {path: [] for path, _ in owners}
        self._forms: dict[Place, tuple[tuple[int, ...], str]] = {}
        self._shapes_pulled: list[tuple[int, ...]] = []
        for path, owner in owners:
            for place, array in held_arrays(owner, path, library).items():
                if is_gradient(place.key) or any(is_place_of_gradient(place, other) for other in arrays[path]):
                    self._before[place] = array, library.copy(array)

    def pulled(self, pulled: Sequence[Array]) -> None:
        """Note what the backward has written; `pulled` are its cotangents, and what it returned.

        What it returned is the gradient of an input, whatever it is called where it is kept.
        """
        self._shapes_pulled = [self._library.shape(array) for array in pulled]
        held = {path: held_arrays(owner, path, self._library) for path, owner in self._owners.items()}
        for path, arrays in held.items():
            self._written[path] = [
                place
                for place, array in arrays.items()
                if self._is_new(place, array) and all(array is not other for other in pulled)
            ]
            self._forms |= {place: (self._library.shape(a), self._library.dtype(a)) for place, a in arrays.items()}

    def gradients(self, path: Path, alone: Sequence[Place]) -> dict[Place, Place]:
        """For those arrays of an owner that have one for certain, the place of their gradient.

        One is certain if it is called so, has the shape, is new after the backward, and nothing else is all of this. A
        bare `grad` may be that of a lone array, unless the cotangent or the gradient of an input has its shape.

        Args:
            path: the way to the owner.
            alone: its arrays that the forward reads and that have no gradient under a usual name.
        """
        written = [place for place in self._written[path] if place not in alone]
        claims = {array: [g for g in written if is_place_of_gradient(g, array)] for array in alone}
        if len(alone) == 1:
            bare = [place for place in written if is_gradient(place.key) and place.container is None]
            own = [place for place in bare if self._forms[place][0] not in self._shapes_pulled]
            claims[alone[0]] += [place for place in own if place not in claims[alone[0]]]
        fitting = {a: [g for g in found if self._forms[g] == self._forms[a]] for a, found in claims.items()}
        every = [place for found in fitting.values() for place in found]
        return {array: found[0] for array, found in fitting.items() if len(found) == 1 and every.count(found[0]) == 1}

    def _is_new(self, place: Place, array: Array) -> bool:
        if place not in self._before:
            return True
        held, numbers = self._before[place]
        return array is not held or not self._library.identical(array, numbers)

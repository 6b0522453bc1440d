"""Which parameters a textbook layer has, asked of a copy that is thrown away: asking runs it and leaves traces."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gradcheck_kit.adapters.held import held_by
from gradcheck_kit.adapters.layer_twin import Twin
from gradcheck_kit.adapters.other_arrays import reached
from gradcheck_kit.adapters.other_names import OtherNames
from gradcheck_kit.adapters.parameters import (
    Parameter,
    declared,
    gradient_place,
    gradients_of,
    held_arrays,
    layers_inside,
)
from gradcheck_kit.adapters.places import Path, Place
from gradcheck_kit.space import FORMATS, Array, copies_of
from gradcheck_kit.subject import UsageError

Pair = tuple[Place, Place]
"""The places of an array and of its gradient."""


class ParameterSearch:
    """The parameters of a layer.

    Attributes:
        parameters: by the name they are checked under.
        unpaired: arrays that the forward reads and that have no gradient beside them.
    """

    def __init__(self, twin: Twin) -> None:
        """Run the twin's layer forward and, where its parameters show only then, backward.

        Raises:
            UsageError: two parameters share memory and are neither equal nor one the other's transpose.
        """
        self._twin, self._layer, self._library = twin, twin.layer, twin.library
        self.parameters: dict[str, Parameter] = {}
        self.unpaired: tuple[str, ...] = ()
        self._find()

    def _find(self) -> None:
        """Declared ones, and pairs, which show only after a backward; of the layers inside as well."""
        own = declared(self._layer, is_read=self._is_read)
        if own:
            self._add_all(own)
            return
        elsewhere = reached(self._layer, self._library)
        at_first = {place for path, owner in layers_inside(self._layer) for place in self._arrays(owner, path)}
        self._forward()  # which may make them
        own = declared(self._layer, is_read=self._is_read)
        if own is not None:
            self._add_all(own)
            return
        inside = [(path, owner, declared(owner, path, self._is_read)) for path, owner in layers_inside(self._layer)]
        undeclared = [(path, owner) for path, owner, places in inside if places is None]
        known = [gradient for _, _, places in inside for _, gradient in places or []]
        spelled = [(p, gradient_place(p, o)) for path, o in undeclared if path for p in self._arrays(o, path)]
        before = {gradient: self._copied(gradient) for gradient in (*known, *(g for _, g in spelled if g is not None))}
        pairs = self._pairs(undeclared, run=bool(known))
        for path, _, places in inside:
            found = [p for p in pairs.get(path, []) if self._is_sure(p[0], at_first)] if places is None else places
            self._add_all([pair for pair in found if not self._stands_apart(*pair, before.get(pair[1]))])
        self.unpaired += tuple(self._untold(elsewhere))

    def _untold(self, elsewhere: dict[Place, Array]) -> Iterator[str]:
        """Arrays that the forward reads, in places where no parameters are looked for; none of them is checked."""
        looked_at = [a for path, owner in layers_inside(self._layer) for a in self._arrays(owner, path).values()]
        known = {id(array) for array in looked_at}
        for place, array in elsewhere.items():
            if id(array) not in known and place.read(self._layer) is array and self._is_read_alone(place):
                yield place.name

    def _forward(self) -> dict[str, Array]:
        return self._twin.forward(self._twin.inputs())

    def _arrays(self, owner: Any, path: Path) -> dict[Place, Array]:
        return held_arrays(owner, path, self._library)

    def _is_sure(self, array: Place, at_first: Iterable[Place]) -> bool:
        """An attribute that was there from the first is a parameter; of others it has to be seen that they are read,
        since buffers are made by the first forward and kept in lists, too."""
        return (array in at_first and array.container is None and not array.path) or self._is_read(array)

    def _copied(self, place: Place) -> Array | None:
        value = place.read(self._layer)
        return self._library.copy(value) if self._library.owns(value) else None

    def _stands_apart(self, array: Place, gradient: Place, before: Array | None) -> bool:
        """Whether a layer inside is only referred to: its gradient is an old one, and its parameter changes nothing."""
        if before is None or not self._library.identical(before, gradient.read(self._layer)):
            return False
        if not bool((self._library.vector(before) != 0).any()):
            return False
        value = self._copied(array)
        return value is not None and not self._moves_outputs(array, value)

    def _moves_outputs(self, array: Place, value: Array) -> bool:
        """Whether the forward reads this array, of this value: other numbers there give other outputs."""
        library, title = self._library, self._twin.title
        outputs = copies_of(library, self._forward())  # may be that very array
        array.write(self._layer, library.moved(value, value + 1.0, 0.5), library, title, array.name)
        try:
            moved = self._forward()
        finally:
            array.write(self._layer, value, library, title, array.name)
        return not all(library.identical(outputs[name], moved[name]) for name in outputs)

    def _is_read(self, array: Place) -> bool:
        """Whether the forward reads an array; not known of one that cannot be moved."""
        value = self._copied(array)
        if value is None or self._library.dtype(value) not in FORMATS:
            return False
        try:
            return self._moves_outputs(array, value)
        except Exception:  # the user's own code at numbers that it does not expect, or a property that takes none
            return False

    def _is_read_alone(self, array: Place) -> bool:
        """The same without a gradient; a plain number is a setting, and put back as an array it would widen others."""
        return self._library.shape(array.read(self._layer)) != () and self._is_read(array)

    def _add_all(self, found: Sequence[Pair]) -> None:
        for array, gradient in found:
            value = array.read(self._layer)
            if self._library.owns(value) and self._library.dtype(value) in FORMATS and not self._tied(array, gradient):
                name = array.name
                unique = f"param.{name}" if name in self._twin.arguments.names else name
                self.parameters[unique] = Parameter(array, ((gradient, False),))

    def _tied(self, array: Place, gradient: Place) -> bool:
        """Whether this is a parameter that was found before, in another place; its gradient is then a part more."""
        value = array.read(self._layer)
        for name, earlier in self.parameters.items():
            held = earlier.place.read(self._layer)
            turned = _same_array(value, held)
            if turned is not None:
                self.parameters[name] = Parameter(earlier.place, (*earlier.gradients, (gradient, turned)))
                return True
            if self._library.name == "numpy" and self._library.overlap(value, held):
                raise UsageError(
                    f"{self._twin.title}: the parameters {name} and {array.name} share a part of their memory, so that "
                    "neither has a gradient of its own; keep one array, and use views of it in the forward"
                )
        return False

    def _pairs(self, owners: Sequence[tuple[Path, Any]], run: bool) -> dict[Path, list[Pair]]:
        """Float arrays with a gradient beside them that the forward does not replace (else they are its caches)."""
        before = {path: self._arrays(owner, path) for path, owner in owners}
        outputs = self._forward()
        kept: dict[Path, list[Place]] = {}
        standing = {id(owner) for _, owner in layers_inside(self._layer)}  # others were made by the forward before
        for path, owner in owners:
            after = self._arrays(owner, path) if id(owner) in standing else {}
            places = [p for p, array in before[path].items() if self._kept(owner, p, array, after.get(p))]
            gradients = gradients_of(places)
            kept[path] = [place for place in places if place not in gradients]
        otherwise = OtherNames(self._layer, self._library, owners, kept)
        if run or any(kept.values()):
            otherwise.pulled(self._twin.pulled_by_ones(outputs))
        beside = {path: {place: gradient_place(place, owner) for place in kept[path]} for path, owner in owners}
        for path, found in beside.items():
            alone = [p for p, gradient in found.items() if gradient is None and self._is_read_alone(p)]
            found.update(otherwise.gradients(path, alone))
            self.unpaired += tuple(place.name for place in alone if found[place] is None)
        return {
            path: [(place, gradient) for place, gradient in found.items() if gradient is not None]
            for path, found in beside.items()
        }

    def _kept(self, owner: Any, place: Place, array: Array, again: Any) -> bool:
        """Still the same array; a property may hand out a new one of the same numbers each time."""
        if again is array or again is None:
            return again is array
        is_property = place.container is None and place.key not in held_by(owner)
        return is_property and self._library.identical(array, again)


def _same_array(one: Any, other: Any) -> bool | None:
    """False where both are the same memory in the same order, True in the transposed one, None where they are not."""
    if one is other:
        return False
    memory, held = (getattr(array, "__array_interface__", None) for array in (one, other))
    if memory is None or held is None or one.size == 0 or memory["data"] != held["data"] or one.dtype != other.dtype:
        return None
    if (one.shape, one.strides) == (other.shape, other.strides):
        return False
    return True if (one.shape, one.strides) == (other.shape[::-1], other.strides[::-1]) else None

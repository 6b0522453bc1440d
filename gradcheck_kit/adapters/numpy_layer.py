"""The textbook layer: `forward(*inputs)`, `backward(cotangent)`, parameters with their gradients beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradcheck_kit.adapters.gradients import expect_backward, matched_gradients
from gradcheck_kit.adapters.held import held_by
from gradcheck_kit.adapters.libraries import library_of, randomness_of
from gradcheck_kit.adapters.parameters import Path, Place, arrays_of, declared, gradient_of, is_gradient, layers_inside
from gradcheck_kit.adapters.private_copy import private_copy
from gradcheck_kit.adapters.randomness import FrozenRandomness
from gradcheck_kit.adapters.sharing import shared_memory
from gradcheck_kit.adapters.signature import (
    Arguments,
    Structure,
    expect_outputs,
    given_names,
    named_arguments,
    named_outputs,
)
from gradcheck_kit.space import FORMATS, Array, Arrays, Library
from gradcheck_kit.subject import ForwardMode, Origin, Shared, Subject, UsageError

BESIDE = "; the gradient of a parameter W stands beside it, as self.dW or in self.grads"


def subject_of(
    layer: Any,
    inputs: Sequence[Any],
    *,
    names: Sequence[str] | None = None,
    name: str | None = None,
    batch: Sequence[str] = (),
) -> Subject:
    """The subject of a layer at its inputs and its present parameters.

    The layer itself is never called or changed: everything runs on a deep copy. Parameters are found as
    `params`/`grads` (dicts, or lists in the same order), or as pairs of attributes, slots or properties `W` and `dW`
    (or `grad_W`, `W_grad`); where the layer declares none, those of layers in its attributes, lists and dicts are found
    as well, as `layers[0].W`. They join the inputs under their own names (`param.W` where an input has that name).

    Args:
        layer: an object with `forward(*inputs)` and `backward(cotangent)`. A method `zero_grad()` is called before
            each backward, which may then add to the gradients that it holds. A method `jvp(*tangents)`, called after
            the forward with one tangent for every differentiable input, is checked too.
        inputs: NumPy arrays (or Python floats); integer and boolean ones are held fixed.
        names: names for the inputs, by default those of the forward's signature.
        name: what messages call the subject, by default the layer's class.
        batch: the inputs whose first axis is the batch; by default the forward is asked.

    Raises:
        UsageError: the layer cannot be copied, its parameters cannot be set, its backward does not take one cotangent,
            or an input is of no usable kind.
    """
    title = name or type(layer).__name__
    library = library_of(inputs)
    arguments = named_arguments(title, layer.forward, inputs, names, library)
    expect_backward(title, layer.backward)
    randomness = randomness_of(library, inputs)
    twin = _Twin(title, library, _copied(layer, title), arguments, randomness)
    randomness.adopt(twin.layer)
    with randomness.session():
        twin.find_parameters()
    point = {**arguments.arrays, **twin.parameters()}
    differentiable = tuple(name for name, array in point.items() if library.dtype(array) in FORMATS)
    wide = twin
    if any(library.dtype(point[name]) != "float64" for name in differentiable):
        wide = _Twin(title, library, _copied(layer, title, float64=True), arguments, randomness)
        wide.places = twin.places
        randomness.adopt(wide.layer)
    return Subject(
        title,
        library,
        point,
        differentiable,
        twin.forward,
        twin.pullback,
        reference=wide.forward,
        reference_pullback=wide.pullback,
        call=arguments.names,
        parameters=tuple(twin.places),
        positional=arguments.placed,
        session=randomness.session,
        sharing=twin.sharing,
        unpaired=twin.unpaired,
        forward_mode=_forward_mode(twin),
        batch=tuple(batch),
        origin=Origin(
            "layer",
            layer,
            names=given_names(names),
            constants=arguments.constants,
            places={name: place.written for name, (place, _) in twin.places.items()},
        ),
    )


def _forward_mode(twin: "_Twin") -> ForwardMode | None:
    """Of a layer that has a method `jvp`: its inputs move, its parameters stand still."""
    if not callable(getattr(twin.layer, "jvp", None)):
        return None
    return ForwardMode(tuple(twin.arguments.differentiable(twin.library)), twin.pushforward)


def _copied(layer: Any, title: str, *, float64: bool = False) -> Any:
    try:
        return private_copy(layer, float64=float64)
    except Exception as error:
        raise UsageError(
            f"{title} cannot be deep-copied ({type(error).__name__}: {error}), and the original is not to be touched; "
            "pass functions, of which the vjp runs the forward that it needs, and the inputs are checked: "
            "gk.check(layer.forward, *inputs, vjp=lambda u, *x: (layer.forward(*x), layer.backward(u))[1])"
        ) from error


@dataclass
class _Twin:
    """The private copy of a layer, and where its parameters live: name → (the place of the array, of its gradient)."""

    title: str
    library: Library
    layer: Any
    arguments: Arguments
    randomness: FrozenRandomness

    def __post_init__(self) -> None:
        self.places: dict[str, tuple[Place, Place]] = {}
        self.unpaired: tuple[str, ...] = ()

    def find_parameters(self) -> None:
        """Declared ones, and attribute pairs, which show only after a backward; of the layers inside as well."""
        own = declared(self.layer)
        if own is not None:
            self._add_all(own)
            return
        inside = [(path, owner, declared(owner, path)) for path, owner in layers_inside(self.layer)]
        undeclared = [(path, owner) for path, owner, places in inside if places is None]
        known = [gradient for _, _, places in inside for _, gradient in places or []]
        spelled = [(path, gradient_of(n, owner)) for path, owner in undeclared for n in arrays_of(owner, self.library)]
        paired = [Place(None, name, path) for path, name in spelled if path and name is not None]
        before = {gradient: self._copied(gradient) for gradient in (*known, *paired)}
        pairs = self._attribute_pairs(undeclared, run=bool(known))
        for path, _, places in inside:
            found = pairs.get(path, []) if places is None else places
            self._add_all([pair for pair in found if not self._stands_apart(*pair, before.get(pair[1]))])

    def _copied(self, place: Place) -> Array | None:
        value = place.read(self.layer)
        return self.library.copy(value) if self.library.owns(value) else None

    def _stands_apart(self, array: Place, gradient: Place, before: Array | None) -> bool:
        """Whether a layer inside is only referred to: its gradient is an old one, and its parameter changes nothing."""
        if before is None or not self.library.identical(before, gradient.read(self.layer)):
            return False
        if not bool((self.library.vector(before) != 0).any()):
            return False
        value = self._copied(array)
        return value is not None and not self._moves_outputs(array, value)

    def _moves_outputs(self, array: Place, value: Array) -> bool:
        """Whether the forward reads this array, of this value: other numbers there give other outputs."""
        outputs = self.forward(self.arguments.arrays)
        array.write(self.layer, self.library.moved(value, value + 1.0, 0.5), self.library, self.title, array.name)
        try:
            moved = self.forward(self.arguments.arrays)
        finally:
            array.write(self.layer, value, self.library, self.title, array.name)
        return not all(self.library.identical(outputs[name], moved[name]) for name in outputs)

    def _read_alone(self, array: Place) -> bool:
        """Whether this array without a gradient is read all the same; not known of one that cannot be moved."""
        value = self._copied(array)
        if value is None or self.library.dtype(value) not in FORMATS or self.library.shape(value) == ():
            return False  # a plain number is a setting; put back as an array it would widen what it meets
        try:
            return self._moves_outputs(array, value)
        except Exception:  # the user's own code at numbers that it does not expect, or a property that takes none
            return False

    def _add_all(self, found: Sequence[tuple[Place, Place]]) -> None:
        for array, gradient in found:
            value = array.read(self.layer)
            if self.library.owns(value) and self.library.dtype(value) in FORMATS:
                name = array.name
                self.places[f"param.{name}" if name in self.arguments.names else name] = (array, gradient)

    def _attribute_pairs(self, owners: Sequence[tuple[Path, Any]], run: bool) -> dict[Path, list[tuple[Place, Place]]]:
        """Float arrays `W` with a `dW` beside them that the forward does not replace (else they are its caches)."""
        before = {path: arrays_of(owner, self.library) for path, owner in owners}
        outputs = self.forward(self.arguments.arrays)
        kept: dict[Path, list[str]] = {}
        for path, owner in owners:
            after = arrays_of(owner, self.library)
            names = {n: after[n] for n, array in before[path].items() if self._kept(owner, n, array, after.get(n))}
            kept[path] = [name for name in names if not is_gradient(name, names)]
        if run or any(kept.values()):
            ones = {name: self.library.copy(output) for name, output in outputs.items()}
            with self.randomness.replayed("backward"):
                self.layer.backward(self._structure.packed(ones))
        beside = {path: {name: gradient_of(name, owner) for name in kept[path]} for path, owner in owners}
        alone = [Place(None, n, path) for path, found in beside.items() for n, pair in found.items() if pair is None]
        self.unpaired = tuple(place.name for place in alone if self._read_alone(place))
        return {
            path: [(Place(None, n, path), Place(None, gradient, path)) for n, gradient in found.items() if gradient]
            for path, found in beside.items()
        }

    def _kept(self, owner: Any, name: str, array: Array, again: Any) -> bool:
        """Still the same array; a property may hand out a new one of the same numbers each time."""
        if again is array or again is None:
            return again is array
        return name not in held_by(owner) and self.library.identical(array, again)

    def parameters(self) -> dict[str, Array]:
        return {name: self.library.copy(place.read(self.layer)) for name, (place, _) in self.places.items()}

    def forward(self, point: Arrays) -> dict[str, Array]:
        for name, (place, _) in self.places.items():
            if name in point:
                place.write(self.layer, point[name], self.library, self.title, name)
        with self.randomness.replayed("forward"):
            returned = self.layer.forward(*self.arguments.placed(point))
        self._structure = Structure.of(returned)
        return named_outputs(self.library, returned)

    def pullback(self, point: Arrays, cotangents: Arrays) -> dict[str, Array | None]:
        # The layer may overwrite its own arrays in the next call.
        gradients = self._returned(point, cotangents)
        return {name: None if g is None else self.library.copy(g) for name, g in gradients.items()}

    def sharing(self, point: Arrays, cotangents: Arrays) -> list[Shared]:
        """Which gradients share memory with what."""
        gradients = self._returned(point, cotangents)
        inputs = {name: point[name] for name in self.arguments.differentiable(self.library)}
        parameters = {name: place.read(self.layer) for name, (place, _) in self.places.items()}
        return shared_memory(self.library, gradients, inputs, parameters, cotangents)

    def pushforward(self, point: Arrays, tangents: Arrays) -> dict[str, Array]:
        """The layer's own `jvp(*tangents)`, one tangent for every input; zeros where an input stands still."""
        self.forward(point)
        moving = {n: tangents.get(n, self._zeros(point[n])) for n in self.arguments.differentiable(self.library)}
        given = [moving[name] for name in self.arguments.names if name in moving]
        with self.randomness.replayed("jvp"):
            return named_outputs(self.library, self.layer.jvp(*given))

    def _zeros(self, like: Array) -> Array:
        return self.library.shaped(0.0 * self.library.vector(like), like)

    def _returned(self, point: Arrays, cotangents: Arrays) -> dict[str, Array | None]:
        self._zero_grad()
        expect_outputs(self.title, self.library, self.forward(point), cotangents)
        with self.randomness.replayed("backward"):
            returned = self.layer.backward(self._structure.packed(cotangents))
        inputs = self.arguments.differentiable(self.library)
        gradients = matched_gradients(self.title, self.library, returned, self.arguments.names, inputs, BESIDE)
        for name, (_, place) in self.places.items():
            gradients[name] = place.read(self.layer)
        return gradients

    def _zero_grad(self) -> None:
        """As a training step begins: a layer that has this method may add to the gradients that it holds."""
        if callable(getattr(self.layer, "zero_grad", None)):
            self.layer.zero_grad()

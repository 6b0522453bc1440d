"""The textbook layer: `forward(*inputs)`, `backward(cotangent)`, parameters with their gradients beside them."""

from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any

from gradcheck_kit.adapters.libraries import library_of, randomness_of
from gradcheck_kit.adapters.private_copy import private_copy
from gradcheck_kit.adapters.randomness import FrozenRandomness
from gradcheck_kit.adapters.sharing import shared_memory
from gradcheck_kit.adapters.signature import (
    Arguments,
    Structure,
    expect_outputs,
    given_names,
    matched_gradients,
    named_arguments,
    named_outputs,
)
from gradcheck_kit.space import FORMATS, Array, Arrays, Library
from gradcheck_kit.subject import ForwardMode, Origin, Shared, Subject, UsageError


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
    `params`/`grads` (dicts, or lists in the same order), or as attribute pairs `W` and `dW`; they join the inputs
    under their own names (`param.W` where an input has that name).

    Args:
        layer: an object with `forward(*inputs)` and `backward(cotangent)`; a method `jvp(*tangents)`, called after the
            forward with one tangent for every differentiable input, is checked too.
        inputs: NumPy arrays (or Python floats); integer and boolean ones are held fixed.
        names: names for the inputs, by default those of the forward's signature.
        name: what messages call the subject, by default the layer's class.
        batch: the inputs whose first axis is the batch; by default the forward is asked.

    Raises:
        UsageError: the layer cannot be copied, its parameters cannot be set, or an input is of no usable kind.
    """
    title = name or type(layer).__name__
    library = library_of(inputs)
    arguments = named_arguments(title, layer.forward, inputs, names, library)
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
        forward_mode=_forward_mode(twin),
        batch=tuple(batch),
        origin=Origin(
            "layer",
            layer,
            names=given_names(names),
            constants=arguments.constants,
            places={name: (place.container, place.key) for name, (place, _) in twin.places.items()},
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
        self.places: dict[str, tuple[_Place, _Place]] = {}

    def find_parameters(self) -> None:
        """Declared ones first; else the attribute pairs, which show only after a backward has run."""
        params, grads = getattr(self.layer, "params", None), getattr(self.layer, "grads", None)
        # `grads` may be made by the first backward only; a gradient that never appears counts as missing.
        if isinstance(params, Mapping) and isinstance(grads, Mapping | None):
            pairs = [(str(key), key) for key in params]
        elif isinstance(params, list | tuple) and isinstance(grads, list | tuple | None):
            pairs = [(f"params[{i}]", i) for i in range(len(params))]
        else:
            for name in self._attribute_pairs():
                self._add(name, _Place(None, name), _Place(None, f"d{name}"))
            return
        for name, key in pairs:
            self._add(name, _Place("params", key), _Place("grads", key))

    def _add(self, name: str, array: "_Place", gradient: "_Place") -> None:
        value = array.read(self.layer)
        if self.library.owns(value) and self.library.dtype(value) in FORMATS:
            self.places[f"param.{name}" if name in self.arguments.names else name] = (array, gradient)

    def _attribute_pairs(self) -> list[str]:
        """Float arrays `W` with a `dW` beside them that the forward does not replace (else they are its caches)."""
        held = getattr(self.layer, "__dict__", {})
        before = {name: value for name, value in held.items() if self.library.owns(value)}
        outputs = self.forward(self.arguments.arrays)
        kept = [name for name, value in before.items() if held.get(name) is value]
        if any(not name.startswith("d") for name in kept):
            ones = {name: self.library.copy(output) for name, output in outputs.items()}
            with self.randomness.replayed("backward"):
                self.layer.backward(self._structure.packed(ones))
        return [name for name in kept if f"d{name}" in held]

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
        expect_outputs(self.title, self.library, self.forward(point), cotangents)
        with self.randomness.replayed("backward"):
            returned = self.layer.backward(self._structure.packed(cotangents))
        inputs = self.arguments.differentiable(self.library)
        gradients = matched_gradients(self.title, self.library, returned, self.arguments.names, inputs)
        for name, (_, place) in self.places.items():
            gradients[name] = place.read(self.layer)
        return gradients


@dataclass(frozen=True)
class _Place:
    """Where an array lives on a layer: an attribute, or an entry of an attribute that is a dict or a list."""

    container: str | None
    key: Any

    def read(self, layer: Any) -> Any:
        if self.container is None:
            return getattr(layer, self.key, None)
        held = getattr(layer, self.container, None)
        if isinstance(held, Mapping):
            return held.get(self.key)
        return held[self.key] if held is not None and self.key < len(held) else None

    def write(self, layer: Any, value: Array, library: Library, title: str, name: str) -> None:
        """In place where possible, since other attributes may be views of the same array; else by assignment."""
        present = self.read(layer)
        if library.identical(present, value):
            return
        try:
            # A tensor that requires a gradient is written to through its detached twin, on the same memory.
            (present.detach() if library.name == "torch" else present)[...] = value
        except (ValueError, TypeError):  # read-only, or a plain number
            self._assign(layer, value)
        if not library.identical(self.read(layer), value):
            raise UsageError(
                f"{title}: setting the parameter {name} has no effect (it reads back unchanged); "
                "keep parameters as arrays in `params`, or pass functions with vjp="
            )

    def _assign(self, layer: Any, value: Array) -> None:
        if self.container is None:
            setattr(layer, self.key, value)
            return
        held = getattr(layer, self.container)
        if isinstance(held, MutableMapping | MutableSequence):
            held[self.key] = value

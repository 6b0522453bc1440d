"""The textbook layer: `forward(*inputs)`, `backward(cotangent)`, parameters with their gradients beside them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from gradcheck_kit.adapters.held import shared_with_the_class
from gradcheck_kit.adapters.layer_twin import Twin
from gradcheck_kit.adapters.libraries import library_of, randomness_of
from gradcheck_kit.adapters.parameter_search import ParameterSearch
from gradcheck_kit.adapters.parameters import declared, held_arrays, layers_inside
from gradcheck_kit.adapters.places import Place, overwrite
from gradcheck_kit.adapters.private_copy import private_copy
from gradcheck_kit.adapters.signature import given_names, named_arguments
from gradcheck_kit.space import FORMATS
from gradcheck_kit.subject import ForwardMode, Origin, Subject, UsageError


def subject_of(
    layer: Any,
    inputs: Sequence[Any],
    *,
    names: Sequence[str] | None = None,
    name: str | None = None,
    batch: Sequence[str] = (),
) -> Subject:
    """The subject of a layer at its inputs and its present parameters.

    The layer itself is never called or changed: everything runs on deep copies. Parameters are found as
    `params`/`grads` (dicts, or lists in the same order), or as pairs of attributes, slots or properties `W` and `dW`
    (or `grad_W`, `W_grad`), arrays or lists and dicts of them, or as objects with an array `data` and its `grad`; other
    names (`gW`, `W_gradient`, `dw`) where the backward is seen to write there, and nothing else may be the gradient.
    Where the layer declares none, those of layers in its attributes, lists and dicts are found as well: `layers[0].W`.
    What the first forward makes counts. They join the inputs under their own names (`param.W` where an input has that
    name); an array in several places is one parameter, whose gradient is the sum of what stands there.

    Args:
        layer: an object with `forward(*inputs)` and `backward(cotangent)`, of several outputs one tuple, or with a
            parameter for each. A method `zero_grad()` is called before each backward, which may then add to the
            gradients that it holds. A method `jvp(*tangents)`, called after the forward with one tangent for every
            differentiable input, is checked too.
        inputs: NumPy arrays (or Python floats); integer and boolean ones are held fixed.
        names: names for the inputs, by default those of the forward's signature.
        name: what messages call the subject, by default the layer's class.
        batch: the inputs whose first axis is the batch; by default the forward is asked.

    Raises:
        UsageError: the layer cannot be copied, its parameters cannot be set or share a part of their memory, or an
            input is of no usable kind. In its pullback: the backward takes neither one cotangent nor one for each
            output.
    """
    title = name or type(layer).__name__
    library = library_of(inputs)
    arguments = named_arguments(title, layer.forward, inputs, names, library)
    randomness = randomness_of(library, inputs)
    asked, twin = (Twin(title, library, _copied(layer, title), arguments, randomness) for _ in range(2))
    randomness.adopt(asked.layer, twin.layer)
    with randomness.session(), _as_before(layer, asked):
        search = ParameterSearch(asked)
        twin.parameters = search.parameters
        point = {**arguments.arrays, **twin.values()}
    differentiable = tuple(name for name, array in point.items() if library.dtype(array) in FORMATS)
    wide = twin
    if any(library.dtype(point[name]) != "float64" for name in differentiable):
        wide = Twin(title, library, _copied(layer, title, float64=True), arguments, randomness, twin.parameters)
        randomness.adopt(wide.layer)

    @contextmanager
    def session() -> Iterator[None]:
        with randomness.session(), _as_before(layer, twin):
            yield

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
        parameters=tuple(twin.parameters),
        positional=arguments.placed,
        session=session,
        sharing=twin.sharing,
        unpaired=search.unpaired,
        forward_mode=_forward_mode(twin),
        batch=tuple(batch),
        origin=Origin(
            "layer",
            layer,
            names=given_names(names),
            constants=arguments.constants,
            places={name: parameter.place.written for name, parameter in twin.parameters.items()},
        ),
    )


def _forward_mode(twin: Twin) -> ForwardMode | None:
    """Of a layer that has a method `jvp`: its inputs move, its parameters stand still."""
    if not callable(getattr(twin.layer, "jvp", None)):
        return None
    return ForwardMode(tuple(twin.arguments.differentiable(twin.library)), twin.pushforward)


def _copied(layer: Any, title: str, *, float64: bool = False) -> Any:
    try:
        copied = private_copy(layer, float64=float64)
        if copied is layer:
            raise TypeError("its __deepcopy__ returns the layer itself")
    except Exception as error:
        raise UsageError(
            f"{title} cannot be deep-copied ({type(error).__name__}: {error}), and the original is not to be touched; "
            "pass functions, of which the vjp runs the forward that it needs, and the inputs are checked: "
            "gk.check(layer.forward, *inputs, vjp=lambda u, *x: (layer.forward(*x), layer.backward(u))[1])"
        ) from error
    for _, owner in layers_inside(copied):
        for name, value in shared_with_the_class(owner).items():
            with suppress(AttributeError):  # slots without it
                setattr(owner, name, private_copy(value, float64=float64))
    return copied


@contextmanager
def _as_before(layer: Any, twin: Twin) -> Iterator[None]:
    """Afterwards the arrays that the twin and the layer have in common, such as a module's, are as before."""
    library, places = twin.library, list[Place]()
    for path, owner in layers_inside(layer):
        places += [*held_arrays(owner, path, library), *(place for place, _ in declared(owner, path) or [])]
    pairs = [(place.read(layer), place.read(twin.layer)) for place in places]
    both = [(own, other) for own, other in pairs if library.owns(own) and library.owns(other)]
    held = [own for own, other in both if library.overlap(own, other)]
    numbers = [library.copy(array) for array in held]
    try:
        yield
    finally:
        for array, values in zip(held, numbers, strict=True):
            if not library.identical(array, values):
                overwrite(array, values, library)

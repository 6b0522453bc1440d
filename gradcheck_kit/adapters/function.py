"""A function and its hand-written VJP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gradcheck_kit.adapters.libraries import library_of, randomness_of
from gradcheck_kit.adapters.signature import Structure, expect_call, matched_gradients, named_arguments, named_outputs
from gradcheck_kit.space import Array, Arrays
from gradcheck_kit.subject import Subject, UsageError


def subject_of(
    forward: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    vjp: Callable[..., Any],
    names: Sequence[str] | None = None,
    name: str | None = None,
) -> Subject:
    """The subject of `forward(*inputs)` with `vjp(cotangent, *inputs)` → gradient or tuple of gradients.

    Args:
        forward: inputs → one array, a tuple of arrays, or a dict of arrays.
        inputs: NumPy arrays or torch tensors; integer and boolean ones are held fixed.
        vjp: is given the cotangent in the structure of the outputs, then the inputs.
        names: names for the inputs, by default those of the forward's signature.
        name: what messages call the subject.

    Raises:
        UsageError: `forward` or `vjp` is not callable, or an input is of no usable kind.
    """
    for argument, value in (("target", forward), ("vjp", vjp)):
        if not callable(value):
            raise UsageError(f"{argument} is a {type(value).__name__}; pass a function")
    title = name or str(getattr(forward, "__name__", type(forward).__name__))
    expect_call("vjp, called as vjp(cotangent, *inputs),", vjp, [None, *inputs])
    library = library_of(inputs)
    arguments = named_arguments(title, forward, inputs, names, library)
    differentiable = tuple(arguments.differentiable(library))
    randomness = randomness_of(library, inputs, (forward, vjp))
    latest = _Outputs(Structure(None), ())

    def returned_at(point: Arrays) -> Any:
        with randomness.replayed("forward"):
            return forward(*arguments.placed(point))

    def run(point: Arrays) -> dict[str, Array]:
        nonlocal latest
        returned = returned_at(point)
        outputs = named_outputs(library, returned)
        latest = _Outputs(Structure.of(returned), tuple(outputs))
        return outputs

    def pullback(point: Arrays, cotangents: Arrays) -> dict[str, Array | None]:
        latest.expect(title, cotangents)
        with randomness.replayed("vjp"):
            returned = vjp(latest.structure.packed(cotangents), *arguments.placed(point))
        return matched_gradients(title, library, returned, arguments.names, differentiable)

    return Subject(
        title,
        library,
        arguments.arrays,
        differentiable,
        run,
        pullback,
        reference=lambda point: named_outputs(library, returned_at(point)),
        reference_pullback=pullback,
        call=arguments.names,
        positional=arguments.placed,
        session=randomness.session,
    )


@dataclass(frozen=True)
class _Outputs:
    """How the latest forward returned its outputs, and the names of those that a cotangent goes back to."""

    structure: Structure
    names: tuple[str, ...]

    def expect(self, title: str, cotangents: Arrays) -> None:
        if self.names != tuple(cotangents):
            raise UsageError(
                f"{title}: the forward returned {', '.join(self.names) or 'nothing'} where it had returned "
                f"{', '.join(cotangents)}; return the same outputs every time"
            )

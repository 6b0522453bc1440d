"""A function and its hand-written VJP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gradcheck_kit.adapters.gradients import expect_vjp, matched_gradients
from gradcheck_kit.adapters.libraries import library_of, randomness_of
from gradcheck_kit.adapters.sharing import shared_memory
from gradcheck_kit.adapters.signature import (
    Structure,
    given_names,
    named_arguments,
    named_outputs,
    run_jvp,
)
from gradcheck_kit.space import Array, Arrays
from gradcheck_kit.subject import ForwardMode, Origin, Shared, Subject, UsageError


def subject_of(
    forward: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    vjp: Callable[..., Any],
    jvp: Callable[..., Any] | None = None,
    names: Sequence[str] | None = None,
    name: str | None = None,
    batch: Sequence[str] = (),
) -> Subject:
    """The subject of `forward(*inputs)` with `vjp(cotangent, *inputs)` → gradient or tuple of gradients.

    Args:
        forward: inputs → one array, a tuple of arrays, or a dict of arrays.
        inputs: NumPy arrays or torch tensors; integer and boolean ones are held fixed.
        vjp: is given the cotangent in the structure of the outputs, then the inputs.
        jvp: `jvp(tangents, *inputs)` → the outputs' tangents, in the structure of the outputs; `tangents` is a tuple of
            one for every input, None where it is no floating-point array.
        names: names for the inputs, by default those of the forward's signature.
        name: what messages call the subject.
        batch: the inputs whose first axis is the batch; by default the forward is asked.

    Raises:
        UsageError: `forward` or `vjp` is not callable, or an input is of no usable kind.
    """
    for argument, value in (("target", forward), ("vjp", vjp), ("jvp", jvp or vjp)):
        if not callable(value):
            raise UsageError(f"{argument} is a {type(value).__name__}; pass a function")
    title = name or str(getattr(forward, "__name__", type(forward).__name__))
    expect_vjp(vjp, inputs)
    library = library_of(inputs)
    arguments = named_arguments(title, forward, inputs, names, library)
    differentiable = tuple(arguments.differentiable(library))
    randomness = randomness_of(library, inputs, (forward, vjp))
    randomness.adopt(forward, vjp)
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
        with randomness.replayed("backward"):
            returned = vjp(latest.structure.packed(cotangents), *arguments.placed(point))
        return matched_gradients(title, library, returned, arguments.names, differentiable)

    def sharing(point: Arrays, cotangents: Arrays) -> list[Shared]:
        held = {name: point[name] for name in differentiable}
        return shared_memory(library, pullback(point, cotangents), held, {}, cotangents)

    def pushforward(point: Arrays, tangents: Arrays) -> dict[str, Array]:
        still = {
            n: library.shaped(0.0 * library.vector(point[n]), point[n]) for n in differentiable if n not in tangents
        }
        moving = {**still, **tangents}
        with randomness.replayed("jvp"):
            given = tuple(moving.get(n) for n in arguments.names)
            return named_outputs(library, run_jvp(jvp, given, *arguments.placed(point)))  # type: ignore[arg-type]

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
        sharing=sharing,
        forward_mode=None if jvp is None else ForwardMode(differentiable, pushforward),
        batch=tuple(batch),
        origin=Origin("function", forward, vjp, jvp, given_names(names), arguments.constants),
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

"""Which gradients, as a backward returned them, share memory with something that will be written to."""

from collections.abc import Iterator, Mapping

from gradcheck_kit.space import Array, Arrays, Library
from gradcheck_kit.subject import Shared


def shared_memory(
    library: Library, gradients: Mapping[str, Array | None], inputs: Arrays, parameters: Arrays, cotangents: Arrays
) -> list[Shared]:
    """Every pair of a gradient and an input, a parameter, a cotangent or another gradient that overlap in memory."""
    return list(_pairs(library, {n: g for n, g in gradients.items() if g is not None}, inputs, parameters, cotangents))


def _pairs(
    library: Library, gradients: Arrays, inputs: Arrays, parameters: Arrays, cotangents: Arrays
) -> Iterator[Shared]:
    for position, (name, gradient) in enumerate(gradients.items()):
        for kind, arrays in (("input", inputs), ("parameter", parameters), ("cotangent", cotangents)):
            for other, array in arrays.items():
                if library.overlap(gradient, array):
                    yield Shared(name, kind, other)
        for other in list(gradients)[:position]:
            if library.overlap(gradient, gradients[other]):
                yield Shared(name, "gradient", other)

"""A private copy of a textbook layer, run at any inputs and parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gradcheck_kit.adapters.gradients import given_to, matched_gradients
from gradcheck_kit.adapters.parameters import Parameter
from gradcheck_kit.adapters.randomness import FrozenRandomness
from gradcheck_kit.adapters.sharing import shared_memory
from gradcheck_kit.adapters.signature import Arguments, Structure, expect_outputs, named_outputs, run_jvp
from gradcheck_kit.space import Array, Arrays, Library, copies_of
from gradcheck_kit.subject import Shared

BESIDE = "; the gradient of a parameter W stands beside it, as self.dW or in self.grads"


@dataclass
class Twin:
    """The private copy of a layer.

    Attributes:
        title: what messages call the layer.
        library: of its arrays.
        layer: the copy.
        arguments: of its forward.
        randomness: what is replayed before each forward.
        parameters: where its parameters and their gradients are, by name.
    """

    title: str
    library: Library
    layer: Any
    arguments: Arguments
    randomness: FrozenRandomness
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def values(self) -> dict[str, Array]:
        """Copies of the parameters, before any forward but for those that the first one makes."""
        if any(parameter.place.read(self.layer) is None for parameter in self.parameters.values()):
            self.forward(self.inputs())
        return {name: self.library.copy(p.place.read(self.layer)) for name, p in self.parameters.items()}

    def inputs(self) -> dict[str, Array]:
        """Copies of the inputs: a forward may overwrite them."""
        return copies_of(self.library, self.arguments.arrays)

    def forward(self, point: Arrays) -> dict[str, Array]:
        """The outputs at these inputs and parameters; parameters that are left out stay as they are."""
        for name, parameter in self.parameters.items():
            if name in point:
                parameter.place.write(self.layer, point[name], self.library, self.title, name)
        with self.randomness.replayed("forward"):
            returned = self.layer.forward(*self.arguments.placed(point))
        self._structure = Structure.of(returned)
        return named_outputs(self.library, returned)

    def pulled_by_ones(self, outputs: Arrays) -> list[Array]:
        """Run the backward of the latest forward, of these outputs; the cotangents, and what it returned for inputs."""
        cotangents = copies_of(self.library, outputs)
        returned = self._backward(cotangents)
        entries = returned if isinstance(returned, list | tuple) else [returned]
        return [*cotangents.values(), *(entry for entry in entries if self.library.owns(entry))]

    def pullback(self, point: Arrays, cotangents: Arrays) -> dict[str, Array | None]:
        """The gradients of inputs and parameters there."""
        # The layer may overwrite its own arrays in the next call.
        gradients = self._returned(point, cotangents)
        return {name: None if g is None else self.library.copy(g) for name, g in gradients.items()}

    def sharing(self, point: Arrays, cotangents: Arrays) -> list[Shared]:
        """Which gradients share memory with what."""
        gradients = self._returned(point, cotangents)
        inputs = {name: point[name] for name in self.arguments.differentiable(self.library)}
        parameters = {name: parameter.place.read(self.layer) for name, parameter in self.parameters.items()}
        return shared_memory(self.library, gradients, inputs, parameters, cotangents)

    def pushforward(self, point: Arrays, tangents: Arrays) -> dict[str, Array]:
        """The layer's own `jvp(*tangents)`, one tangent for every input; zeros where an input stands still."""
        self.forward(point)
        moving = {n: tangents.get(n, self._zeros(point[n])) for n in self.arguments.differentiable(self.library)}
        given = [moving[name] for name in self.arguments.names if name in moving]
        with self.randomness.replayed("jvp"):
            return named_outputs(self.library, run_jvp(self.layer.jvp, *given))

    def _zeros(self, like: Array) -> Array:
        return self.library.shaped(0.0 * self.library.vector(like), like)

    def _returned(self, point: Arrays, cotangents: Arrays) -> dict[str, Array | None]:
        self._zero_grad()
        expect_outputs(self.title, self.library, self.forward(point), cotangents)
        returned = self._backward(cotangents)
        inputs = self.arguments.differentiable(self.library)
        gradients = matched_gradients(self.title, self.library, returned, self.arguments.names, inputs, BESIDE)
        return gradients | {n: p.gradient(self.layer, self.library) for n, p in self.parameters.items()}

    def _backward(self, cotangents: Arrays) -> Any:
        """What the layer's own backward returns for these, in the form of the forward's outputs."""
        with self.randomness.continued():
            backward = self.layer.backward
            return backward(*given_to(self.title, backward, self._structure.packed(cotangents)))

    def _zero_grad(self) -> None:
        """As a training step begins: a layer that has this method may add to the gradients that it holds."""
        if callable(getattr(self.layer, "zero_grad", None)):
            self.layer.zero_grad()

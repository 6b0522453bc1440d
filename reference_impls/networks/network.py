"""How do layers become a network? Forward walks them in order, backward in reverse."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeAlias

from reference_impls.layers import BCELoss, MSELoss, SoftmaxWithLoss
from reference_impls.layers.layer import Array
from reference_impls.networks.state import load_torch_state, torch_state
from reference_impls.networks.storage import read_arrays, write_arrays

Loss: TypeAlias = SoftmaxWithLoss | MSELoss | BCELoss


class ChainedLayer(Protocol):
    """What a network asks of a layer: one input, one output, and the protocol of ``Layer``."""

    params: dict[str, Array]
    grads: dict[str, Array]
    buffers: dict[str, Array]
    training: bool

    def forward(self, x: Array, /) -> Array:
        """Return the output."""

    def backward(self, cotangent: Array, /) -> Array:
        """Return the gradient of the input and fill ``grads``."""

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation."""


class Network:
    """A chain of layers and a loss on its output. By the chain rule, with layers f, g, h:

    ``out = h(g(f(x)))``, so ``dx = f'(g'(h'(cotangent)))``, where ' stands for a layer's backward.

    A network keeps the layers' protocol (``forward``, ``backward``, ``params``, ``grads``), so it can be
    checked as one of them. ``params`` and ``grads`` are plain dicts named "0.W", "0.b", "1.W", ...: the
    number counts the layers that have parameters. The arrays in ``params`` are the layers' own: update them in
    place, because putting another array into the dict leaves the layer with the old one. Every backward puts
    fresh arrays into ``grads``.
    """

    def __init__(self, layers: Sequence[ChainedLayer], loss_layer: Loss) -> None:
        self.layers = tuple(layers)
        self.grads: dict[str, Array] = {}
        self._with_params = [layer for layer in self.layers if layer.params]
        self.params = self._numbered([layer.params for layer in self._with_params])
        self._loss_layer = loss_layer
        self._latest: Literal["nothing", "forward", "loss"] = "nothing"

    @staticmethod
    def _numbered(of_layers: Sequence[dict[str, Array]]) -> dict[str, Array]:
        return {f"{i}.{name}": array for i, arrays in enumerate(of_layers) for name, array in arrays.items()}

    def train(self, mode: bool = True) -> Self:
        """Switch every layer to training, or for ``mode=False`` to evaluation; returns the network itself."""
        for layer in self.layers:
            layer.train(mode)
        return self

    def eval(self) -> Self:
        """Switch every layer to evaluation; returns the network itself."""
        return self.train(False)

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers under torch's names and in torch's layout.

        They are those of ``torch.nn.Sequential`` with one module for each of ``layers``: "0.weight", "0.bias",
        "2.weight", ..., where the number counts all layers, and the weight of an affine layer is (out, in).
        ``module.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})`` loads them.
        """
        return torch_state(self.layers)

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Copy ``state``, named and laid out as by ``state_dict``, into the network's own arrays.

        A pending backward is dropped. If this raises, nothing has changed.

        Raises:
            TypeError: an array is no float array of the parameter's dtype.
            ValueError: a name is missing or unknown, or a shape is another.
        """
        load_torch_state(type(self).__name__, self.layers, state)
        self._latest = "nothing"

    def save(self, path: str | Path) -> None:
        """Write ``state_dict()`` to a file ending in ".npz" or ".safetensors", without pickle.

        Raises:
            ModuleNotFoundError: ".safetensors" without the package of that name.
            ValueError: the path ends otherwise.
            OSError: the file cannot be written.
        """
        write_arrays(path, self.state_dict())

    def load(self, path: str | Path) -> None:
        """Load what ``save`` wrote, or what torch saved as safetensors; errors as ``save`` and ``load_state_dict``."""
        self.load_state_dict(read_arrays(path))

    def forward(self, x: Array) -> Array:
        """Return the last layer's output, for x of the shape that the first layer takes and the parameters' dtype.

        Raises:
            TypeError: x is no float array of the parameters' dtype.
            ValueError: x has another number of features than the first layer takes.
        """
        self._latest = "nothing"  # which stands if a layer raises
        for layer in self.layers:
            x = layer.forward(x)
        self._latest = "forward"
        return x

    def loss(self, x: Array, targets: Array) -> Any:
        """Return the loss of ``forward(x)`` against ``targets``, a NumPy scalar of the parameters' dtype.

        Raises:
            TypeError, ValueError: as ``forward``, and as the loss layer's forward for the targets.
        """
        output = self.forward(x)
        loss = self._loss_layer.forward(output, targets)
        self._latest = "loss"
        return loss

    def backward(self, cotangent: Array | None = None) -> Array:
        """Fill ``grads`` and return the gradient of x, in its shape.

        Args:
            cotangent: of the output of the latest forward, in its shape. Left out, the gradients are those of
                the latest ``loss``.

        Raises:
            RuntimeError: called before forward, or without a cotangent when ``loss`` was not called last.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        name = type(self).__name__
        if self._latest == "nothing":
            raise RuntimeError(f"{name}: backward was called before forward; call forward(x) or loss(...) first")
        if cotangent is None:
            if self._latest != "loss":
                raise RuntimeError(
                    f"{name}: backward() without a cotangent needs loss(...) as the call before it; call "
                    "loss(x, targets), or pass backward a cotangent of forward's output"
                )
            cotangent = self._loss_layer.backward(1.0)
        for layer in reversed(self.layers):
            cotangent = layer.backward(cotangent)
        self.grads.update(self._numbered([layer.grads for layer in self._with_params]))
        return cotangent

"""How do layers become a network? Forward walks them in order, backward in reverse."""

from collections.abc import Sequence
from typing import Any, Literal, Self, TypeAlias

from reference_impls.layers import Affine, BCELoss, MSELoss, ReLU, Sigmoid, SoftmaxWithLoss
from reference_impls.layers.layer import Array

ChainedLayer: TypeAlias = Affine | ReLU | Sigmoid
Loss: TypeAlias = SoftmaxWithLoss | MSELoss | BCELoss


class Network:
    """A chain of layers and a loss on its output. By the chain rule, with layers f, g, h:

    ``out = h(g(f(x)))``, so ``dx = f'(g'(h'(cotangent)))``, where ' stands for a layer's backward.

    A network keeps the layers' protocol (``forward``, ``backward``, ``params``, ``grads``), so it can be
    checked as one of them. ``params`` and ``grads`` are plain dicts named "0.W", "0.b", "1.W", ...: the
    number counts the affine layers. The arrays in ``params`` are the layers' own: update them in place,
    because putting another array into the dict leaves the layer with the old one. Every backward puts fresh
    arrays into ``grads``.
    """

    def __init__(self, layers: Sequence[ChainedLayer], loss_layer: Loss) -> None:
        self.layers = tuple(layers)
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self._affines = [layer for layer in self.layers if isinstance(layer, Affine)]
        for i, affine in enumerate(self._affines):
            self.params[f"{i}.W"] = affine.params["W"]
            self.params[f"{i}.b"] = affine.params["b"]
        self._loss_layer = loss_layer
        self._latest: Literal["nothing", "forward", "loss"] = "nothing"

    def train(self, mode: bool = True) -> Self:
        """Switch every layer to training, or for ``mode=False`` to evaluation; returns the network itself."""
        for layer in self.layers:
            layer.train(mode)
        return self

    def eval(self) -> Self:
        """Switch every layer to evaluation; returns the network itself."""
        return self.train(False)

    def forward(self, x: Array) -> Array:
        """Return the last layer's output, for x of shape (batch, features) and the parameters' dtype.

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
        for i, affine in enumerate(self._affines):
            self.grads[f"{i}.W"] = affine.grads["W"]
            self.grads[f"{i}.b"] = affine.grads["b"]
        return cotangent

"""A ReLU network in NumPy, and bugs in one of its layers: what a hand-written backward gets wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import gradcheck_kit as gk
from reference_impls.layers import Affine, ReLU, SoftmaxWithLoss
from reference_impls.networks import MLP
from reference_impls.networks.network import ChainedLayer, Network
from tests.mutants.planting import Array, Rng
from tests.mutants.reference_edits import AffineAveragesBias, ReLUMasksByCotangent
from tests.mutants.stateful import AffineAccumulates

DType = type[np.floating[Any]]
WIDTHS = (50, 500, 500, 500)


class AffineOverstatesWeights(Affine):
    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        self.grads["W"] *= cotangent.dtype.type(1.01)
        return dx


class AffineFlipsBias(Affine):
    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        self.grads["b"] = -self.grads["b"]
        return dx


class AffineForgetsWeights(Affine):
    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        self.grads["W"] = np.zeros_like(self.grads["W"])
        return dx


class AffineDoublesOneElement(Affine):
    """In the row of the unit that is most active, so that the element is not a zero."""

    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        rows, _, _ = self._saved_by_forward()
        self.grads["W"][int(abs(rows).sum(axis=0).argmax()), 0] *= 2
        return dx


class AffineTransposesGradient(Affine):
    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        self.grads["W"] = self.grads["W"].T.copy()
        return dx


class AffineForgetsToTranspose(Affine):
    def backward(self, cotangent: Array) -> Array:
        super().backward(cotangent)
        return np.asarray(cotangent @ self.params["W"])


class AffineOfFirstInput(Affine):
    def forward(self, x: Array) -> Array:
        first = self._saved
        out = super().forward(x)
        if first is not None:
            self._save(first)
        return out


class AffineDropsLastSample(Affine):
    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        rows, _, _ = self._saved_by_forward()
        self.grads["W"] = rows[:-1].T @ cotangent[:-1]
        return dx


class AffineStopsTheGradient(Affine):
    def backward(self, cotangent: Array) -> Array:
        return np.zeros_like(super().backward(cotangent))


class ReLUWithoutMask(ReLU):
    def backward(self, cotangent: Array) -> Array:
        super().backward(cotangent)
        return cotangent.copy()


class ReLULeaksBackwards(ReLU):
    def backward(self, cotangent: Array) -> Array:
        right = super().backward(cotangent)
        return right + cotangent.dtype.type(0.01) * (cotangent - right)


@dataclass(frozen=True)
class NetworkBug:
    """A layer that replaces the right one at one place.

    Attributes:
        name: what it does.
        layer: a subclass of Affine or ReLU.
        places: which of the network's affine (or ReLU) layers it may replace; the point's generator picks one.
    """

    name: str
    layer: type[Affine] | type[ReLU]
    places: tuple[int, ...]


NETWORK_BUGS: tuple[NetworkBug, ...] = (
    NetworkBug("dW times 1.01", AffineOverstatesWeights, (0, 1, 2)),
    NetworkBug("db with the wrong sign", AffineFlipsBias, (0, 1, 2)),
    NetworkBug("dW zero", AffineForgetsWeights, (0, 1, 2)),
    NetworkBug("one element of dW doubled", AffineDoublesOneElement, (2,)),
    NetworkBug("db averaged over the batch, not summed", AffineAveragesBias, (0, 1, 2)),
    NetworkBug("dW transposed", AffineTransposesGradient, (1, 2)),
    NetworkBug("dx by W, not by its transpose", AffineForgetsToTranspose, (1, 2)),
    NetworkBug("dW and dx by the first input seen", AffineOfFirstInput, (0, 1, 2)),
    NetworkBug("dW and db added to those of the call before", AffineAccumulates, (0, 1, 2)),
    NetworkBug("dW without the last sample", AffineDropsLastSample, (0, 1, 2)),
    NetworkBug("no gradient below a layer", AffineStopsTheGradient, (0, 1, 2)),
    NetworkBug("ReLU without its mask", ReLUWithoutMask, (0, 1)),
    NetworkBug("ReLU masks by the cotangent", ReLUMasksByCotangent, (0, 1)),
    NetworkBug("ReLU leaks 0.01 in backward", ReLULeaksBackwards, (0, 1)),
)


def relu_network(
    generator: Rng, dtype: DType, bug: NetworkBug | None = None, widths: Sequence[int] = WIDTHS, rows: int = 4
) -> gk.Subject:
    """The network at a random point: He-normal weights, normal inputs (rows, widths[0]), biases a tenth of that."""
    params = MLP(widths, generator, dtype=dtype).params
    x = generator.normal(size=(rows, widths[0])).astype(dtype)
    place = -1 if bug is None else int(generator.choice(bug.places))
    layers: list[ChainedLayer] = []
    for i in range(len(widths) - 1):
        b = (0.1 * generator.normal(size=widths[i + 1])).astype(dtype)
        kinds: dict[type, Any] = {Affine: Affine, ReLU: ReLU}
        if bug is not None and i == place:
            kinds[Affine if issubclass(bug.layer, Affine) else ReLU] = bug.layer
        layers += [kinds[Affine](params[f"{i}.W"], b), kinds[ReLU]()]
    name = "ReLU network" + ("" if bug is None else f", {bug.name}, in layer {place}")
    return gk.layer(Network(layers[:-1], SoftmaxWithLoss()), x, name=name)

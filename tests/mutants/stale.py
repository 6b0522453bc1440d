"""Backwards of which one slice is not made anew: it is another slice's, or that of an earlier call."""

# ruff: noqa: PLW0108 - a lambda gives its inputs the names that findings are looked up by
import numpy as np
from torch import Tensor, nn

from reference_impls.layers import Affine
from tests.mutants.places import ALL, _kernel, _weights
from tests.mutants.planting import Array, function, layer, one, torch_mutant
from tests.mutants.reference_edits import affine


def _previous_row(g: Array) -> None:
    g[3] = g[2]


def _first_column(g: Array) -> None:
    g[ALL, 4:] = g[ALL, :1]


def _neighbouring_channel(g: Array) -> None:
    g[:, 1] = g[:, 2]


class AffineIntoBuffer(Affine):
    """Right: the gradient of W is written into an array of the layer's own, all of it in every call."""

    def __init__(self, W: Array, b: Array) -> None:
        super().__init__(W, b)
        self._buffer = np.zeros_like(W)

    def backward(self, cotangent: Array) -> Array:
        dx = super().backward(cotangent)
        self.grads["W"] = self._filled(self.grads["W"])
        return dx

    def _filled(self, gradient: Array) -> Array:
        self._buffer[...] = gradient
        return self._buffer


class AffineFillsLastRowOnce(AffineIntoBuffer):
    def _filled(self, gradient: Array) -> Array:
        rows = slice(None) if not self._buffer.any() else slice(0, -1)
        self._buffer[rows] = gradient[rows]
        return self._buffer


class AffineFillsLastRowLate(AffineIntoBuffer):
    def _filled(self, gradient: Array) -> Array:
        self._buffer[:-1] = gradient[:-1]
        returned = self._buffer.copy()
        self._buffer[-1] = gradient[-1]
        return returned


class Doubled(nn.Module):
    """Twice its input; the cotangent goes through a buffer of the module's own, of which a column may be left out."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns
        self.buffer: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        y = 2 * x
        if y.requires_grad:
            y.register_hook(self._written)
        return y

    def _written(self, u: Tensor) -> Tensor:
        if u is None:  # an undefined cotangent
            return u
        if self.buffer is None or self.buffer.shape != u.shape:
            self.buffer = u.clone()
        self.buffer[:, : self.columns] = u[:, : self.columns]
        return self.buffer.clone()


STALE = (
    _weights("a row of weights has its neighbour's gradient", _previous_row, "row 3 of W", "stale-slice"),
    _weights("the last columns of weights have the first's gradient", _first_column, "from 4 on of W", "stale-slice"),
    _kernel("a channel has its neighbour's gradient", "x", _neighbouring_channel, "slice 1 on axis 1", "stale-slice"),
    layer(
        "Affine fills the last row of its buffer in the first call alone",
        affine(AffineIntoBuffer),
        affine(AffineFillsLastRowOnce),
        one(5, 4),
        input="W",
        cause="stale-slice",
        question="linearity",
    ),
    layer(
        "Affine fills the last row of its buffer after it is returned",
        affine(AffineIntoBuffer),
        affine(AffineFillsLastRowLate),
        one(5, 4),
        input="W",
        cause="stale-slice",
        question="determinism",
    ),
    torch_mutant(
        "a hook leaves the last column of its buffer",
        lambda: Doubled(5),
        lambda: Doubled(4),
        one(4, 5),
        cause="stale-slice",
        question="linearity",
    ),
    function(
        "a row is passed on without its cotangent",
        lambda x: np.sin(x),
        lambda u, x: u * np.cos(x),
        lambda u, x: np.where(np.arange(4)[:, None] == 2, np.cos(x), u * np.cos(x)),
        one(4, 5),
        cause="cotangent-ignored",
        question="linearity",
    ),
)

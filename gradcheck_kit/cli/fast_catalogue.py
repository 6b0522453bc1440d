"""Which parts of the fast networks are verified, at which points, and which torch function is their twin."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck_kit.cli.catalogue import Entry
from reference_impls.fast import FastMLP
from reference_impls.fast.lenet import Stage
from reference_impls.fast.pooling import PairPool
from reference_impls.networks import MLP

DType = type[np.floating[Any]]
Values = npt.NDArray[Any]


class PooledPairs:
    """`PairPool` as a layer, which allocates what it writes to."""

    def forward(self, z: Values) -> Values:
        """Pool z (strips, rows, channels, columns, batch)."""
        strips, rows, channels, columns, batch = self._shape = z.shape
        self._pool = PairPool(z.shape, z.dtype)
        out = np.empty((strips, rows // 2, channels, columns // 2, batch), z.dtype)
        self._pool.forward(z, out)
        return out

    def backward(self, cotangent: Values) -> Values:
        """Return the gradient of z."""
        dz = np.empty(self._shape, cotangent.dtype)
        self._pool.backward(cotangent, dz)
        return dz


class OneStage:
    """A `Stage` of LeNet as a layer, which allocates what it writes to."""

    def __init__(self, W: Values, b: Values) -> None:
        self.params = {"W": W, "b": b}
        self.grads = {"W": np.zeros_like(W), "b": np.zeros_like(b)}

    def forward(self, x: Values) -> Values:
        """Compute the stage of square images x (rows, channels, columns, batch)."""
        self._stage = Stage(self.params["W"].shape, x.shape[0], x.shape[-1], x.dtype)
        return self._stage.forward(x, self.params["W"], self.params["b"]).copy()

    def backward(self, cotangent: Values) -> Values:
        """Fill `grads`, and return the gradient of x."""
        self._stage.backward(cotangent, self.grads["W"], self.grads["b"])
        return np.array(self._stage.convolution.gradient_of_input())


def _normal(generator: np.random.Generator, dtype: DType, *shape: int) -> Values:
    return generator.normal(size=shape).astype(dtype)


def _mlp(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return FastMLP(MLP([8, 6, 4], g, dtype=dtype)), (_normal(g, dtype, 5, 8),)


def _pool(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return PooledPairs(), (_normal(g, dtype, 2, 4, 2, 4, 3),)


def _stage(g: np.random.Generator, dtype: DType) -> tuple[Any, tuple[Any, ...]]:
    return OneStage(_normal(g, dtype, 3, 2, 3, 3), _normal(g, dtype, 3)), (_normal(g, dtype, 6, 2, 6, 2),)


FAST_CATALOGUE = (
    Entry("MLP (fast)", _mlp),
    Entry("PairPool (fast)", _pool),
    Entry("Stage (fast)", _stage),
)
"""Every backward of `reference_impls.fast`, but not the whole FastLeNet: as with LeNet in `CATALOGUE`."""


def _torch_mlp(x: Any, W0: Any, b0: Any, W1: Any, b1: Any) -> Any:
    return (x @ W0 + b0).relu() @ W1 + b1


def _torch_pool(z: Any) -> Any:
    return z.unfold(1, 2, 2).unfold(3, 2, 2).amax((-1, -2))


def _torch_stage(x: Any, W: Any, b: Any) -> Any:
    from torch.nn import functional

    convolved = functional.conv2d(x.permute(3, 1, 0, 2), W, b)
    return functional.max_pool2d(convolved.relu(), 2).permute(2, 1, 3, 0)


FAST_TWINS: dict[str, Callable[..., Any]] = {
    "MLP (fast)": _torch_mlp,
    "PairPool (fast)": _torch_pool,
    "Stage (fast)": _torch_stage,
}
"""Each on tensors, in the order of the inputs and parameters."""

"""Networks beside their fast forms: small ones, batches for them, and how far apart the two are."""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from reference_impls.fast import FastLeNet, FastMLP
from reference_impls.networks import MLP, LeNet

Array = npt.NDArray[Any]
ULPS = 256  # of float rounding, of the largest gradient or 1: products of up to some hundred terms
DTYPES = (np.float32, np.float64)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def mlp(sizes: list[int], dtype: Any = np.float64, seed: int = 0) -> MLP:
    """An MLP whose biases are not zero."""
    return moved(MLP(sizes, generator(seed), dtype=dtype))


def lenet(dtype: Any = np.float64, size: int = 28, classes: int = 10) -> LeNet:
    return moved(LeNet(generator(), image_size=size, classes=classes, dtype=dtype))


def moved(network: Any) -> Any:
    rng = generator(99)
    for name, array in network.params.items():
        if name.endswith("b"):
            array[...] = rng.normal(0.0, 0.1, array.shape)
    return network


def fast_twin(network: MLP | LeNet) -> FastMLP | FastLeNet:
    """The fast form of a copy, so that both can learn."""
    twin = copy.deepcopy(network)
    return FastMLP(twin) if isinstance(twin, MLP) else FastLeNet(twin)


def batch_for(network: Any, rows: int, seed: int = 1) -> tuple[Array, Array]:
    rng, dtype = generator(seed), network.params["0.W"].dtype
    last = max(name for name in network.params if name.endswith("b"))
    shape = (network.params["0.W"].shape[0],)
    if isinstance(network, LeNet):
        shape = (1, network.image_size, network.image_size)
    return rng.normal(size=(rows, *shape)).astype(dtype), rng.integers(0, network.params[last].size, rows)


def apart(one: Any, other: Any, x: Array, labels: Array) -> float:
    """The largest difference of the loss and of any gradient, in ulps of the largest number in each or of 1."""
    losses = [network.loss(x, labels) for network in (one, other)]
    for network in (one, other):
        network.backward()
    assert one.grads.keys() == other.grads.keys()
    pairs = [tuple(losses), *((one.grads[name], other.grads[name]) for name in one.grads)]
    eps = np.finfo(x.dtype).eps
    worst = 0.0
    for ours, theirs in pairs:
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        worst = max(worst, float(np.abs(ours - theirs).max() / (eps * max(1.0, float(np.abs(ours).max())))))
    return worst

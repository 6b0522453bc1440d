"""MLP: affine layers with ReLU between them, and softmax cross entropy as the loss."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from reference_impls.layers import Affine, ReLU
from reference_impls.layers.arguments import check_generator, float_array, float_dtype, integer, same_dtype
from reference_impls.layers.layer import Array
from reference_impls.networks.classifier import Classifier
from reference_impls.networks.initialization import INITIALIZATIONS, Initialization
from reference_impls.networks.network import ChainedLayer


class MLP(Classifier):
    """``logits = affine(relu(... relu(affine(x))))``; ``loss`` is their mean softmax cross entropy.

    ``loss(x, labels)`` takes integer labels (batch,) or one-hot or soft ones (batch, classes).
    """

    def __init__(
        self,
        sizes: Sequence[int],
        rng: np.random.Generator,
        *,
        initialization: Initialization = "he",
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        """Draw the weights of, say, ``MLP([784, 128, 10], np.random.default_rng(0))``; biases start at 0.

        Args:
            sizes: the number of inputs, of every hidden layer's units, and of classes; at least two.
            rng: the only source of randomness.
            initialization: "he", normal of std sqrt(2 / fan_in); or "glorot", uniform within
                ±sqrt(6 / (fan_in + fan_out)).
            dtype: float16, float32 or float64. The weights are drawn in float64 and then cast.

        Raises:
            TypeError: rng is no Generator, dtype no such dtype, sizes no sequence, or a size no integer.
            ValueError: sizes are fewer than two, one is below 1, or the initialization is unknown.
        """
        check_generator("MLP", rng)
        resolved = float_dtype("MLP", dtype)
        widths = _widths(sizes)
        if initialization not in INITIALIZATIONS:
            raise ValueError(f'MLP: initialization is {initialization!r}; pass "he" or "glorot"')
        draw = INITIALIZATIONS[initialization]
        self._connect(
            [
                Affine(draw(rng, fan_in, fan_out, resolved), np.zeros(fan_out, resolved))
                for fan_in, fan_out in pairwise(widths)
            ]
        )

    @classmethod
    def from_params(cls, params: Mapping[str, Array]) -> Self:
        """Return a network with copies of ``params``, named as in ``Network``: "0.W", "0.b", "1.W", ...

        Raises:
            TypeError: an array is no float array, or the dtypes differ.
            ValueError: the names are others, or the shapes do not chain.
        """
        depth = len(params) // 2
        names = {f"{i}.{letter}" for i in range(depth) for letter in "Wb"}
        if depth == 0 or set(params) != names:
            raise ValueError(
                f"MLP: params are named {list(params)}; pass '0.W', '0.b', '1.W', '1.b' and so on, both for every layer"
            )
        copies = {name: float_array("MLP", f"params[{name!r}]", params[name]).copy() for name in params}
        affines = [Affine(copies[f"{i}.W"], copies[f"{i}.b"]) for i in range(depth)]
        for i, (before, after) in enumerate(pairwise(affine.params["W"] for affine in affines)):
            same_dtype("MLP", f"params['{i + 1}.W']", after, f"params['{i}.W']", before)
            if before.shape[1] != after.shape[0]:
                raise ValueError(
                    f"MLP: '{i}.W' has shape {before.shape}, '{i + 1}.W' has shape {after.shape}; pass "
                    "as many rows in the latter as the former has columns"
                )
        network = cls.__new__(cls)
        network._connect(affines)
        return network

    def _connect(self, affines: Sequence[Affine]) -> None:
        layers: list[ChainedLayer] = [affines[0]]
        for affine in affines[1:]:
            layers += [ReLU(), affine]
        Classifier.__init__(self, layers)


def _widths(sizes: Sequence[int]) -> list[int]:
    wanted = "two or more positive integers, as [784, 128, 10]"
    if isinstance(sizes, str) or not isinstance(sizes, Sequence | np.ndarray):
        raise TypeError(f"MLP: sizes is {sizes!r}; pass {wanted}")
    widths = [integer("MLP", f"sizes[{i}]", size, wanted) for i, size in enumerate(sizes)]
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"MLP: sizes are {sizes}; pass {wanted}")
    return widths


class SimpleNet(MLP):
    """The MLP of 10 inputs, 50 hidden units and 2 classes."""

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        initialization: Initialization = "he",
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        """As ``MLP([10, 50, 2], rng)``."""
        super().__init__([10, 50, 2], rng, initialization=initialization, dtype=dtype)

"""LeNet's forward and backward on activations that lie as (rows, channels, columns, batch), without im2col.

The textbook (``reference_impls.networks.LeNet``) is, twice, a convolution, a bias, ReLU and a maximum pool, and then
three affine layers. From it:

1. Each convolution becomes a few products of a banded matrix with rows of the image: see ``convolution``. The images
   are transposed once, when they come in, and nothing is after that.
2. Bias and ReLU behind the pool: ``x -> relu(x + b)`` never decreases, so ``max(relu(z + b)) = relu(max(z) + b)``, on a
   quarter of the elements. It is the same function with the same gradient: where ReLU is zero no element of a window
   gets any, and elsewhere it goes to the first largest z. The pool itself is in ``pooling``.
3. The bias's gradient is a sum over all positions of dz. The pool sends each number of its cotangent to one position,
   so the sum over the pooled ones is the same: a quarter of the terms.
4. The affine layers work on (units, batch), as the activations come: ``z = W.T @ h + b`` with b as a column, and
   ``dW = h @ dz.T``, ``db = dz @ 1``, ``dh = W @ dz``. The logits arrive transposed, as ``cross_entropy`` has them.
5. W's rows count the features (channel, row, column), and the second pool writes them in that order: its output is
   a transposed view of an array (channels, rows, columns, batch), which flattens without a copy.
6. All memory is allocated once, and nobody asks for the gradient of the images: as in ``mlp``.

Equal numbers aside, ``z + b`` may round two different z to equal ones, of which the textbook then takes the first and
this the larger. Both are gradients at a tie to within rounding.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_impls.fast.classifier import FastClassifier
from reference_impls.fast.convolution import StripConvolution
from reference_impls.fast.cross_entropy import CrossEntropy
from reference_impls.fast.pooling import PairPool
from reference_impls.layers.arguments import image_batch
from reference_impls.layers.layer import Array
from reference_impls.networks.lenet import PADDING, LeNet

# Measured: narrower strips multiply fewer zeros, and their products are too small for a BLAS.
WIDTHS = (4, 2)


@dataclass
class Stage:
    """A convolution, its pool, and what comes out of the ReLU behind them, (rows, channels, columns, batch)."""

    convolution: StripConvolution
    pool: PairPool
    out: Array
    dout: Array
    positive: Array

    def in_strips(self, array: Array) -> Array:
        """(rows, channels, columns, batch) as a view (strips, rows, channels, columns of a strip, batch)."""
        rows, channels, columns, batch = array.shape
        strips = len(self.convolution.dz)
        by_row, by_channel, by_column, by_image = array.strides
        width = columns // strips
        shape = (strips, rows, channels, width, batch)
        return np.lib.stride_tricks.as_strided(
            array, shape, (width * by_column, by_row, by_channel, by_column, by_image)
        )


@dataclass
class Memory:
    """What a batch of one size needs.

    Attributes:
        image: (32, 1, 32, batch), zero on the border if the images are smaller.
        stages: the two convolutions.
        h: the inputs of the three affine layers, (units, batch); ``h[0]`` is the second stage's output.
        dh: their gradients.
        positive: where each of h is positive.
        ones: (batch,).
        cross_entropy: the logits and their gradient.
    """

    image: Array
    stages: tuple[Stage, Stage]
    h: list[Array]
    dh: list[Array]
    positive: list[Array]
    ones: Array
    cross_entropy: CrossEntropy


class FastLeNet(FastClassifier[Memory]):
    """``FastLeNet(LeNet(rng, dtype=np.float32))`` computes what that LeNet computes, on the same parameters."""

    network: LeNet

    def __init__(self, network: LeNet) -> None:
        """Share the arrays of ``network``; TypeError if they are float16."""
        super().__init__(network)
        self._padding = PADDING[network.image_size]

    def _rows_of(self, x: Array) -> Array:
        x, size = image_batch("FastLeNet", x), self.network.image_size
        if x.shape[1:] != (1, size, size):
            raise ValueError(f"FastLeNet: x has shape {x.shape}; pass (batch, 1, {size}, {size})")
        return x

    def _allocate(self, batch: int, dtype: np.dtype[Any]) -> Memory:
        def stage(filters: int, channels: int, size: int, width: int, features_first: bool) -> Stage:
            convolution = StripConvolution(filters, channels, 5, size, width, batch, dtype)
            half = (size - 4) // 2
            shape, order = ((filters, half, half, batch), (1, 0, 2, 3)) if features_first else ((half, filters, half, batch), (0, 1, 2, 3))
            out, dout, positive = (np.empty(shape, kind).transpose(order) for kind in (dtype, dtype, np.bool_))
            return Stage(convolution, PairPool(convolution.dz.shape, dtype), out, dout, positive)

        stages = stage(6, 1, 32, WIDTHS[0], False), stage(16, 6, 14, WIDTHS[1], True)
        units = [(self.params[f"{i}.W"].shape[0], batch) for i in (3, 4)]
        def flat(array: Array) -> Array:
            return array.transpose(1, 0, 2, 3).reshape(-1, batch)
        return Memory(
            image=np.zeros((32, 1, 32, batch), dtype),
            stages=stages,
            h=[flat(stages[1].out), *(np.empty(shape, dtype) for shape in units)],
            dh=[flat(stages[1].dout), *(np.empty(shape, dtype) for shape in units)],
            positive=[flat(stages[1].positive), *(np.empty(shape, np.bool_) for shape in units)],
            ones=np.ones(batch, dtype),
            cross_entropy=CrossEntropy(self.params["4.b"].size, batch, dtype),
        )

    def _forward(self, x: Array, memory: Memory) -> None:
        inside = slice(self._padding, 32 - self._padding)
        np.copyto(memory.image[inside, 0, inside], x[:, 0].transpose(1, 2, 0))
        image = memory.image
        for i, stage in enumerate(memory.stages):
            z = stage.convolution.forward(image, self.params[f"{i}.W"])
            stage.pool.forward(z, stage.in_strips(stage.out))
            np.add(stage.out, self.params[f"{i}.b"][:, np.newaxis, np.newaxis], out=stage.out)
            image = np.maximum(stage.out, 0, out=stage.out)
        for i, (h, out) in enumerate(zip(memory.h, [*memory.h[1:], memory.cross_entropy.logits], strict=True), start=2):
            np.matmul(self.params[f"{i}.W"].T, h, out=out)
            np.add(out, self.params[f"{i}.b"][:, np.newaxis], out=out)
            if i < 4:
                np.maximum(out, 0, out=out)

    def _backward(self, dlogits: Array, memory: Memory, *, of_input: bool) -> Array | None:
        dz = dlogits
        for i in (4, 3, 2):
            h, dh, positive = memory.h[i - 2], memory.dh[i - 2], memory.positive[i - 2]
            np.matmul(h, dz.T, out=self.grads[f"{i}.W"])
            np.matmul(dz, memory.ones, out=self.grads[f"{i}.b"])
            np.matmul(self.params[f"{i}.W"], dz, out=dh)
            dz = np.multiply(dh, np.greater(h, 0, out=positive), out=dh)
        for i in (1, 0):
            stage = memory.stages[i]
            np.add.reduce(stage.dout, axis=(0, 2, 3), out=self.grads[f"{i}.b"])
            stage.pool.backward(stage.in_strips(stage.dout), stage.convolution.dz)
            stage.convolution.gradient_of_filters(self.grads[f"{i}.W"])
            if i == 1:
                before = memory.stages[0]
                dx = stage.convolution.gradient_of_input()
                np.multiply(dx, np.greater(before.out, 0, out=before.positive), out=before.dout)
        if not of_input:
            return None
        inside = slice(self._padding, 32 - self._padding)
        dimage = memory.stages[0].convolution.gradient_of_input()[inside, 0, inside]
        return np.ascontiguousarray(dimage.transpose(2, 0, 1)[:, np.newaxis])

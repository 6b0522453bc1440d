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

Where ``z + b`` rounds two different z to one number, the textbook gives the gradient to the first of them and this to
the larger: the one place where the two differ by more than rounding, and then only in where the maximum lies.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from reference_impls.fast.classifier import FastClassifier
from reference_impls.fast.convolution import StripConvolution
from reference_impls.fast.cross_entropy import CrossEntropy
from reference_impls.fast.pooling import PairPool
from reference_impls.layers.arguments import image_batch
from reference_impls.layers.layer import Array
from reference_impls.networks.lenet import PADDING, LeNet

SIZE = 32  # rows and columns of an image with its border
# Output columns of a strip, which the pool needs even. Measured: 2 beats 4, 10 and 14, which multiply more zeros.
WIDTH = 2


class Stage:
    """Convolution, pool, bias and ReLU, from images (rows, channels, columns, batch) to such of half the size.

    Attributes:
        out: the latest output.
        features: its memory as (channels * rows * columns, batch), if it was made with ``channels_first``.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        size: int,
        batch: int,
        dtype: np.dtype[Any],
        *,
        channels_first: bool = False,
    ) -> None:
        """Allocate for filters of ``shape`` and images of ``size`` rows and columns."""
        filters, channels, kernel, _ = shape
        self.convolution = StripConvolution(filters, channels, kernel, size, WIDTH, batch, dtype)
        self._pool = PairPool(self.convolution.dz.shape, dtype)
        half = (size - kernel + 1) // 2
        rows_first, as_they_lie = ((half, filters, half, batch), (0, 1, 2, 3))
        if channels_first:
            rows_first, as_they_lie = ((filters, half, half, batch), (1, 0, 2, 3))
        memory = np.empty(rows_first, dtype)
        self.features = memory.reshape(-1, batch)
        self.out = memory.transpose(as_they_lie)
        self._dout, self._positive = np.empty_like(self.out), np.empty_like(self.out, np.bool_)

    def forward(self, x: Array, W: Array, b: Array) -> Array:
        """Return ``out``."""
        self._pool.forward(self.convolution.forward(x, W), self._in_strips(self.out))
        np.add(self.out, b[:, np.newaxis, np.newaxis], out=self.out)
        return np.maximum(self.out, 0, out=self.out)

    def backward(self, dout: Array, dW: Array, db: Array) -> None:
        """Write the gradients of W and b into ``dW`` and ``db``."""
        np.multiply(dout, np.greater(self.out, 0, out=self._positive), out=self._dout)
        np.add.reduce(self._dout, axis=(0, 2, 3), out=db)
        self._pool.backward(self._in_strips(self._dout), self.convolution.dz)
        self.convolution.gradient_of_filters(dW)

    def _in_strips(self, array: Array) -> Array:
        """(rows, channels, columns, batch) as a view (strips, rows, channels, columns of a strip, batch)."""
        rows, channels, columns, batch = array.shape
        strips = len(self.convolution.dz)
        by_row, by_channel, by_column, by_image = array.strides
        width = columns // strips
        by_axis = (width * by_column, by_row, by_channel, by_column, by_image)
        return as_strided(array, (strips, rows, channels, width, batch), by_axis)


@dataclass
class Memory:
    """What a batch of one size needs.

    Attributes:
        image: (32, 1, 32, batch), zero on the border if the images are smaller.
        stages: the two of a convolution each.
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
    """``FastLeNet(LeNet(rng))`` computes what that LeNet computes, on the same parameters."""

    readable = LeNet
    network: LeNet

    def __init__(self, network: LeNet) -> None:
        """Share the arrays of ``network``; TypeError if they are float16."""
        super().__init__(network)
        padding = PADDING[network.image_size]
        self._inside = slice(padding, SIZE - padding)

    def _rows_of(self, x: Array) -> Array:
        x, size = image_batch("FastLeNet", x), self.network.image_size
        if x.shape[1:] != (1, size, size):
            raise ValueError(
                f"FastLeNet: x has shape {x.shape}; pass (batch, 1, {size}, {size}), as "
                f"x.reshape(-1, 1, {size}, {size})"
            )
        return x

    def _allocate(self, batch: int, dtype: np.dtype[Any]) -> Memory:
        first = Stage(self.params["0.W"].shape, SIZE, batch, dtype)
        second = Stage(self.params["1.W"].shape, len(first.out), batch, dtype, channels_first=True)
        units = [len(self.params[f"{i}.W"]) for i in (2, 3, 4)]
        return Memory(
            image=np.zeros((SIZE, 1, SIZE, batch), dtype),
            stages=(first, second),
            h=[second.features, *(np.empty((n, batch), dtype) for n in units[1:])],
            dh=[np.empty((n, batch), dtype) for n in units],
            positive=[np.empty((n, batch), np.bool_) for n in units],
            ones=np.ones(batch, dtype),
            cross_entropy=CrossEntropy(self.params["4.b"].size, batch, dtype),
        )

    def _forward(self, x: Array, memory: Memory) -> None:
        images = memory.image
        np.copyto(images[self._inside, 0, self._inside], x[:, 0].transpose(1, 2, 0))
        for i, stage in enumerate(memory.stages):
            images = stage.forward(images, self.params[f"{i}.W"], self.params[f"{i}.b"])
        outputs = [*memory.h[1:], memory.cross_entropy.logits]
        for i, (h, out) in enumerate(zip(memory.h, outputs, strict=True), start=2):
            np.matmul(self.params[f"{i}.W"].T, h, out=out)
            np.add(out, self.params[f"{i}.b"][:, np.newaxis], out=out)
            if i < 4:
                np.maximum(out, 0, out=out)

    def _backward(self, dlogits: Array, memory: Memory, *, of_input: bool) -> Array | None:
        first, second = memory.stages
        dfeatures = self._affine_backward(dlogits, memory)
        rows, filters, columns, batch = second.out.shape
        dout = dfeatures.reshape(filters, rows, columns, batch).transpose(1, 0, 2, 3)
        second.backward(dout, self.grads["1.W"], self.grads["1.b"])
        first.backward(second.convolution.gradient_of_input(), self.grads["0.W"], self.grads["0.b"])
        if not of_input:
            return None
        dimages = first.convolution.gradient_of_input()[self._inside, 0, self._inside]
        return np.ascontiguousarray(dimages.transpose(2, 0, 1)[:, np.newaxis])

    def _affine_backward(self, dz: Array, memory: Memory) -> Array:
        """Return the gradient of the features, (units, batch), and fill ``grads`` of the affine layers."""
        for i in (4, 3, 2):
            h, dh = memory.h[i - 2], memory.dh[i - 2]
            np.matmul(h, dz.T, out=self.grads[f"{i}.W"])
            np.matmul(dz, memory.ones, out=self.grads[f"{i}.b"])
            dz = np.matmul(self.params[f"{i}.W"], dz, out=dh)
            if i > 2:
                np.multiply(dh, np.greater(h, 0, out=memory.positive[i - 2]), out=dh)
        return dz

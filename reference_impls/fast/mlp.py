"""The MLP's forward and backward with one matrix product a layer and direction, in memory that is allocated once.

The textbook (``reference_impls.networks.MLP``), for every hidden layer i with ``h_0 = x``:

``z_i = h_{i-1} @ W_i + b_i``, ``h_i = relu(z_i)``; and for the last layer z is the logits.

``dW_i = h_{i-1}.T @ dz_i``, ``db_i = sum(dz_i)`` over the rows, ``dh_{i-1} = dz_i @ W_i.T``, and
``dz_i = dh_i * (z_i > 0)``.

1. Every array of a batch has the same shape in every step. So all are allocated once, and ``out=`` writes into them;
   ``dW_i`` and ``db_i`` are written straight into ``grads``. They lie in ``large_pages``. The fewer they are, the
   more of them the cache holds from one use to the next: what the forward needs for a moment lies where ``dh`` will.
2. ReLU may overwrite its input: ``h_i > 0`` exactly where ``z_i > 0``, so its backward does not need z. The product,
   z and h are one array after another in the same memory, and so are ``dh_i`` and ``dz_i``.
3. Nobody asks for the gradient of x in training: ``dh_0``, one of the three large products of the first layer, falls
   away.
4. The softmax works along the classes, of which there are few. It is much faster on the transposed logits, (classes,
   rows): see ``cross_entropy``. The product writes them so, ``z.T = W.T @ h.T``, and the backward takes ``dz.T`` as it
   lies. A BLAS reads its matrices transposed at little or no cost, so no array is ever transposed in memory.
5. A sum over the rows is a product too: see ``affine``.
6. If told to, the first layer leaves out the inputs that are zero in a whole batch: see ``sparse_affine``.

What is left is ``6 * rows * sum(in * out) - 2 * rows * in_0 * out_0`` multiplications and additions in the products,
and a few passes over arrays of (rows, units).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_impls.fast.affine import Affine, DenseAffine
from reference_impls.fast.classifier import FastClassifier
from reference_impls.fast.cross_entropy import CrossEntropy
from reference_impls.fast.large_pages import LargePages
from reference_impls.fast.seldom_zero import Batch
from reference_impls.fast.sparse_affine import SparseAffine
from reference_impls.fast.sparse_rows import SparseRows
from reference_impls.layers.arguments import batch_of_rows, integer
from reference_impls.layers.layer import Array
from reference_impls.networks.mlp import MLP


@dataclass
class Memory:
    """What a batch of one size needs.

    Attributes:
        h: the activations, (rows, units) each: ``h[0]`` is x itself or its ``Batch``, the rest belong to the network.
        dh: their gradients; ``dh[0]``, of x, is never used in training and has no memory.
        zeros: of the width of each, because NumPy's maximum of two arrays is faster than that with a number.
        positive: where each is positive.
        affine: the layers' products.
        cross_entropy: the logits and their gradient.
    """

    h: list[Any]
    dh: list[Array]
    zeros: list[Array]
    positive: list[Array]
    affine: list[Affine]
    cross_entropy: CrossEntropy


class FastMLP(FastClassifier[Memory]):
    """``FastMLP(MLP([784, 128, 10], rng))`` computes what that MLP computes, on the same parameters.

    Attributes:
        sparse_rows: by parameter, which rows of its gradient are not zero; empty without ``dense_inputs``.
    """

    readable = MLP
    network: MLP

    def __init__(self, network: MLP, *, dense_inputs: int | None = None) -> None:
        """Share the arrays of ``network``.

        Args:
            network: the readable one.
            dense_inputs: multiply the first so many inputs as they come, and of the others those that are not zero
                somewhere in the batch; ``SeldomZeroFirst`` of this package says how many, sorts the inputs, and makes
                batches that need not be looked through. All are multiplied if it is left out. Where W or a cotangent
                is not finite, the NaN of 0 times infinity is left out as well. The gradient of the first W is then
                read-only, and ``InPlaceSGD(..., sparse_rows=network.sparse_rows)`` need not look at its zeros.

        Raises:
            TypeError: the network is no MLP, or float16; ``dense_inputs`` is no integer.
            ValueError: ``dense_inputs`` is not from 0 to the number of inputs, or there is no hidden layer.
        """
        super().__init__(network)
        self._layers = [(f"{i}.W", f"{i}.b") for i in range(len(self.params) // 2)]
        self.sparse_rows: dict[str, SparseRows] = {}
        if dense_inputs is not None:
            self.sparse_rows["0.W"] = SparseRows(self.grads["0.W"], self._checked(dense_inputs))

    def _rows_of(self, x: Array) -> Array:
        W = self.params["0.W"]
        return batch_of_rows("FastMLP", x, W.shape[0], W.shape)

    def _allocate(self, rows: int, dtype: np.dtype[Any]) -> Memory:
        *hidden, classes = (self.params[W].shape[1] for W, _ in self._layers)
        shapes = [(0, 0), *((rows, units) for units in hidden)]
        pages = LargePages()
        dh = [pages.empty(shape, dtype) for shape in shapes]
        return Memory(
            h=[pages.empty(shape, dtype) for shape in shapes],
            dh=dh,
            zeros=[np.zeros(shape[1], dtype) for shape in shapes],
            positive=[pages.empty(shape, np.dtype(np.bool_)) for shape in shapes],
            affine=[self._first(rows, pages, dh), *(DenseAffine(rows, dtype) for _ in hidden)],
            cross_entropy=CrossEntropy(classes, rows, dtype),
        )

    def _laid_out(self, x: Array | Batch, shape: tuple[int, ...]) -> Any:
        return x if self.sparse_rows and isinstance(x, Batch) else super()._laid_out(x, shape)

    def _forward(self, x: Any, memory: Memory) -> None:
        *hidden, (W_last, b_last) = self._layers
        h, logits = memory.h, memory.cross_entropy.logits
        h[0] = x
        for i, (W, b) in enumerate(hidden, start=1):
            memory.affine[i - 1].forward(h[i - 1], self.params[W], self.params[b], out=h[i])
            np.maximum(h[i], memory.zeros[i], out=h[i])
        np.matmul(self.params[W_last].T, h[-1].T, out=logits)
        np.add(logits, self.params[b_last][:, np.newaxis], out=logits)

    def _backward(self, dlogits: Array, memory: Memory, *, of_input: bool) -> Array | None:
        h, dh, grads = memory.h, memory.dh, self.grads
        for name, sparse in self.sparse_rows.items():
            grads[name] = sparse.array  # another may stand there
        dz = dlogits.T
        for i in range(len(self._layers) - 1, -1, -1):
            W, b = self._layers[i]
            memory.affine[i].gradients(h[i], dz, grads[W], grads[b])
            if i > 0:
                np.matmul(dz, self.params[W].T, out=dh[i])
                np.greater(h[i], 0, out=memory.positive[i])
                dz = np.multiply(dh[i], memory.positive[i], out=dh[i])
        return np.matmul(dz, self.params["0.W"].T) if of_input else None

    def _first(self, rows: int, pages: LargePages, dh: list[Array]) -> Affine:
        sparse = self.sparse_rows.get("0.W")
        return DenseAffine(rows, self.dtype) if sparse is None else SparseAffine(rows, sparse, pages, dh[1])

    def _checked(self, dense_inputs: object) -> int:
        checked = integer("FastMLP", "dense_inputs", dense_inputs, "an integer, or leave it out")
        inputs = len(self.params["0.W"])
        if not 0 <= checked <= inputs:
            raise ValueError(
                f"FastMLP: dense_inputs is {checked}; pass an integer from 0 to {inputs}, the number of inputs"
            )
        if len(self._layers) == 1:
            raise ValueError("FastMLP: the network has no hidden layer, which dense_inputs is for; leave it out")
        return checked

"""What the fast networks share: a readable network's own arrays, gradients in memory that stays, and the protocol."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from reference_impls.fast.cross_entropy import CrossEntropy
from reference_impls.fast.large_pages import LargePages
from reference_impls.fast.seldom_zero import Batch
from reference_impls.layers.arguments import cotangent_array, float_array, same_dtype
from reference_impls.layers.layer import Array
from reference_impls.networks.classifier import Classifier

FAST_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
BATCH_SIZES_KEPT = 4  # the batch, the partial last one, and some to spare


class Memory(Protocol):
    """All that a batch of one size needs, allocated once."""

    cross_entropy: CrossEntropy


Buffers = TypeVar("Buffers", bound=Memory)


class FastClassifier(ABC, Generic[Buffers]):
    """A readable network's parameters with another forward and backward, which equal its own up to rounding.

    ``params`` are the readable network's very arrays, under its names: what one of the two learns, both know. Where
    this differs from ``Network``:

    - ``grads`` are the same arrays at every backward, overwritten; copy what is to be kept;
    - ``backward()`` after ``loss`` returns None: training does not need the gradient of x. With a cotangent of the
      latest output it returns that too, in fresh memory;
    - labels are integers, the batch has at least one row, and the dtype is float32 or float64.

    A copy (``copy.deepcopy``, pickle) has the parameters and no pending backward.
    """

    readable: ClassVar[type[Classifier]]  # whose fast form this is

    def __init__(self, network: Classifier) -> None:
        """Share the arrays of ``network``.

        Raises:
            TypeError: the network is of another kind, or its parameters are float16.
        """
        if not isinstance(network, self.readable):
            raise TypeError(
                f"{type(self).__name__}: network is a {type(network).__name__}; pass a {self.readable.__name__} of "
                "reference_impls.networks"
            )
        self.network = network
        self.params = network.params
        pages = LargePages()
        self.grads: dict[str, Array] = {name: pages.empty(p.shape, p.dtype) for name, p in self.params.items()}
        for gradient in self.grads.values():
            gradient.fill(0)
        self._of_batch: dict[Any, tuple[tuple[int, ...], Buffers]] = {}  # and the shape of its rows
        self._latest: Buffers | None = None
        self._has_loss = False
        self._x_shape: tuple[int, ...] = ()
        if self.dtype not in FAST_DTYPES:
            raise TypeError(
                f"{type(self).__name__}: the network's parameters are {self.dtype}, which no BLAS multiplies; train "
                "the readable network, or make it with dtype=np.float32"
            )

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the parameters, the gradients and the loss."""
        return self.params["0.W"].dtype

    def forward(self, x: Array | Batch) -> Array:
        """Return the logits, (batch, classes), in fresh memory.

        Raises:
            TypeError, ValueError: as the readable network's ``forward``, and for an empty batch.
        """
        return self._run(x).cross_entropy.logits.T.copy()

    def loss(self, x: Array | Batch, labels: Array) -> Any:
        """Return the mean softmax cross entropy of ``forward(x)``, a NumPy scalar of the parameters' dtype.

        Args:
            x: as for ``forward``; it is read again by ``backward``, so leave it unchanged until then.
            labels: integers (batch,) from 0 to classes - 1.

        Raises:
            TypeError, ValueError: as ``forward``; the labels are others.
        """
        loss = self._run(x).cross_entropy.loss(labels)
        self._has_loss = True
        return loss

    def backward(self, cotangent: Array | None = None) -> Array | None:
        """Fill ``grads``; with a cotangent of the latest output (batch, classes), return the gradient of x as well.

        Raises:
            RuntimeError: called before forward, or without a cotangent when ``loss`` was not called last.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        name, memory = type(self).__name__, self._latest
        if memory is None:
            raise RuntimeError(f"{name}: backward was called before forward; call forward(x) or loss(...) first")
        if cotangent is not None:
            logits = memory.cross_entropy.logits
            dlogits = cotangent_array(name, cotangent, logits.shape[::-1], logits.dtype).T
            dx = self._backward(np.ascontiguousarray(dlogits), memory, of_input=True)
            return None if dx is None else dx.reshape(self._x_shape)
        if not self._has_loss:
            raise RuntimeError(f"{name}: backward() without a cotangent needs loss(...) as the call before it")
        return self._backward(memory.cross_entropy.gradient(), memory, of_input=False)

    def accuracy(self, x: Array, labels: Array) -> float:
        """The readable network's ``accuracy``."""
        return self.network.accuracy(x, labels)

    def state_dict(self) -> dict[str, Array]:
        """The readable network's ``state_dict``: copies under torch's names and in torch's layout."""
        return self.network.state_dict()

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """The readable network's ``load_state_dict``, into the shared arrays; a pending backward is dropped."""
        self.network.load_state_dict(state)
        self._latest = None

    @abstractmethod
    def _rows_of(self, x: Array) -> Array:
        """Return ``x`` as the forward needs it; TypeError or ValueError if the network takes no such x."""

    @abstractmethod
    def _allocate(self, rows: int, dtype: np.dtype[Any]) -> Buffers:
        """Return the memory for batches of so many rows."""

    @abstractmethod
    def _forward(self, x: Any, memory: Buffers) -> None:
        """Write the logits, transposed, into ``memory.cross_entropy.logits``."""

    @abstractmethod
    def _backward(self, dlogits: Array, memory: Buffers, *, of_input: bool) -> Array | None:
        """Fill ``grads`` from the gradient of the logits (classes, rows); return that of x if it is asked for."""

    def _laid_out(self, x: Array | Batch, shape: tuple[int, ...]) -> Any:
        """Return ``x`` as ``_forward`` takes it."""
        return np.asarray(x).reshape(shape)

    def _run(self, x: Array | Batch) -> Buffers:
        self._latest, self._has_loss = None, False  # which stands if something raises
        # Of a batch like an earlier one nothing is left to be asked.
        known = self._of_batch.get((x.shape, x.dtype, self.dtype)) if type(x) in (np.ndarray, Batch) else None
        shape, memory = self._checked_batch(x) if known is None else known
        self._x_shape = x.shape
        self._forward(self._laid_out(x, shape), memory)
        self._latest = memory
        return memory

    def _checked_batch(self, x: Array | Batch) -> tuple[tuple[int, ...], Buffers]:
        """Return the shape that the forward needs x in, and memory for such batches from now on."""
        name = type(self).__name__
        x = float_array(name, "x", np.asarray(x) if isinstance(x, Batch) else x)
        same_dtype(name, "x", x, "params['0.W']", self.params["0.W"])
        rows = self._rows_of(x)
        if len(rows) == 0:
            raise ValueError(f"{name}: x has shape {rows.shape}; pass at least one row")
        self._of_batch.pop((x.shape, x.dtype, self.dtype), None)
        while len(self._of_batch) >= BATCH_SIZES_KEPT:
            del self._of_batch[next(iter(self._of_batch))]
        known = self._of_batch[x.shape, x.dtype, self.dtype] = rows.shape, self._allocate(len(rows), x.dtype)
        return known

    def __getstate__(self) -> dict[str, Any]:
        # Copies of views would no longer be views of the copies.
        return {**self.__dict__, "_of_batch": {}, "_latest": None, "_has_loss": False}

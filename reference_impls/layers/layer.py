"""What every layer has: parameters, gradients, and what forward leaves for backward."""

from typing import Any, Generic, Self, TypeAlias, TypeVar

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

Saved = TypeVar("Saved")


class Layer(Generic[Saved]):
    """Base class: holds ``params``, ``grads`` and what the latest ``forward`` saved (of type ``Saved``).

    ``buffers`` are arrays that belong to the layer's state and have no gradient, such as running statistics.
    ``training`` says which of two functions a layer computes, where it has two (dropout, batch norm); it is
    True at first, ``train()`` and ``eval()`` set it, and each backward belongs to its forward's mode.

    What every layer promises:

    - arrays are float16, float32 or float64; the output has the inputs' dtype, a gradient that of its input;
    - a cotangent has the output's shape; one of another float dtype is first cast to the output's;
    - no argument of forward or backward is ever written to, and every gradient is a fresh array: it shares no
      memory with an input, the cotangent or another gradient;
    - ``backward`` belongs to the latest ``forward``, may be called again, and overwrites ``grads``: nothing
      accumulates.

    What a layer asks: it keeps references, not copies, to the inputs, the parameters and the output that its
    formula for backward needs, so leave those arrays unchanged between ``forward`` and ``backward``.

    Raises:
        RuntimeError: ``backward`` before any ``forward``.
        TypeError: an argument is no array, or its dtype does not fit.
        ValueError: a shape or a value does not fit.
    """

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.buffers: dict[str, Array] = {}
        self.training = True
        self._saved: Saved | None = None

    def train(self, mode: bool = True) -> Self:
        """Switch to training, or for ``mode=False`` to evaluation; returns the layer itself."""
        self.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation; returns the layer itself."""
        return self.train(False)

    def _save(self, saved: Saved) -> None:
        self._saved = saved

    def _saved_by_forward(self) -> Saved:
        if self._saved is None:
            name = type(self).__name__
            raise RuntimeError(
                f"{name}: backward was called before forward; call {name}.forward(...) first, "
                "because backward uses what forward saved"
            )
        return self._saved

"""What every layer has: parameters, gradients, and what forward leaves for backward."""

from typing import Any, Generic, TypeAlias, TypeVar

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

Saved = TypeVar("Saved")


class Layer(Generic[Saved]):
    """Base class: holds ``params``, ``grads`` and what the latest ``forward`` saved (of type ``Saved``).

    What every layer promises:

    - arrays are float16, float32 or float64; the output has the inputs' dtype, a gradient that of its input;
    - a cotangent has the output's shape; one of another float dtype is first cast to the output's;
    - no argument is ever written to, and every gradient is a fresh array: it shares no memory with an input,
      the cotangent or another gradient;
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
        self._saved: Saved | None = None

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

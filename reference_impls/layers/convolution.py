"""Conv2d: every window of the image times a filter, as one matrix product."""

import numpy as np

from reference_impls.layers.arguments import Pair, cotangent_array, float_array, image_batch, integer, same_dtype
from reference_impls.layers.layer import Array, Layer
from reference_impls.layers.summation import sum_over
from reference_impls.layers.windows import Windows


class Conv2d(Layer[tuple[Array, Array, tuple[int, ...], tuple[int, ...]]]):
    """With the windows of image n as the columns of a matrix X (im2col), and one filter a row of W,

    ``out = W @ X + b``, so, for the cotangent U of that image,

    - ``dX = W.T @ U``, and ``dx`` is dX added up where its windows overlap (col2im)
    - ``dW = U @ X.T``, summed over the images
    - ``db = U summed over images and positions``

    A column of X has a row for each channel and kernel position, channels first; U has a row for each filter
    and a column for each position. With groups, the channels and the filters are cut into as many parts, and
    part g of the filters sees part g of the channels alone. (As everywhere in deep learning, the filter is
    not mirrored, so this is a cross-correlation.)
    """

    def __init__(
        self,
        W: Array,
        b: Array | None = None,
        *,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
    ) -> None:
        """Keep the very arrays ``W`` and ``b``, as ``Affine`` does.

        Args:
            W: (filters, channels / groups, kernel rows, kernel columns), float16, float32 or float64.
            b: (filters,), W's dtype; None for no bias.
            stride, padding, dilation: an integer, or a pair for rows and columns; as in ``Windows``.
            groups: how many parts the channels are cut into; divides the filters.

        Raises:
            TypeError: W or b is no float array, their dtypes differ, or an argument is no integer.
            ValueError: a shape does not fit, or an integer is too small.
        """
        super().__init__()
        W = float_array("Conv2d", "W", W)
        if W.ndim != 4 or W.shape[0] == 0:
            raise ValueError(
                f"Conv2d: W has shape {W.shape}; pass (filters, channels / groups, kernel rows, kernel columns), "
                "with at least one filter"
            )
        self.groups = groups = integer("Conv2d", "groups", groups)
        if groups < 1 or W.shape[0] % groups:
            raise ValueError(f"Conv2d: groups is {groups}; pass a divisor of the number of filters, {W.shape[0]}")
        self.params = {"W": W}
        if b is not None:
            self.params["b"] = _bias(float_array("Conv2d", "b", b), W)
        self.windows = Windows.checked("Conv2d", W.shape[2:], stride, padding, dilation)

    def forward(self, x: Array) -> Array:
        """Return the output, (batch, filters, output rows, output columns).

        Args:
            x: (batch, channels, rows, columns), W's dtype; the batch may be empty. Along each axis the output
                has ``(size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1`` elements.

        Raises:
            TypeError: x is no float array, or its dtype is not W's.
            ValueError: another number of axes or channels, or images smaller than a window.
        """
        W = self.params["W"]
        x = image_batch("Conv2d", x)
        same_dtype("Conv2d", "x", x, "W", W)
        self._check_channels(x, W)
        self.windows.check_fit("Conv2d", x)
        windows = self.windows.cut(self.windows.pad(x))
        rows_out, columns_out = windows.shape[4:]
        columns = windows.reshape(len(x), self.groups, W[0].size, rows_out * columns_out)  # copied where they overlap
        out: Array = (self._filters(W) @ columns).reshape(len(x), len(W), rows_out, columns_out)
        if "b" in self.params:
            out += self.params["b"][:, np.newaxis, np.newaxis]
        self._save((columns, W, x.shape, out.shape))
        return out

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx`` in x's shape, for a cotangent of the output's shape; fill ``grads``.

        Raises:
            RuntimeError: called before forward.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        columns, W, x_shape, out_shape = self._saved_by_forward()
        cotangent = cotangent_array("Conv2d", cotangent, out_shape, W.dtype)
        batch, filters, *output_size = out_shape
        u = cotangent.reshape(batch, self.groups, filters // self.groups, columns.shape[-1])
        self.grads = {"W": sum_over(u @ columns.swapaxes(-1, -2), 0).reshape(W.shape)}
        if "b" in self.params:
            self.grads["b"] = sum_over(cotangent, (0, 2, 3))
        dcolumns: Array = self._filters(W).swapaxes(-1, -2) @ u
        dwindows = dcolumns.reshape(*x_shape[:2], *self.windows.kernel, *output_size)
        return self.windows.add(dwindows, x_shape)

    def _filters(self, W: Array) -> Array:
        return W.reshape(self.groups, len(W) // self.groups, W[0].size)

    def _check_channels(self, x: Array, W: Array) -> None:
        channels = self.groups * W.shape[1]
        if x.shape[1] != channels:
            raise ValueError(
                f"Conv2d: x has {x.shape[1]} channels (shape {x.shape}), W of shape {W.shape} in {self.groups} "
                f"group{'s' if self.groups > 1 else ''} takes {channels}; pass x with {channels} channels"
            )


def _bias(b: Array, W: Array) -> Array:
    if b.shape != W.shape[:1]:
        raise ValueError(
            f"Conv2d: b has shape {b.shape}, W has shape {W.shape}; pass b with shape {W.shape[:1]}, one number "
            "for each filter"
        )
    same_dtype("Conv2d", "b", b, "W", W)
    return b

"""Affine: a matrix product and a bias."""

from reference_impls.layers.arguments import batch_of_rows, cotangent_array, float_array, same_dtype
from reference_impls.layers.layer import Array, Layer
from reference_impls.layers.summation import sum_over


class Affine(Layer[tuple[Array, tuple[int, ...], Array]]):
    """``out = x @ W + b``, so

    - ``dx = cotangent @ W.T``
    - ``dW = x.T @ cotangent``
    - ``db = cotangent summed over the batch``

    ``params`` holds the very arrays ``W`` and ``b`` that were passed in, so that an optimizer may update them
    in place; the layer itself never writes to them. ``grads`` has the keys "W" and "b" after backward.
    """

    def __init__(self, W: Array, b: Array) -> None:
        """Keep ``W`` of shape (in, out) and ``b`` of shape (out,), both float16, float32 or float64.

        Raises:
            TypeError: W or b is no float array, or their dtypes differ.
            ValueError: the shapes are not (in, out) and (out,).
        """
        super().__init__()
        W = float_array("Affine", "W", W)
        b = float_array("Affine", "b", b)
        if W.ndim != 2:
            raise ValueError(f"Affine: W has shape {W.shape}; pass a matrix of shape (in, out)")
        if b.shape != W.shape[1:]:
            raise ValueError(
                f"Affine: b has shape {b.shape}, W has shape {W.shape}; pass b with shape {W.shape[1:]}, "
                "one number for each column of W"
            )
        same_dtype("Affine", "b", b, "W", W)
        self.params = {"W": W, "b": b}

    def forward(self, x: Array) -> Array:
        """Return ``x @ W + b``, of shape (batch, out).

        Args:
            x: shape (batch, ...) and W's dtype. All axes after the first are flattened to ``in`` features, so
                (batch, in) and (batch, channels, height, width) both work; the batch may be empty.

        Raises:
            TypeError: x is no float array, or its dtype is not W's.
            ValueError: x has no batch axis, or another number of features than W has rows.
        """
        W, b = self.params["W"], self.params["b"]
        x = float_array("Affine", "x", x)
        same_dtype("Affine", "x", x, "W", W)
        rows = batch_of_rows("Affine", x, W.shape[0], W.shape)
        out: Array = rows @ W + b
        self._save((rows, x.shape, W))
        return out

    def backward(self, cotangent: Array) -> Array:
        """Return ``dx`` in x's own shape, for a cotangent of shape (batch, out); fill ``grads``.

        Raises:
            RuntimeError: called before forward.
            TypeError, ValueError: the cotangent is no float array of the output's shape.
        """
        rows, x_shape, W = self._saved_by_forward()
        cotangent = cotangent_array("Affine", cotangent, (rows.shape[0], W.shape[1]), W.dtype)
        self.grads = {"W": rows.T @ cotangent, "b": sum_over(cotangent, 0)}
        dx: Array = cotangent @ W.T
        return dx.reshape(x_shape)

"""LeNet: two convolutions, each with a pool behind it, and three affine layers; after LeCun et al. (1998), LeNet-5.

As it is written today: ReLU for the scaled tanh, maximum pools for the trainable averages, every feature map connected
to all before it, and softmax cross entropy for the radial basis functions.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from reference_impls.layers import Affine, Conv2d, Flatten, MaxPool2d, ReLU
from reference_impls.layers.arguments import check_generator, float_array, float_dtype, integer
from reference_impls.layers.layer import Array
from reference_impls.networks.classifier import Classifier
from reference_impls.networks.initialization import he

PADDING = {32: 0, 28: 2}
COUNT = "a positive integer, such as 10"


class LeNet(Classifier):
    """Images to logits, for 32×32 images, or 28×28 ones with two rows and columns of zeros on each side:

    ============  =================  ====================
    layer         output, of 32×32   parameters
    ============  =================  ====================
    conv 5×5      6 × 28 × 28        0.W (6, 1, 5, 5), 0.b
    ReLU, pool    6 × 14 × 14
    conv 5×5      16 × 10 × 10       1.W (16, 6, 5, 5), 1.b
    ReLU, pool    16 × 5 × 5
    affine, ReLU  120                2.W (400, 120), 2.b
    affine, ReLU  84                 3.W (120, 84), 3.b
    affine        classes            4.W (84, classes), 4.b
    ============  =================  ====================

    With 10 classes these are 61,706 numbers. ``loss`` is the mean softmax cross entropy.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        image_size: int = 28,
        classes: int = 10,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        """Draw the weights from ``rng``, by He et al. (2015); biases start at 0.

        Args:
            rng: the only source of randomness.
            image_size: 28 or 32, the rows and columns of an image.
            classes: how many; at least one.
            dtype: float16, float32 or float64. The weights are drawn in float64 and then cast.

        Raises:
            TypeError: rng is no Generator, dtype no such dtype, or image_size or classes no integer.
            ValueError: image_size is not 28 or 32, or classes below 1.
        """
        check_generator("LeNet", rng)
        resolved = float_dtype("LeNet", dtype)
        self.image_size = image_size = integer("LeNet", "image_size", image_size, "28 or 32")
        if image_size not in PADDING:
            raise ValueError(f"LeNet: image_size is {image_size}; pass 28 or 32")
        classes = integer("LeNet", "classes", classes, COUNT)
        if classes < 1:
            raise ValueError(f"LeNet: classes is {classes}; pass {COUNT}")
        super().__init__(
            [
                _convolution(rng, 1, 6, resolved, padding=PADDING[image_size]),
                ReLU(),
                MaxPool2d(2),
                _convolution(rng, 6, 16, resolved),
                ReLU(),
                MaxPool2d(2),
                Flatten(),
                _affine(rng, 400, 120, resolved),
                ReLU(),
                _affine(rng, 120, 84, resolved),
                ReLU(),
                _affine(rng, 84, classes, resolved),
            ]
        )

    def forward(self, x: Array) -> Array:
        """Return the logits, (batch, classes).

        Args:
            x: (batch, 1, rows, columns), the parameters' dtype, rows and columns equal to ``image_size``.

        Raises:
            TypeError: x is no float array of the parameters' dtype.
            ValueError: x has another shape.
        """
        image = (1, self.image_size, self.image_size)
        x = float_array("LeNet", "x", x)
        if x.shape[1:] != image:
            raise ValueError(
                f"LeNet: x has shape {x.shape}; pass (batch, {', '.join(map(str, image))}), as "
                f"x.reshape(-1, {', '.join(map(str, image))})"
            )
        return super().forward(x)


def _convolution(
    rng: np.random.Generator, channels: int, filters: int, dtype: np.dtype[Any], padding: int = 0
) -> Conv2d:
    W = he(rng, channels * 5 * 5, filters, dtype).T.reshape(filters, channels, 5, 5)
    return Conv2d(np.ascontiguousarray(W), np.zeros(filters, dtype), padding=padding)


def _affine(rng: np.random.Generator, fan_in: int, fan_out: int, dtype: np.dtype[Any]) -> Affine:
    return Affine(he(rng, fan_in, fan_out, dtype), np.zeros(fan_out, dtype))

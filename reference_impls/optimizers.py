"""SGD: how do gradients change the parameters?"""

import math
from collections.abc import Mapping

import numpy as np

from reference_impls.layers.arguments import float_array, same_dtype
from reference_impls.layers.layer import Array


class SGD:
    """Plain stochastic gradient descent: ``p -= lr * g`` for each parameter p and its gradient g.

    The arrays in ``params`` are updated in place, so the layers that hold them learn. The product is rounded
    to p's dtype before the subtraction. torch's SGD may fuse the two into one rounding, and then differs in
    the last bit unless ``lr`` is a power of two, whose product is exact.
    """

    def __init__(self, params: Mapping[str, Array], lr: float) -> None:
        """Keep references to ``params`` and the learning rate.

        Raises:
            TypeError: lr is no real number, or a parameter no float16/32/64 array.
            ValueError: lr is negative, infinite or nan.
        """
        if isinstance(lr, bool):
            raise TypeError("SGD: lr is a bool; pass a float such as 0.1")
        try:
            self.lr = float(lr)
        except (TypeError, ValueError):
            raise TypeError(f"SGD: lr is {lr!r}, not a number; pass a float such as 0.1") from None
        if not math.isfinite(self.lr) or self.lr < 0:
            raise ValueError(f"SGD: lr is {self.lr}; pass a finite lr >= 0, such as 0.1")
        for name, parameter in params.items():
            float_array("SGD", f"params[{name!r}]", parameter)
        self.params = params

    def step(self, grads: Mapping[str, Array]) -> None:
        """Update every parameter in place. If this raises, none has changed.

        Args:
            grads: one gradient for each name in ``params``, of the parameter's shape and dtype.

        Raises:
            TypeError: a gradient is no float array, or its dtype is not the parameter's.
            ValueError: a parameter has no gradient, or a gradient no parameter; a gradient's shape is not the
                parameter's; a parameter is read-only.
        """
        if grads.keys() != self.params.keys():
            missing = sorted(self.params.keys() - grads.keys())
            unknown = sorted(grads.keys() - self.params.keys())
            raise ValueError(
                f"SGD: grads lack the parameters {missing} and name the unknown ones {unknown}; "
                "call backward first and pass the grads of the network whose params were given to SGD"
            )
        for name, parameter in self.params.items():
            gradient = float_array("SGD", f"grads[{name!r}]", grads[name])
            if gradient.shape != parameter.shape:
                raise ValueError(
                    f"SGD: grads[{name!r}] has shape {gradient.shape}, its parameter has shape "
                    f"{parameter.shape}; pass a gradient of shape {parameter.shape}"
                )
            same_dtype("SGD", f"grads[{name!r}]", gradient, f"params[{name!r}]", parameter)
            if not parameter.flags.writeable:
                raise ValueError(f"SGD: params[{name!r}] is read-only; pass a writable copy, {name}.copy()")
        for name, parameter in self.params.items():
            np.subtract(parameter, parameter.dtype.type(self.lr) * grads[name], out=parameter)

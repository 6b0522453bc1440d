"""Adam and AdamW: running averages of the gradient and of its square, both corrected for starting at zero."""

import math
from collections.abc import Mapping

import numpy as np

from reference_impls.layers.layer import Array
from reference_impls.optimizers.optimizer import Optimizer, accumulate, decayed


class Adam(Optimizer):
    """For each parameter p and its gradient g, in step t = 1, 2, ...:

    ``g = g + weight_decay * p``

    ``m = beta1 * m + (1 - beta1) * g`` and ``v = beta2 * v + (1 - beta2) * g**2``

    ``p -= lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)``

    (Kingma & Ba 2015, algorithm 1). ``amsgrad`` puts the largest v so far in the place of v (Reddi et al. 2018); as in
    torch, the largest before the correction.
    """

    def __init__(
        self,
        params: Mapping[str, Array],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        """Keep references to ``params`` and the hyperparameters.

        Raises:
            TypeError: a hyperparameter is no real number, or a parameter no float16/32/64 array.
            ValueError: a hyperparameter is negative, infinite or nan, or one of two betas not below 1.
        """
        super().__init__(params, lr)
        beta1, beta2 = betas
        self.betas = self._decay_rate("betas[0]", beta1, 0.9), self._decay_rate("betas[1]", beta2, 0.999)
        self.eps = self._at_least_zero("eps", eps, 1e-8)
        self.weight_decay = self._at_least_zero("weight_decay", weight_decay, 1e-2)
        self.amsgrad = amsgrad

    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        self._move(p, decayed(g, p, self.weight_decay), state)

    def _move(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        scalar, (beta1, beta2) = p.dtype.type, self.betas
        m = state.setdefault("mean", np.zeros_like(p))
        v = state.setdefault("square", np.zeros_like(p))
        accumulate(m, g, beta1, 1 - beta1)
        accumulate(v, g * g, beta2, 1 - beta2)
        if self.amsgrad:
            largest = state.setdefault("largest square", np.zeros_like(p))
            np.maximum(largest, v, out=largest)
            v = largest
        # The corrections are numbers: lr takes the one of m, and the root the one of v.
        rate = self.lr / (1 - beta1**self._steps)
        root = np.sqrt(v) / scalar(math.sqrt(1 - beta2**self._steps))
        p -= scalar(rate) * (m / (root + scalar(self.eps)))


class AdamW(Adam):
    """Adam, but weight decay shrinks the parameter itself, before the step, instead of joining the gradient:

    ``p = p * (1 - lr * weight_decay)``

    (Loshchilov & Hutter 2019, algorithm 2).
    """

    def __init__(
        self,
        params: Mapping[str, Array],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        """As ``Adam``, with another default for ``weight_decay``."""
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad)

    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        p *= p.dtype.type(1 - self.lr * self.weight_decay)
        self._move(p, g, state)

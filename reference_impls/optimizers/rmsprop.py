"""RMSProp: a step for every element, divided by the root of its own mean squared gradient."""

from collections.abc import Mapping

import numpy as np

from reference_impls.layers.layer import Array
from reference_impls.optimizers.optimizer import Optimizer, accumulate, decayed


class RMSProp(Optimizer):
    """For each parameter p and its gradient g, with running averages s of ``g**2`` and m of g:

    ``g = g + weight_decay * p``

    ``s = alpha * s + (1 - alpha) * g**2``

    ``r = sqrt(s) + eps``, or ``centered``: ``m = alpha * m + (1 - alpha) * g`` and ``r = sqrt(s - m**2) + eps``

    ``p -= lr * g / r``, or with momentum: ``v = momentum * v + g / r`` and ``p -= lr * v``

    as in torch, where eps stands outside of the root (Tieleman & Hinton 2012, lecture 6.5; centered: Graves 2013,
    section 4.2, who has it inside). Where the gradient hardly changes, ``s - m**2`` is all rounding and may come out
    negative: then p becomes nan, as in torch.
    """

    def __init__(
        self,
        params: Mapping[str, Array],
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        """Keep references to ``params`` and the hyperparameters.

        Raises:
            TypeError: a hyperparameter is no real number, or a parameter no float16/32/64 array.
            ValueError: a hyperparameter is negative, infinite or nan, or alpha not below 1.
        """
        super().__init__(params, lr)
        self.alpha = self._decay_rate("alpha", alpha, 0.99)
        self.eps = self._at_least_zero("eps", eps, 1e-8)
        self.weight_decay = self._at_least_zero("weight_decay", weight_decay, 1e-4)
        self.momentum = self._at_least_zero("momentum", momentum, 0.9)
        self.centered = centered

    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        scalar = p.dtype.type
        g = decayed(g, p, self.weight_decay)
        square = state.setdefault("square", np.zeros_like(p))
        accumulate(square, g * g, self.alpha, 1 - self.alpha)
        if self.centered:
            mean = state.setdefault("mean", np.zeros_like(p))
            # And not alpha * mean + ..., whose rounding the subtraction below would show.
            mean += scalar(1 - self.alpha) * (g - mean)
            square = square - mean * mean
        direction = g / (np.sqrt(square) + scalar(self.eps))
        if self.momentum:
            velocity = state.setdefault("velocity", np.zeros_like(p))
            accumulate(velocity, direction, self.momentum, 1.0)
            direction = velocity
        p -= scalar(self.lr) * direction

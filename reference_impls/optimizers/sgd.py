"""SGD: stochastic gradient descent, with momentum, Nesterov's momentum and weight decay."""

from collections.abc import Mapping

import numpy as np

from reference_impls.layers.layer import Array
from reference_impls.optimizers.optimizer import Optimizer, accumulate, decayed


class SGD(Optimizer):
    """For each parameter p, its gradient g and its velocity v:

    ``g = g + weight_decay * p``

    ``v = momentum * v + (1 - dampening) * g``, but ``v = g`` in the first step

    ``p -= lr * v``, or with ``nesterov`` ``p -= lr * (g + momentum * v)``, or without momentum ``p -= lr * g``

    as in torch, where the first step is not dampened, and lr stays outside of v, so that changing it acts at once
    (Polyak 1964; Nesterov 1983, in the form of Sutskever et al. 2013).

    The product with lr is rounded to p's dtype before the subtraction. torch may fuse the two into one rounding,
    and then differs in the last bit unless ``lr`` is a power of two, whose product is exact.
    """

    def __init__(
        self,
        params: Mapping[str, Array],
        lr: float,
        *,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        """Keep references to ``params`` and the hyperparameters.

        Raises:
            TypeError: a hyperparameter is no real number, or a parameter no float16/32/64 array.
            ValueError: a hyperparameter is negative, infinite or nan; or nesterov without momentum, or with dampening.
        """
        super().__init__(params, lr)
        self.momentum = self._at_least_zero("momentum", momentum, 0.9)
        self.dampening = self._at_least_zero("dampening", dampening, 0.0)
        self.weight_decay = self._at_least_zero("weight_decay", weight_decay, 1e-4)
        self.nesterov = nesterov
        if nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError(
                f"SGD: nesterov with momentum {self.momentum} and dampening {self.dampening}; pass a momentum > 0, "
                "such as 0.9, and no dampening"
            )

    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        g = decayed(g, p, self.weight_decay)
        if self.momentum:
            if "velocity" in state:
                accumulate(state["velocity"], g, self.momentum, 1 - self.dampening)
            else:
                state["velocity"] = g.copy()
            v = state["velocity"]
            g = np.asarray(g + p.dtype.type(self.momentum) * v) if self.nesterov else v
        p -= p.dtype.type(self.lr) * g

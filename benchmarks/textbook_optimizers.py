"""Optimisers as textbooks write them, with the usual mistakes to choose from: what the candidates train with.

Written beside, not with, the formulas of `gradcheck_kit.side_by_side.rules`: those must find what is wrong in these.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
Params = dict[str, Values]


class Textbook:
    """SGD, RMSProp, Adam or AdamW on arrays that it updates in place.

    Args:
        params: by name.
        kind: "SGD", "RMSProp", "Adam" or "AdamW".
        mistakes: names of what is done wrong; none: torch's formula, in another order of operations.
        numbers: torch's hyperparameters.
    """

    def __init__(self, params: Params, kind: str, mistakes: frozenset[str] = frozenset(), **numbers: Any) -> None:
        self.params = params
        self.kind, self.mistakes = kind, mistakes
        self.lr = numbers.get("lr", 1e-3)
        self.momentum, self.nesterov = numbers.get("momentum", 0.0), numbers.get("nesterov", False)
        self.decay = numbers.get("weight_decay", 0.0)
        self.betas, self.eps = numbers.get("betas", (0.9, 0.999)), numbers.get("eps", 1e-8)
        self.alpha = numbers.get("alpha", 0.99)
        self.kept: dict[str, Params] = {name: {} for name in params}
        self.steps = 0

    def state_dict(self) -> Params:
        """As `Offers.state` asks."""
        told = {f"{name}/{kind}": array for name, own in self.kept.items() for kind, array in own.items()}
        return told | {"steps": np.asarray(self.steps)}

    def step(self, grads: Params) -> None:
        self.steps += 1
        for name, p in self.params.items():
            g = np.array(grads[name])
            coupled = (self.kind != "AdamW") != ("decay on the other side" in self.mistakes)
            decay = 0.0 if "no decay" in self.mistakes else self.decay
            if "no decay of biases" in self.mistakes and p.ndim == 1:
                decay = 0.0
            if coupled:
                g += decay * p
            else:
                p[...] *= 1 - self.lr * decay
            p[...] -= self.lr * self._direction(g, self.kept[name])

    def _direction(self, g: Values, kept: Params) -> Values:
        if "state forgotten" in self.mistakes and self.steps == 4:
            kept.clear()
        return {"SGD": self._sgd, "RMSProp": self._rmsprop}.get(self.kind, self._adam)(g, kept)

    def _sgd(self, g: Values, kept: Params) -> Values:
        if not self.momentum:
            return g
        first = "velocity" not in kept
        damped = "first step dampened" in self.mistakes or ("dampened" in self.mistakes and not first)
        fresh = g * (1 - self.momentum) if damped else g
        v = kept["velocity"] = fresh if first else self.momentum * kept["velocity"] + fresh
        if self.nesterov == ("other Nesterov" in self.mistakes):
            return v
        if "looks ahead from the velocity" in self.mistakes:
            return v + self.momentum * v
        if "looks ahead twice" in self.mistakes:
            return g + self.momentum * g + self.momentum**2 * v
        return g + self.momentum * v

    def _rmsprop(self, g: Values, kept: Params) -> Values:
        s = kept["square"] = self.alpha * kept.get("square", 0 * g) + (1 - self.alpha) * g**2
        if "correction" in self.mistakes:
            s = s / (1 - self.alpha**self.steps)
        return g / (np.sqrt(s + self.eps) if "eps inside" in self.mistakes else np.sqrt(s) + self.eps)

    def _adam(self, g: Values, kept: Params) -> Values:
        (b1, b2), t = self.betas, self.steps + ("counts from two" in self.mistakes)
        m = kept["mean"] = b1 * kept.get("mean", 0 * g) + (1 - b1) * g
        v = kept["square"] = b2 * kept.get("square", 0 * g) + (1 - b2) * g**2
        m_hat = m if "mean uncorrected" in self.mistakes else m / (1 - b1**t)
        v_hat = v if "square uncorrected" in self.mistakes else v / (1 - b2**t)
        if "eps inside" in self.mistakes:
            return m_hat / np.sqrt(v_hat + self.eps)
        if "eps before correction" in self.mistakes:
            return m_hat * np.sqrt(1 - b2**t) / (np.sqrt(v) + self.eps)
        return m_hat / (np.sqrt(v_hat) + self.eps)

"""The update formulas, recomputed in float64 from what a step was given: parameter, gradient, state, step number."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
Vector = npt.NDArray[np.float64]

Kind = Literal["SGD", "RMSProp", "Adam"]
VELOCITY, MEAN, SQUARE, LARGEST, STEPS = "velocity", "mean", "square", "largest square", "steps"


@dataclass(frozen=True)
class Rule:
    """An optimiser as a value, in torch's conventions; what is changed in it is another hypothesis.

    Attributes:
        kind: which formula.
        lr, momentum, dampening, nesterov, weight_decay, betas, alpha, eps: torch's hyperparameters.
        decoupled: weight decay shrinks the parameter and stays out of the gradient (Loshchilov & Hutter 2019).
        form: a departure from torch's formula: where it puts eps, which averages it corrects, when it dampens.
    """

    kind: Kind
    lr: float
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    decoupled: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    alpha: float = 0.99
    eps: float = 1e-8
    form: frozenset[str] = frozenset()

    def having(self, *forms: str) -> "Rule":
        """The same with departures."""
        return replace(self, form=self.form | set(forms))

    def updated(self, p: Values, g: Values, state: Mapping[str, Values], step: int) -> Vector:
        """The parameter after step `step` (from 1), in float64.

        Args:
            p, g: the parameter and its gradient, of one shape.
            state: the arrays that earlier steps left for this parameter, by kind; empty before the first.
            step: its number, from 1.
        """
        p64, g64 = np.asarray(p, np.float64), np.asarray(g, np.float64)
        kept = {kind: np.asarray(values, np.float64) for kind, values in state.items()}
        if self.weight_decay and not self.decoupled:
            g64 = g64 + self.weight_decay * p64
        moved = {"SGD": self._sgd, "RMSProp": self._rmsprop, "Adam": self._adam}[self.kind](g64, kept, step)
        shrunk = p64 * (1 - self.lr * self.weight_decay) if self.decoupled else p64
        return np.asarray(shrunk - self.lr * moved)

    def _sgd(self, g: Vector, state: Mapping[str, Vector], step: int) -> Vector:
        if not self.momentum:
            return g
        fresh = step == 1 or VELOCITY not in state
        undamped = fresh and "first step dampened" not in self.form
        v = g * (1.0 if undamped else 1 - self.dampening)
        v = v if fresh else self.momentum * state[VELOCITY] + v
        if "momentum twice" in self.form:  # the step ahead taken once more
            return np.asarray(g + self.momentum * (g + self.momentum * v))
        if "velocity for gradient" in self.form:
            return np.asarray(v + self.momentum * v)
        return np.asarray(g + self.momentum * v if self.nesterov else v)

    def _rmsprop(self, g: Vector, state: Mapping[str, Vector], step: int) -> Vector:
        s = self.alpha * state.get(SQUARE, np.zeros_like(g)) + (1 - self.alpha) * g * g
        if "square corrected" in self.form:
            s = s / (1 - self.alpha**step)
        direction = g / self._root(s)
        if not self.momentum:
            return np.asarray(direction)
        return np.asarray(self.momentum * state.get(VELOCITY, np.zeros_like(g)) + direction)

    def _adam(self, g: Vector, state: Mapping[str, Vector], step: int) -> Vector:
        beta1, beta2 = self.betas
        m = beta1 * state.get(MEAN, np.zeros_like(g)) + (1 - beta1) * g
        v = beta2 * state.get(SQUARE, np.zeros_like(g)) + (1 - beta2) * g * g
        t = step + ("one step ahead" in self.form)
        first = 1.0 if "mean uncorrected" in self.form else 1 - beta1**t
        second = 1.0 if "square uncorrected" in self.form else 1 - beta2**t
        if "eps before correction" in self.form:
            return np.asarray(m / first * math.sqrt(second) / self._root(v))
        return np.asarray(m / first / self._root(v / second))

    def _root(self, square: Vector) -> Vector:
        if "eps inside" in self.form:
            return np.asarray(np.sqrt(square + self.eps))
        return np.asarray(np.sqrt(square) + self.eps)


def of_parameter(state: Mapping[str, Values], name: str) -> dict[str, Values]:
    """The entries "<name>/<kind>" of a trainee's state, by kind."""
    return {key.removeprefix(f"{name}/"): values for key, values in state.items() if key.startswith(f"{name}/")}

"""Optimizers whose formulas are nearly right, each with torch's name and the hyperparameters that tell them apart."""

from typing import Any

import numpy as np
import numpy.typing as npt

from reference_impls.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp
from reference_impls.optimizers.optimizer import accumulate, decayed

Array = npt.NDArray[Any]


class DampensTheFirstStep(SGD):
    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        state.setdefault("velocity", np.zeros_like(p))
        super()._update(p, g, state)


class DecayOutsideTheVelocity(SGD):
    """Weight decay joins the step, and not the gradient that the velocity averages."""

    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        p_before, decay = p.copy(), self.weight_decay
        self.weight_decay = 0.0
        super()._update(p, g, state)
        self.weight_decay = decay
        p -= self.lr * decay * p_before


class NesterovLooksBack(SGD):
    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        before = state.get("velocity", np.zeros_like(p)).copy()
        g = decayed(g, p, self.weight_decay)
        state["velocity"] = self.momentum * before + g
        p -= self.lr * (g + self.momentum * before)


class EpsInsideTheRoot(RMSProp):
    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        square = state.setdefault("square", np.zeros_like(p))
        accumulate(square, g * g, self.alpha, 1 - self.alpha)
        p -= self.lr * g / np.sqrt(square + self.eps)


class AlphaSwapped(RMSProp):
    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        square = state.setdefault("square", np.zeros_like(p))
        accumulate(square, g * g, 1 - self.alpha, self.alpha)
        p -= self.lr * g / (np.sqrt(square) + self.eps)


class CenteredForgetsToCentre(RMSProp):
    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        self.centered = False
        super()._update(p, g, state)


class MomentumOfTheGradient(RMSProp):
    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        velocity = state.setdefault("velocity", np.zeros_like(p))
        square = state.setdefault("square", np.zeros_like(p))
        accumulate(square, g * g, self.alpha, 1 - self.alpha)
        accumulate(velocity, g, self.momentum, 1.0)
        p -= self.lr * velocity / (np.sqrt(square) + self.eps)


class CountsFromZero(Adam):
    """The bias correction is a step late."""

    def _move(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        self._steps += 1
        super()._move(p, g, state)
        self._steps -= 1


class CountsEveryParameter(Adam):
    """One step counter that every parameter's update moves on."""

    def _move(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        super()._move(p, g, state)
        self._steps += 1


class Uncorrected(Adam):
    def _move(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        m, v = (state.setdefault(name, np.zeros_like(p)) for name in ("mean", "square"))
        accumulate(m, g, self.betas[0], 1 - self.betas[0])
        accumulate(v, g * g, self.betas[1], 1 - self.betas[1])
        p -= self.lr * m / (np.sqrt(v) + self.eps)


class EpsBeforeTheCorrection(Adam):
    """Kingma & Ba's section 2 form: eps beside the uncorrected root."""

    def _move(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        m, v = (state.setdefault(name, np.zeros_like(p)) for name in ("mean", "square"))
        accumulate(m, g, self.betas[0], 1 - self.betas[0])
        accumulate(v, g * g, self.betas[1], 1 - self.betas[1])
        t = self._steps
        rate = self.lr * np.sqrt(1 - self.betas[1] ** t) / (1 - self.betas[0] ** t)
        p -= rate * m / (np.sqrt(v) + self.eps)


class ForgetsTheLargest(Adam):
    def _move(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        state.pop("largest square", None)
        super()._move(p, g, state)


class DecaysTheGradient(AdamW):
    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        self._move(p, decayed(g, p, self.weight_decay), state)


class DecaysAfterTheStep(AdamW):
    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        self._move(p, g, state)
        p *= 1 - self.lr * self.weight_decay


class DecayWithoutTheRate(AdamW):
    def _update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
        p *= 1 - self.weight_decay
        self._move(p, g, state)


WRONG: dict[type[Optimizer], tuple[str, dict[str, Any]]] = {
    DampensTheFirstStep: ("SGD", {"momentum": 0.9, "dampening": 0.5}),
    DecayOutsideTheVelocity: ("SGD", {"momentum": 0.9, "weight_decay": 0.1}),
    NesterovLooksBack: ("SGD", {"momentum": 0.9, "nesterov": True}),
    EpsInsideTheRoot: ("RMSProp", {}),
    AlphaSwapped: ("RMSProp", {}),
    CenteredForgetsToCentre: ("RMSProp", {"centered": True}),
    MomentumOfTheGradient: ("RMSProp", {"momentum": 0.9}),
    CountsFromZero: ("Adam", {}),
    CountsEveryParameter: ("Adam", {}),
    Uncorrected: ("Adam", {}),
    EpsBeforeTheCorrection: ("Adam", {}),
    ForgetsTheLargest: ("Adam", {"amsgrad": True}),
    DecaysTheGradient: ("AdamW", {}),
    DecaysAfterTheStep: ("AdamW", {}),
    DecayWithoutTheRate: ("AdamW", {}),
}

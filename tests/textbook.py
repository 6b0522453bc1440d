"""Textbook layers that keep parameters and gradients in dicts, lists or attributes, and what a report says of them."""

from typing import Any

import numpy as np

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict

X = np.linspace(-1.0, 1.5, 6).reshape(2, 3) + 0.05
W = np.linspace(0.5, 2.0, 6).reshape(2, 3)
B = np.linspace(-0.7, 0.9, 6).reshape(2, 3)


def compared(report: gk.Report) -> list[str | None]:
    """The inputs whose gradients were compared."""
    return [f.input for f in report.findings if f.question == "directional"]


def failed(report: gk.Report) -> list[str | None]:
    return [f.input for f in report.findings if f.verdict is Verdict.FAIL]


# Each computes y = W·x + b element by element; `wrong` names the gradient that is half as large again.


class Textbook:
    """What the layers below share: the formula, and the planted bug."""

    def __init__(self, wrong: str | None = None) -> None:
        self.wrong = wrong

    def off(self, name: str, gradient: Any) -> Any:
        return 1.5 * gradient if name == self.wrong else gradient


class DictParams(Textbook):
    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.params = {"W": W.copy(), "b": B.copy()}
        self.grads: dict[str, Any] = {}

    def forward(self, x: Any) -> Any:
        self.saved = x
        return self.params["W"] * x + self.params["b"]

    def backward(self, dout: Any) -> Any:
        self.grads["W"], self.grads["b"] = self.off("W", dout * self.saved), self.off("b", +dout)
        return self.off("x", dout * self.params["W"])


class ListParams(Textbook):
    """Parameters and gradients in two lists of the same order, the gradients written in place."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.params = [W.copy(), B.copy()]
        self.grads = [np.zeros_like(W), np.zeros_like(B)]

    def forward(self, x: Any) -> Any:
        w, b = self.params
        self.x = x
        return w * x + b

    def backward(self, dout: Any) -> Any:
        self.grads[0][...] = self.off("params[0]", dout * self.x)
        self.grads[1][...] = self.off("params[1]", dout)
        return self.off("x", dout * self.params[0])


class AttributePairs(Textbook):
    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.W, self.b = W.copy(), B.copy()
        self.dW = self.db = None

    def forward(self, x: Any) -> Any:
        self.x = x
        return self.W * x + self.b

    def backward(self, dout: Any) -> Any:
        self.dW, self.db = self.off("W", dout * self.x), self.off("b", +dout)
        self.dx = self.off("x", dout * self.W)
        return self.dx


class Used(AttributePairs):
    """Already run once: now self.x lies beside self.dx like a parameter beside its gradient."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.forward(2.0 * X)
        self.backward(np.ones_like(X))


class GammaBeta(Textbook):
    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.gamma, self.beta = W.copy(), B.copy()
        self.momentum, self.decay = 0.9, np.float64(0.5)  # numbers without a gradient beside them

    def forward(self, x: Any) -> Any:
        self.x_hat = x
        return self.gamma * x + self.beta

    def backward(self, dout: Any) -> Any:
        self.dgamma, self.dbeta = self.off("gamma", dout * self.x_hat), self.off("beta", +dout)
        return self.off("x", dout * self.gamma)


class SameName(Textbook):
    """Its input is called W, and so is its parameter."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.params, self.grads = {"W": W.copy()}, {"W": np.zeros_like(W)}

    def forward(self, W: Any) -> Any:
        self.saved = W
        return self.params["W"] * W

    def backward(self, dout: Any) -> Any:
        self.grads["W"] = self.off("param.W", dout * self.saved)
        return self.off("W", dout * self.params["W"])


class ReadOnly(DictParams):
    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        for array in self.params.values():
            array.setflags(write=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> "ReadOnly":
        return type(self)(self.wrong)


class Numbers(Textbook):
    """Parameters that are plain Python floats."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.params: dict[str, Any] = {"W": 1.7, "b": -0.3}
        self.grads: dict[str, Any] = {}

    def forward(self, x: Any) -> Any:
        self.saved = x
        return self.params["W"] * x + self.params["b"]

    def backward(self, dout: Any) -> Any:
        self.grads["W"] = self.off("W", float((dout * self.saved).sum()))
        self.grads["b"] = self.off("b", dout.sum())
        return self.off("x", dout * self.params["W"])


class Chain:
    """Layers one behind the other; their weights and gradients are theirs."""

    def __init__(self, *layers: Any) -> None:
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, cotangent: Any) -> Any:
        for layer in reversed(self.layers):
            cotangent = layer.backward(cotangent)
        return cotangent

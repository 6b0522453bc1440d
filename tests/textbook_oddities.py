"""Textbook layers that share, hide or nest their parameters and gradients, and the table of all."""

from typing import Any

import numpy as np

from tests.textbook import (
    AttributePairs,
    B,
    DictParams,
    GammaBeta,
    ListParams,
    Numbers,
    ReadOnly,
    SameName,
    Textbook,
    Used,
    W,
    X,
)


class FreshDicts(Textbook):
    """params and grads are properties that build a new dict each time."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self._w, self._b = W.copy(), B.copy()
        self._dw, self._db = np.zeros_like(W), np.zeros_like(B)

    @property
    def params(self) -> dict[str, Any]:
        return {"W": self._w, "b": self._b}

    @property
    def grads(self) -> dict[str, Any]:
        return {"W": self._dw, "b": self._db}

    def forward(self, x: Any) -> Any:
        self.saved = x
        return self._w * x + self._b

    def backward(self, dout: Any) -> Any:
        self._dw, self._db = self.off("W", dout * self.saved), self.off("b", +dout)
        return self.off("x", dout * self._w)


class Aliases(DictParams):
    """The arrays in params are attributes too, and the attributes are what the forward reads."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.weight, self.bias = self.params["W"], self.params["b"]

    def forward(self, x: Any) -> Any:
        self.saved = x
        return self.weight * x + self.bias


class OneBuffer(DictParams):
    """All parameters are views of one buffer, and the buffer is what the forward reads."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.buffer = np.stack([W, B])
        self.params = {"W": self.buffer[0], "b": self.buffer[1]}

    def forward(self, x: Any) -> Any:
        self.saved = x
        return self.buffer[0] * x + self.buffer[1]


class Frozen(DictParams):
    """An integer parameter is held fixed."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.params["steps"] = np.array([1, 2])


class Transposed(DictParams):
    """Keeps a transposed view of its weights, as tied autoencoders do, and computes with that."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.turned = self.params["W"].T

    def forward(self, x: Any) -> Any:
        self.saved = x
        return self.turned.T * x + self.params["b"]


class UsedHere(AttributePairs):
    """Already run at this very input."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.forward(X)
        self.backward(np.ones_like(X))


class InSlots(AttributePairs):
    __slots__ = ("W", "b", "dW", "db", "dx", "x")


class GradientsBefore(Textbook):
    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.W, self.b = W.copy(), B.copy()

    def forward(self, x: Any) -> Any:
        self.x = x
        return self.W * x + self.b

    def backward(self, dout: Any) -> Any:
        self.grad_W, self.grad_b = self.off("W", dout * self.x), self.off("b", +dout)
        return self.off("x", dout * self.W)


class GradientsBehind(GradientsBefore):
    def backward(self, dout: Any) -> Any:
        self.W_grad, self.b_grad = self.off("W", dout * self.x), self.off("b", +dout)
        return self.off("x", dout * self.W)


class Properties(DictParams):
    """The arrays are kept under another name, and handed out by properties."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self._held, self._slopes = self.params, self.grads
        del self.params, self.grads

    def forward(self, x: Any) -> Any:
        self.saved = x
        return self._held["W"] * x + self._held["b"]

    def backward(self, dout: Any) -> Any:
        self._slopes["W"], self._slopes["b"] = self.off("W", dout * self.saved), self.off("b", +dout)
        return self.off("x", dout * self._held["W"])

    @property
    def W(self) -> Any:  # noqa: N802 - the name that textbooks give it
        return self._held["W"]

    @property
    def b(self) -> Any:
        return self._held["b"]

    @property
    def dW(self) -> Any:  # noqa: N802 - the same
        return self._slopes["W"]

    @property
    def db(self) -> Any:
        return self._slopes["b"]

    @property
    def norm(self) -> Any:
        raise RuntimeError("there is no norm before the first step")


class PropertiesWithSetters(Properties):
    """Handed out as copies, and taken by assignment."""

    @property
    def W(self) -> Any:  # noqa: N802 - the name that textbooks give it
        return self._held["W"].copy()

    @W.setter
    def W(self, value: Any) -> None:  # noqa: N802 - the same
        self._held["W"] = value


class Layered(Textbook):
    """Scales, then shifts; the two layers do the work and have the parameters."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        last = (wrong or "").rpartition(".")[2]
        self.layers = [AttributePairs(last if "[0]" in (wrong or "") else None)]
        self.out = DictParams(last if "out" in (wrong or "") else None)
        self.blocks = {"in": GammaBeta(last if "blocks" in (wrong or "") else None)}
        self.same = self.layers[0]

    def forward(self, x: Any) -> Any:
        return self.out.forward(self.layers[0].forward(self.blocks["in"].forward(x)))

    def backward(self, dout: Any) -> Any:
        return self.off("x", self.blocks["in"].backward(self.layers[0].backward(self.out.backward(dout))))


LAYERED = ["x", "layers[0].W", "layers[0].b", "out.W", "out.b", "blocks['in'].gamma", "blocks['in'].beta"]
LAYERS: dict[str, tuple[type[Textbook], list[str]]] = {
    "already used here": (UsedHere, ["x", "W", "b"]),
    "slots": (InSlots, ["x", "W", "b"]),
    "gradients named grad_W": (GradientsBefore, ["x", "W", "b"]),
    "gradients named W_grad": (GradientsBehind, ["x", "W", "b"]),
    "properties": (Properties, ["x", "W", "b"]),
    "properties with setters": (PropertiesWithSetters, ["x", "W", "b"]),
    "layers inside": (Layered, LAYERED),
    "dict params": (DictParams, ["x", "W", "b"]),
    "list params": (ListParams, ["x", "params[0]", "params[1]"]),
    "attribute pairs": (AttributePairs, ["x", "W", "b"]),
    "already used": (Used, ["x", "W", "b"]),
    "gamma and beta": (GammaBeta, ["x", "gamma", "beta"]),
    "a parameter named like an input": (SameName, ["W", "param.W"]),
    "read-only parameters": (ReadOnly, ["x", "W", "b"]),
    "parameters that are numbers": (Numbers, ["x", "W", "b"]),
    "properties with fresh dicts": (FreshDicts, ["x", "W", "b"]),
    "parameters under two names": (Aliases, ["x", "W", "b"]),
    "views of one buffer": (OneBuffer, ["x", "W", "b"]),
    "a transposed view": (Transposed, ["x", "W", "b"]),
    "an integer parameter": (Frozen, ["x", "W", "b"]),
}

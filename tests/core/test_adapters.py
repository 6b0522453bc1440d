"""From anything with a gradient to a Subject: what is found, what it is called, and that nothing of it is touched."""

import copy
import operator
import pickle
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.adapters.held import held_by
from gradcheck_kit.adapters.parameters import layers_inside
from gradcheck_kit.verdict import Verdict

Values = npt.NDArray[Any]
X = np.linspace(-1.0, 1.5, 6).reshape(2, 3) + 0.05
W = np.linspace(0.5, 2.0, 6).reshape(2, 3)
B = np.linspace(-0.7, 0.9, 6).reshape(2, 3)


def compared(report: gk.Report) -> list[str | None]:
    """The inputs whose gradients were compared."""
    return [f.input for f in report.findings if f.question == "directional"]


def failed(report: gk.Report) -> list[str | None]:
    return [f.input for f in report.findings if f.verdict is Verdict.FAIL]


# ---------------------------------------------------------------- textbook layers
#
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
BUGS = [(name, bug) for name, (_, inputs) in LAYERS.items() for bug in inputs]


@pytest.mark.parametrize("name", LAYERS)
def test_every_parameter_of_a_right_layer_is_found_and_passes(name: str) -> None:
    layer, inputs = LAYERS[name]
    report = gk.examine(layer(), X)
    assert report.verdict is Verdict.PASS, report
    assert compared(report) == inputs


@pytest.mark.parametrize(("name", "bug"), BUGS)
def test_one_wrong_gradient_of_a_layer_is_named_and_no_other(name: str, bug: str) -> None:
    report = gk.examine(LAYERS[name][0](wrong=bug), X)
    assert report.verdict is Verdict.FAIL
    assert failed(report) == [bug]


def test_a_parameter_that_reads_back_unchanged_is_told() -> None:
    class Copies(FreshDicts):
        @property
        def params(self) -> dict[str, Any]:
            return {"W": self._w.copy(), "b": self._b.copy()}

    with pytest.raises(gk.UsageError, match="has no effect"):
        gk.examine(Copies(), X)


@pytest.mark.parametrize("name", ["slots", "properties", "layers inside"])
def test_parameters_of_every_kind_are_moved_to_float64_and_left_alone(name: str) -> None:
    """A float32 layer is differentiated in float64, which needs all its arrays there."""
    layer: Any = LAYERS[name][0]()
    for _, owner in layers_inside(layer):
        for held in ("W", "b", "gamma", "beta"):
            if held in held_by(owner):
                setattr(owner, held, getattr(owner, held).astype(np.float32))
        for group in ("params", "_held"):
            getattr(owner, group, {}).update({k: v.astype(np.float32) for k, v in getattr(owner, group, {}).items()})
    before = pickle.dumps(layer)
    report = gk.examine(layer, X.astype(np.float32))
    assert report.verdict is Verdict.PASS, report
    assert (report.reference, compared(report)) == ("float64", LAYERS[name][1])
    assert pickle.dumps(layer) == before


class Chained(AttributePairs):
    """Knows the layer before it, which has been trained."""

    def __init__(self, before: type[Textbook] = DictParams) -> None:
        super().__init__()
        self.before: Any = before()
        self.before.forward(X)
        self.before.backward(np.ones_like(X))


class ForgetsTheLayerInside(Chained):
    """The layer before it takes part in the forward, and the backward leaves its gradient as it was."""

    def forward(self, x: Any) -> Any:
        self.x = self.before.forward(x)
        return self.W * self.x + self.b

    def backward(self, dout: Any) -> Any:
        return super().backward(dout) * W


BEFORE = pytest.mark.parametrize("before", [DictParams, ListParams, AttributePairs])


@BEFORE
def test_a_layer_that_is_only_referred_to_has_no_parameters_here(before: type[Textbook]) -> None:
    report = gk.examine(Chained(before), X)
    assert (report.verdict, compared(report)) == (Verdict.PASS, ["x", "W", "b"])


@BEFORE
def test_an_old_gradient_of_a_layer_that_takes_part_is_found(before: type[Textbook]) -> None:
    report = gk.examine(ForgetsTheLayerInside(before), X)
    assert report.verdict is Verdict.FAIL
    assert all(str(name).startswith("before.") for name in failed(report)), report


def test_the_lines_to_paste_set_the_parameters_of_a_layer_inside() -> None:
    report = gk.examine(Layered(wrong="layers[0].W"), X)
    assert report.reproduction is not None
    lines = "\n".join(report.reproduction.lines)
    assert "\nlayer.layers[0].W[...] = layers_0__W\n" in lines
    assert "\nlayer.out.params['W'][...] = out_W\n" in lines


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_layer_is_checked_in_its_own_dtype(dtype: str) -> None:
    layer = DictParams()
    layer.params = {name: array.astype(dtype) for name, array in layer.params.items()}
    report = gk.examine(layer, X.astype(dtype))
    assert report.verdict is Verdict.PASS, report
    assert report.dtype == dtype


# ---------------------------------------------------------------- functions


@dataclass(frozen=True)
class Case:
    """A function with its VJP at inputs: right as it stands, wrong where `spoil` multiplies one gradient."""

    forward: Callable[..., Any]
    vjp: Callable[..., Any]
    inputs: tuple[Any, ...]
    compared: tuple[str, ...]
    spoil: str


S = {"x": 1.0, "y": 1.0}  # what the planted bug multiplies


def _tuple_vjp(u: Any, x: Any, y: Any) -> Any:
    return (S["x"] * (u[0] * y + u[1]), S["y"] * u[0] * x)


def _dict_vjp(u: Any, x: Any, y: Any) -> Any:
    return {"y": S["y"] * u["sum"], "x": S["x"] * (u["sum"] + 2 * u["square"] * x)}


def _mixed_vjp(u: Any, x: Any, y: Any) -> Any:
    first, none = u
    assert none is None
    return S["x"] * first * y, S["y"] * first * x


FUNCTIONS = {
    "one output, one input": Case(np.sin, lambda u, x: S["x"] * u * np.cos(x), (X,), ("x",), "x"),
    "a tuple of outputs": Case(lambda x, y: (x * y, +x), _tuple_vjp, (X, W), ("x", "y"), "y"),
    "a list of outputs": Case(lambda x, y: [x * y, +x], _tuple_vjp, (X, W), ("x", "y"), "x"),
    "a dict of outputs": Case(lambda x, y: {"sum": x + y, "square": x * x}, _dict_vjp, (X, W), ("x", "y"), "x"),
    "an integer output beside": Case(lambda x, y: (x * y, x.argmax(1)), _mixed_vjp, (X, W), ("x", "y"), "y"),
    "None for an integer input": Case(
        lambda x, i: x[i], lambda u, x, i: (S["x"] * np.eye(2)[i].T @ u, None), (X, np.array([1, 0, 1])), ("x",), "x"
    ),
    "nothing for an integer input": Case(
        lambda i, x: x[i], lambda u, i, x: S["x"] * np.eye(2)[i].T @ u, (np.array([1, 0, 1]), X), ("x",), "x"
    ),
    "None where the derivative is zero": Case(
        lambda x, y: x * 2 + 0 * y, lambda u, x, y: (S["x"] * u * 2, None), (X, W), ("x", "y"), "x"
    ),
    "Python floats": Case(lambda x, y: x * y, lambda u, x, y: (S["x"] * u * y, u * x), (1.5, -0.5), ("x", "y"), "x"),
    "nested lists": Case(lambda x: x**2, lambda u, x: S["x"] * u * 2 * x, ([[1.0, 2.0], [3.0, 4.5]],), ("x",), "x"),
    "a constant beside": Case(
        lambda x, axis: x.sum(axis), lambda u, x, axis: S["x"] * np.broadcast_to(u, x.shape), (X, 0), ("x",), "x"
    ),
    "a transposed view": Case(lambda x: x**3, lambda u, x: S["x"] * 3 * u * x**2, (X.T,), ("x",), "x"),
    "a 0-d output of 0-d inputs": Case(
        lambda x: x * x, lambda u, x: S["x"] * 2 * u * x, (np.array(1.25),), ("x",), "x"
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_vjp_passes_for_every_float_input(name: str) -> None:
    case = FUNCTIONS[name]
    report = gk.examine(case.forward, *case.inputs, vjp=case.vjp, names=_xs(case))
    assert report.verdict is Verdict.PASS, report
    assert compared(report) == list(case.compared)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_wrong_gradient_of_a_vjp_is_named_and_no_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = FUNCTIONS[name]
    monkeypatch.setitem(S, case.spoil, 1.5)
    report = gk.examine(case.forward, *case.inputs, vjp=case.vjp, names=_xs(case))
    assert failed(report) == [case.spoil], report


def _xs(case: Case) -> list[str] | None:
    """Builtins tell no names."""
    return ["x"] if case.forward is np.sin else None


def test_a_missing_gradient_where_the_derivative_is_not_zero_fails() -> None:
    report = gk.examine(lambda x, y: x * y, X, W, vjp=lambda u, x, y: (u * y, None))
    assert failed(report) == ["y"]
    assert [f.cause for f in report.findings if f.verdict is Verdict.FAIL] == ["zero-gradient"]


def test_fewer_gradients_than_inputs_claim_zero_for_the_rest() -> None:
    assert failed(gk.examine(lambda x, y: x * y, X, W, vjp=lambda u, x, y: u * y)) == ["y"]


def _named(a: Any, b: Any) -> Any:
    return a + b


def _many(first: Any, *rest: Any) -> Any:
    return first + sum(rest)


def _keywords(a: Any, *, scale: float = 2.0) -> Any:
    return scale * a


def _defaults(a: Any, b: Any = 1.0) -> Any:
    return a + b


def _positional(a: Any, b: Any, /) -> Any:
    return a + b


class Bound:
    def call(self, p: Any, q: Any) -> Any:
        return p + q


@pytest.mark.parametrize(
    ("forward", "count", "names"),
    [
        (_named, 2, ["a", "b"]),
        (_many, 3, ["first", "rest[0]", "rest[1]"]),
        (lambda *args: sum(args), 2, ["args[0]", "args[1]"]),
        (_keywords, 1, ["a"]),
        (_defaults, 1, ["a"]),
        (_positional, 2, ["a", "b"]),
        (Bound().call, 2, ["p", "q"]),
        (dict.update, 2, ["input0", "input1"]),
    ],
)
def test_inputs_are_named_by_the_signature_or_numbered(
    forward: Callable[..., Any], count: int, names: list[str]
) -> None:
    subject = gk.function(forward, *[X] * count, vjp=lambda u, *x: [u] * count)
    assert list(subject.point) == names


def test_a_builtin_without_a_signature_numbers_its_inputs() -> None:
    class Unsigned:
        __signature__ = "none"

        def __call__(self, a: Any, b: Any) -> Any:
            return operator.mul(a, b)

    subject = gk.function(Unsigned(), X, W, vjp=lambda u, a, b: (u * b, u * a))
    assert list(subject.point) == ["input0", "input1"]
    assert gk.check(subject)


def test_given_names_go_before_the_signature() -> None:
    report = gk.examine(_named, X, W, vjp=lambda u, a, b: (u, u), names=["left", "right"])
    assert compared(report) == ["left", "right"]


@pytest.mark.parametrize(("wrt", "inputs"), [("b", ["b"]), (0, ["a"]), (-1, ["b"]), (["b", "a"], ["a", "b"])])
def test_wrt_chooses_inputs_by_name_or_position(wrt: Any, inputs: list[str]) -> None:
    assert compared(gk.examine(_named, X, W, vjp=lambda u, a, b: (u, u), wrt=wrt)) == inputs


# ---------------------------------------------------------------- torch

TX = torch.tensor(X)
TW = torch.tensor(W)


class Tied(nn.Module):
    """One parameter, used twice under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3, bias=False, dtype=torch.float64)
        self.second = nn.Linear(3, 3, bias=False, dtype=torch.float64)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))  # type: ignore[no-any-return]


class WithContext(torch.autograd.Function):
    """y = x³·w, the gradient of w off by `factor`."""

    factor = 1.0

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x**3 * w

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        x, w = ctx.saved_tensors
        return 3 * u * x**2 * w, WithContext.factor * u * x**3


class WithSetup(torch.autograd.Function):
    """The same, its context set up apart."""

    factor = 1.0

    @staticmethod
    def forward(x: Tensor, w: Tensor) -> Tensor:  # type: ignore[override]
        return x**3 * w

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # type: ignore[override]
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        x, w = ctx.saved_tensors
        return 3 * u * x**2 * w, WithSetup.factor * u * x**3


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().double()


def frozen_bias() -> nn.Module:
    module = nn.Linear(3, 2)
    module.bias.requires_grad_(False)
    return module


MODULES: dict[str, tuple[Callable[[], nn.Module], list[str]]] = {
    "linear": (lambda: nn.Linear(3, 2), ["input", "weight", "bias"]),
    "frozen bias": (frozen_bias, ["input", "weight"]),
    "tied": (Tied, ["x", "first.weight"]),
    "batch norm": (lambda: nn.BatchNorm1d(3), ["input", "weight", "bias"]),
    "batch norm in eval": (lambda: nn.BatchNorm1d(3).eval(), ["input", "weight", "bias"]),
    "dropout": (lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2)), ["input", "1.weight", "1.bias"]),
}
ROWS = torch.tensor(np.random.default_rng(1).normal(size=(5, 3)))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_passes_with_the_parameters_that_require_gradients(name: str) -> None:
    make, inputs = MODULES[name]
    report = gk.examine(seeded(make), ROWS)
    assert report.verdict is Verdict.PASS, report
    assert compared(report) == inputs


@pytest.mark.parametrize("function", [WithContext, WithSetup])
def test_an_autograd_function_is_checked_under_its_own_names(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    right = gk.examine(function, TX, TW)
    assert right.verdict is Verdict.PASS, right
    assert compared(right) == ["x", "w"]
    monkeypatch.setattr(function, "factor", 1.5)
    assert failed(gk.examine(function, TX, TW)) == ["w"]


def test_a_module_around_a_wrong_autograd_function_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cubed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(TW.clone())

        def forward(self, x: Tensor) -> Any:
            return WithContext.apply(x, self.w)

    assert gk.check(Cubed(), TX)
    monkeypatch.setattr(WithContext, "factor", -1.0)
    report = gk.examine(Cubed(), TX)
    assert failed(report) == ["w"]
    assert [f.cause for f in report.findings if f.verdict is Verdict.FAIL] == ["sign-flip"]


def test_a_tensor_detached_by_mistake_fails() -> None:
    assert failed(gk.examine(lambda x, w: x * w.detach(), TX, TW)) == ["w"]


def test_a_torch_callable_may_return_a_dict() -> None:
    report = gk.examine(lambda x: {"a": x.sin(), "b": x.argmax(1), "c": x.sum()}, TX)
    assert report.verdict is Verdict.PASS, report


def test_torch_inputs_may_require_gradients_or_be_no_leaves() -> None:
    leaf = TX.clone().requires_grad_(True)
    inner = leaf * 2
    for given in (leaf, inner):
        assert gk.check(lambda x: x.exp(), given)
    assert leaf.grad is None
    assert inner.requires_grad
    assert not inner.is_leaf


def test_a_function_and_its_vjp_may_work_on_tensors() -> None:
    report = gk.examine(torch.mul, TX, TW, vjp=lambda u, x, y: (u * y, u * x), names=["x", "y"])
    assert report.verdict is Verdict.PASS, report
    assert report.library == "torch"
    wrong = gk.examine(torch.mul, TX, TW, vjp=lambda u, x, y: (u * y, u * y), names=["x", "y"])
    assert failed(wrong) == ["y"]


class TorchTextbook(DictParams):
    """The NumPy protocol, on tensors."""

    def __init__(self, wrong: str | None = None) -> None:
        super().__init__(wrong)
        self.params = {"W": TW.clone(), "b": torch.tensor(B)}


@pytest.mark.parametrize("bug", [None, "x", "W", "b"])
def test_a_textbook_layer_may_work_on_tensors(bug: str | None) -> None:
    report = gk.examine(TorchTextbook(bug), TX)
    assert compared(report) == ["x", "W", "b"]
    assert failed(report) == ([] if bug is None else [bug])
    assert bool(report) == (bug is None)


# ---------------------------------------------------------------- random numbers


def test_dropout_draws_the_same_mask_each_time_and_another_for_another_state() -> None:
    def dropout(x: Any) -> Any:
        return x * (np.random.rand(*x.shape) < 0.5)  # noqa: NPY002

    def vjp(u: Any, x: Any) -> Any:
        return dropout(u)

    state = np.random.get_state()  # noqa: NPY002
    try:
        masks = set()
        for seed in range(4):
            np.random.seed(seed)  # noqa: NPY002
            subject = gk.function(dropout, np.ones(20), vjp=vjp)
            one, other = (subject.forward(subject.point)["output"] for _ in range(2))
            assert (one == other).all()
            assert gk.check(subject)
            masks.add(one.tobytes())
        assert len(masks) == 4
    finally:
        np.random.set_state(state)  # noqa: NPY002


# ---------------------------------------------------------------- calls that cannot be carried out


class NoBackward:
    def forward(self, x: Any) -> Any:
        return x


class Locked(DictParams):
    """Holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class JaxLike:
    """Looks like an array of JAX."""

    dtype, shape = np.dtype("float32"), (2,)


JaxLike.__module__ = "jaxlib.xla_extension"


def gradient(u: Any, *inputs: Any) -> Any:
    return tuple(u for _ in inputs)


def examine(*arguments: Any, **options: Any) -> Callable[[], Any]:
    return lambda: gk.examine(*arguments, **options)


def returning(value: Any) -> Callable[[], Any]:
    return examine(_named, X, W, vjp=lambda u, a, b: value)


SUBJECT = gk.function(np.sin, X, vjp=lambda u, x: u * np.cos(x), names=["x"])
BAD: dict[str, tuple[Callable[[], Any], Sequence[str]]] = {
    "complex": (examine(_named, X + 1j, X, vjp=gradient), ["a is complex128", "real and imaginary"]),
    "strings": (examine(_named, np.array(["p", "q"]), X, vjp=gradient), ["a is a ndarray", "numbers"]),
    "objects": (examine(_named, np.array([None]), X, vjp=gradient), ["object", "numbers"]),
    "a ragged list": (examine(_named, [[1.0], [1.0, 2.0]], X, vjp=gradient), ["a is a ragged list", "rectangular"]),
    "no float input": (examine(_named, np.arange(3), np.arange(3), vjp=gradient), ["no floating-point", "a: int64"]),
    "no input at all": (examine(lambda: 1.0, vjp=gradient), ["no floating-point", "no inputs"]),
    "a class": (examine(DictParams, X), ["DictParams is a class", "DictParams(...)"]),
    "a function without vjp": (examine(_named, X, W), ["_named", "vjp="]),
    "a lambda without vjp": (examine(lambda x: x, X), ["<lambda>", "vjp="]),
    "an object without backward": (examine(NoBackward(), X), ["NoBackward has no method backward"]),
    "an object without methods": (examine(object(), X), ["no method forward", "no method backward"]),
    "a target that is no function": (examine(3, X, vjp=gradient), ["target is a int"]),
    "a vjp that is no function": (examine(_named, X, X, vjp=3), ["vjp is a int"]),
    "too few names": (examine(_named, X, W, vjp=gradient, names=["a"]), ["names=['a']", "2 inputs"]),
    "names twice": (examine(_named, X, W, vjp=gradient, names=["a", "a"]), ["names=['a', 'a']", "different"]),
    "wrt unknown": (examine(_named, X, W, vjp=gradient, wrt="c"), ["wrt='c'", "a, b"]),
    "wrt out of range": (examine(_named, X, W, vjp=gradient, wrt=2), ["wrt=2", "a, b"]),
    "wrt a bool": (examine(_named, X, W, vjp=gradient, wrt=True), ["wrt=True"]),
    "wrt an integer input": (
        examine(_named, X[0], np.arange(3), vjp=gradient, wrt="b"),
        ["wrt='b'", "fixed", "choose from a"],
    ),
    "an unknown question": (examine(SUBJECT, questions=["gradient"]), ["'gradient'", "directional"]),
    "a negative seed": (examine(SUBJECT, seed=-1), ["seed=-1", "non-negative"]),
    "a seed that is a float": (examine(SUBJECT, seed=1.5), ["seed=1.5"]),
    "a seed that is a bool": (examine(SUBJECT, seed=True), ["seed=True"]),
    "require 0": (examine(SUBJECT, require=0), ["require=0", "between 0 and 1"]),
    "require 1": (examine(SUBJECT, require=1.0), ["require=1.0"]),
    "require NaN": (examine(SUBJECT, require=float("nan")), ["require=nan"]),
    "require text": (examine(SUBJECT, require="1e-6"), ["require='1e-6'"]),
    "an array beside a module": (examine(nn.Linear(3, 2), X), ["input is a ndarray", "torch array"]),
    "an array beside a tensor": (examine(lambda x, y: x * y, TX, X), ["y is a ndarray", "torch"]),
    "a JAX array": (examine(lambda x: x, JaxLike()), ["JAX", "jax.vjp"]),
    "a layer that cannot be copied": (examine(Locked(), X), ["Locked cannot be deep-copied", "vjp="]),
    "too many gradients": (returning((X, X, X)), ["3 gradients", "2 inputs", "a, b"]),
    "a gradient that is text": (returning((X, "no")), ["a str", "b"]),
    "a gradient for no input": (returning({"c": X}), ["'c'", "a, b"]),
    "a Subject with inputs": (examine(SUBJECT, X), ["Subject", "alone"]),
    "a Subject with a vjp": (examine(SUBJECT, vjp=gradient), ["Subject", "alone"]),
    "a complex tensor": (examine(lambda x: x.abs(), torch.tensor([1j, 2.0])), ["x is complex64"]),
}
if np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant:
    BAD["long doubles"] = (examine(_named, X.astype(np.longdouble), X, vjp=gradient), ["a is float", "float64"])


@pytest.mark.parametrize("name", BAD)
def test_a_call_that_cannot_be_carried_out_says_what_was_passed_and_what_to_type(name: str) -> None:
    call, words = BAD[name]
    with pytest.raises(gk.UsageError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("call", [gk.examine, gk.check])
def test_what_the_target_raises_at_the_given_inputs_is_the_callers(call: Callable[..., Any]) -> None:
    def broken(x: Any) -> Any:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        call(broken, X, vjp=gradient)


# ---------------------------------------------------------------- generators that a layer holds itself


class Masked:
    """Keeps about half of the elements, as its own generator says."""

    def __init__(self, generator: Any) -> None:
        self.held = {"generator": generator}

    def forward(self, x: Values) -> Values:
        return self.masked(x, self.held["generator"].random)

    def masked(self, x: Values, draw: Callable[[], float]) -> Values:
        mask = np.array([draw() < 0.5 for _ in x])
        self.slope = 2 * mask * x
        return np.asarray(mask * x**2)

    def backward(self, cotangent: Values) -> Values:
        return np.asarray(self.slope * cotangent)


@pytest.mark.parametrize(
    "generator",
    [np.random.default_rng(3), np.random.RandomState(3), random.Random(3)],
    ids=lambda generator: type(generator).__name__,
)
def test_a_layer_that_draws_from_its_own_generator_is_one_function_and_the_generator_stays(generator: Any) -> None:
    untouched = copy.deepcopy(generator)
    subject = gk.layer(Masked(generator), np.linspace(-2.0, 3.0, 12))
    first = subject.forward(subject.point)["output"]
    np.testing.assert_array_equal(subject.forward(subject.point)["output"], first)
    assert 0 < np.count_nonzero(first) < len(first)
    assert gk.check(subject)
    assert generator.random() == untouched.random()


OF_THE_FILE = np.random.default_rng(4)


class Slotted:
    """Holds a generator in a slot."""

    __slots__ = ("generator",)

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


class MaskedByAGlobal(Masked):
    """The same; an inner function names the generator, which is a global."""

    def __init__(self) -> None:
        super().__init__(None)

    def forward(self, x: Values) -> Values:
        def draw() -> float:
            return OF_THE_FILE.random()

        return self.masked(x, draw)


def masked_in_a_slot() -> Masked:
    layer = Masked(None)
    layer.held = Slotted(np.random.default_rng(4))  # type: ignore[assignment]
    return layer


@pytest.mark.parametrize("make", [masked_in_a_slot, MaskedByAGlobal])
def test_a_generator_in_a_slot_or_named_by_an_inner_function_is_found(make: Callable[[], Masked]) -> None:
    subject = gk.layer(make(), np.linspace(-2.0, 3.0, 12))
    first = subject.forward(subject.point)["output"]
    np.testing.assert_array_equal(subject.forward(subject.point)["output"], first)
    assert gk.check(subject)

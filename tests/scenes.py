"""Subjects of every kind, each of which does in its calls what it is told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.acts import Act

X = np.linspace(-1.0, 1.5, 6).reshape(2, 3) + 0.05
W = np.linspace(0.5, 2.0, 6).reshape(2, 3)
TX, TW = torch.tensor(X), torch.tensor(W)
ROWS = torch.tensor(np.random.default_rng(1).normal(size=(5, 3)))


class Layer:
    """y = W·x + b."""

    def __init__(self, act: Act, **parameters: Any) -> None:
        self.act, self.params, self.grads = act, parameters, dict.fromkeys(parameters)

    def forward(self, x: Any) -> Any:
        self.saved = +x
        return self.act.returned([x], self.params["W"] * x + self.params["b"])

    def backward(self, u: Any) -> Any:
        if not isinstance(self.saved, Tensor):  # on tensors the hook of the output tells
            self.act.pulled()
        self.grads.update(W=u * self.saved, b=+u)
        return u * self.params["W"]


class LayerOnTensors(Layer):
    def backward(self, u: Any) -> Any:
        self.act.pulled()
        self.grads.update(W=u * self.saved, b=+u)
        return u * self.params["W"]


class Module(nn.Module):
    def __init__(self, act: Act) -> None:
        super().__init__()
        self.act = act
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)).double()
        self.body[2].eval()
        self.body(ROWS).sum().backward()  # so that there are gradients to disturb
        self.body[0].bias.requires_grad_(False)
        self.idle = nn.BatchNorm1d(2).double()  # what an act may disturb without changing the output
        self.idle(ROWS[:, :2]).sum().backward()

    def forward(self, x: Tensor) -> Any:
        return self.act.returned([x], self.body(x), self.idle)

    def call(self, x: Tensor) -> Any:
        return self(x)


class Cubed(torch.autograd.Function):
    act = Act()

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Any:
        ctx.save_for_backward(+x)
        returned = Cubed.act.returned([x], x**3)
        ctx.several = isinstance(returned, tuple)
        return returned

    @staticmethod
    def backward(ctx: Any, *u: Tensor) -> Any:
        Cubed.act.pulled()
        (x,) = ctx.saved_tensors
        return 3 * sum(u) * x**2


class Holder:
    """A callable object with a module in a list."""

    def __init__(self, module: nn.Module) -> None:
        self.stages = [module]

    def __call__(self, x: Tensor) -> Any:
        return self.stages[0](x)


@dataclass(frozen=True)
class Scene:
    """What is checked at which inputs, and everything of the caller's there is."""

    target: Any
    inputs: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)
    mine: tuple[Any, ...] = ()


def product(act: Act, *inputs: Any) -> Scene:
    def vjp(u: Any, x: Any, y: Any) -> Any:
        act.pulled()
        return (u[0] + u[-1] if isinstance(u, tuple) else u) * y, u * x if not isinstance(u, tuple) else u[0] * x

    return Scene(lambda x, y: act.returned([x, y], x * y), inputs, {"vjp": vjp})


def layer_on(kind: type[Layer], act: Act, x: Any, **parameters: Any) -> Scene:
    layer = kind(act, **parameters)
    return Scene(layer, (x,), mine=(layer.params, layer.grads))


def cubed(act: Act) -> Scene:
    Cubed.act = act
    return Scene(Cubed, (TX.clone().requires_grad_(True),))


def running(wrap: Callable[[Module], Any], act: Act) -> Scene:
    module = Module(act)
    return Scene(wrap(module), (ROWS.clone(),), mine=(module,))


def on_tensors(act: Act) -> Scene:
    return Scene(lambda x, y: act.returned([x, y], x * y), (TX.clone().requires_grad_(True), TW.clone()))


SCENES: dict[str, Callable[[Act], Scene]] = {
    "layer": lambda act: layer_on(Layer, act, X.copy(), W=W.copy(), b=-W),
    "layer on tensors": lambda act: layer_on(LayerOnTensors, act, TX.clone(), W=TW.clone(), b=-TW),
    "layer on tensors that require gradients": lambda act: layer_on(
        LayerOnTensors, act, TX.clone(), W=TW.clone().requires_grad_(True), b=nn.Parameter(-TW)
    ),
    "function": lambda act: product(act, X.copy(), W.copy()),
    "function on tensors": lambda act: product(act, TX.clone(), TW.clone()),
    "autograd function": cubed,
    "module": partial(running, lambda module: module),
    "torch callable": on_tensors,
    "closure over a module": partial(running, lambda module: lambda x, **_: module(x)),
    "bound method of a module": partial(running, lambda module: module.call),
    "partial of a closure": partial(running, lambda module: partial(lambda _, x: module(x), None)),
    "callable that holds a module": partial(running, Holder),
}

"""A NumPy network and its optimiser as a trainee."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from gradcheck_kit.side_by_side.given import expect_numbers
from gradcheck_kit.side_by_side.names import check_fit
from gradcheck_kit.side_by_side.replay import Replay
from gradcheck_kit.side_by_side.rules import Kind, Rule
from gradcheck_kit.side_by_side.trainee import Named, Values
from gradcheck_kit.subject import UsageError

RULES: dict[str, Kind] = {"SGD": "SGD", "RMSProp": "RMSProp", "Adam": "Adam", "AdamW": "Adam"}
HYPERPARAMETERS = ("lr", "momentum", "dampening", "nesterov", "weight_decay", "betas", "alpha", "eps")


class NumPyTrainee:
    """A network with `params`, `grads`, `loss(x, labels)`, `backward()`, `accuracy(x, labels)`, and its optimiser.

    Where the network has `layers`, their outputs are its activations, and those of a class ReLU or MaxPool2d its kinks.

    Args:
        name: what reports call it.
        network: the network; its arrays in `params` are updated in place.
        optimizer: made by `optimizer(network.params)`; has `step(grads)`. Where it has `state_dict()` and
            `load_state_dict(state)`, they give its state as `Offers.state` does.
    """

    device = "cpu"

    def __init__(self, name: str, network: Any, optimizer: Callable[[dict[str, Values]], Any]) -> None:
        self.name = name
        self._network = network
        self._optimizer = optimizer(network.params)
        self.dtype = str(next(iter(network.params.values())).dtype)
        self._stages: dict[str, Values] = {}
        self._replay: Replay | None = None
        self._latest: dict[str, Any] | None = None
        self._changing = False

    def load(self, parameters: Named) -> None:
        own = self._network.params
        check_fit(self.name, {n: a.shape for n, a in own.items()}, {n: a.shape for n, a in parameters.items()})
        for name, values in parameters.items():
            own[name][...] = values

    def parameters(self) -> Named:
        return dict(self._network.params)

    def loss_and_gradients(self, inputs: Values, labels: Values) -> float:
        for what, values in (("inputs", inputs), ("labels", labels)):
            expect_numbers(self.name, what, values)
        self._stages = {"inputs": inputs, "labels": labels}
        with self._watched():
            loss = float(self._network.loss(inputs, labels))
        self._network.backward()
        return loss

    def step(self) -> None:
        self._latest = self._hyperparameters()
        self._optimizer.step(self._network.grads)
        self._changing = self._latest != self._hyperparameters()

    def accuracy(self, inputs: Values, labels: Values) -> float:
        return float(self._network.accuracy(inputs, labels))

    # ---------------------------------------------------------------- what it offers beside

    def gradients(self) -> Named:
        return dict(self._network.grads)

    def activations(self) -> Named:
        return self._stages

    def set_gradients(self, gradients: Named) -> None:
        self._network.grads.update({n: np.array(g, self.dtype) for n, g in gradients.items()})

    def step_again(self) -> None:
        """`step` with the latest one's hyperparameters, which a schedule may have changed since."""
        for name, value in (self._latest or {}).items():
            with suppress(AttributeError):  # a property that computes it
                setattr(self._optimizer, name, value)
        self.step()

    def attend(self, replay: Replay | None) -> None:
        self._replay = replay

    def state(self) -> Named | None:
        own = getattr(self._optimizer, "state_dict", None)
        return None if own is None else own()

    def buffers(self) -> Named:
        """The layers' buffers as "<number of the layer>.<name>", which is torch's name in an `nn.Sequential`."""
        layers = enumerate(getattr(self._network, "layers", ()))
        return {f"{n}.{name}": b for n, layer in layers for name, b in (getattr(layer, "buffers", None) or {}).items()}

    def unsaved(self) -> list[str]:
        """Layers with running statistics or with a generator of their own."""
        layers = enumerate(getattr(self._network, "layers", ()))
        held = [(n, layer) for n, layer in layers if getattr(layer, "buffers", None) or hasattr(layer, "rng")]
        return [f"{number} {type(layer).__name__}" for number, layer in held]

    def load_state(self, parameters: Named, state: Named) -> None:
        own = getattr(self._optimizer, "load_state_dict", None)
        if own is None:
            kind = type(self._optimizer).__name__
            raise UsageError(f"{self.name}: {kind} has no load_state_dict(state); give it one beside state_dict()")
        self.load(parameters)
        own(state)

    def rule(self) -> Rule | None:
        own = self._optimizer
        family = next((c.__name__ for c in type(own).__mro__ if c.__name__ in RULES), None)
        if family is None or getattr(own, "amsgrad", False) or getattr(own, "centered", False):
            return None
        if self._changing:
            return None  # its step changed them, before or after it used them
        numbers = self._hyperparameters() if self._latest is None else self._latest
        return Rule(RULES[family], decoupled=family == "AdamW", **numbers)

    def _hyperparameters(self) -> dict[str, Any]:
        """As they are now, where the optimiser has them under torch's names; no arrays of a rate for each element."""
        own = self._optimizer
        found = {name: getattr(own, name) for name in HYPERPARAMETERS if hasattr(own, name)}
        return {name: value for name, value in found.items() if np.ndim(value) == 0 or isinstance(value, tuple | list)}

    def widened(self) -> "NumPyTrainee":
        held = [*self._network.params.values()]
        held += [b for layer in getattr(self._network, "layers", ()) for b in getattr(layer, "buffers", {}).values()]
        wide = {id(array): array.astype(np.float64) for array in held}
        return NumPyTrainee(f"{self.name} in float64", copy.deepcopy(self._network, wide), lambda params: None)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Every layer's output is kept while this lasts, and the kinks ask the replay."""
        layers = tuple(getattr(self._network, "layers", ()))
        for number, layer in enumerate(layers):
            layer.forward = self._watching(f"{number} {type(layer).__name__}", layer, layer.forward)
        try:
            yield
        finally:
            for layer in layers:
                del layer.forward  # the instance's own; the class's method is there again

    def _watching(self, stage: str, layer: Any, forward: Callable[[Values], Values]) -> Callable[[Values], Values]:
        def watched(x: Values) -> Values:
            self._stages[stage] = out = forward(self._asked(layer, x))
            return out

        return watched

    def _asked(self, layer: Any, x: Values) -> Values:
        kinds = {kind.__name__ for kind in type(layer).__mro__}
        if self._replay is None or not kinds & {"ReLU", "MaxPool2d"}:
            return x
        if "ReLU" in kinds:
            return self._replay.relu(x)
        windows = layer.windows
        if windows.dilation != (1, 1):
            raise UsageError(f"{self.name}: a dilated max-pool cannot be replayed; pass replay=False")
        return self._replay.max_pool(x, windows.kernel, windows.stride, windows.padding)
